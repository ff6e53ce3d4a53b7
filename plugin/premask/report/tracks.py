"""A clip from afar: which object is there when, and how sure, without its masks."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np

from premask.annotations import Annotation, LabeledClip
from premask.labels.clip_frames import looked_at
from premask.report.draw import label_color
from premask.report.lettering import Color
from premask.video.decoders import ASSUMED_FPS

UNKNOWN = -1.0
"""In the place of a score that there is none of."""

LONGEST = 1e7
"""Seconds: more than a hundred days are no time of a clip."""


@dataclass(slots=True)
class Track:
    """One object: the places of the frames that it is in, and its scores there.

    Objects that have a label and no track are one row.
    """

    track: int | None
    label: str
    color: Color
    places: array[int] = field(default_factory=lambda: array("q"))
    scores: array[float] = field(default_factory=lambda: array("d"))
    keyframes: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.label if self.track is None else f"{self.label} #{self.track}".strip()

    @property
    def least_sure(self) -> int | None:
        """The place among its own frames where the score is lowest; None if it has no scores."""
        known = [index for index, score in enumerate(self.scores) if score != UNKNOWN]
        return min(known, key=lambda index: self.scores[index], default=None)

    def samples(self, count: int) -> list[int]:
        """Some of its own frames, evenly, with the first, the last, and the least sure."""
        chosen = set(np.linspace(0, len(self.places) - 1, count).round().astype(int).tolist())
        if self.least_sure is not None and self.least_sure not in chosen:
            inner = sorted(chosen)[1:-1]
            chosen.remove(min(inner, key=lambda index: abs(index - (self.least_sure or 0))))
            chosen.add(self.least_sure)
        return sorted(chosen)


@dataclass(slots=True)
class ClipSummary:
    """The frames' numbers and times, and the tracks in the order in which they come."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    tracks: list[Track] = field(default_factory=list)
    is_timed: bool = True
    end: float = 1.0
    """When the last frame ends: it is shown for as long as most are."""
    _labels: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, clip: LabeledClip) -> ClipSummary:
        """Go through the clip once; frames without times are one unit apart."""
        summary, rows = cls(), dict[tuple[int | None, str], Track]()
        for place, labeled in enumerate(looked_at(clip)):
            summary.numbers.append(labeled.frame or 0)
            time = labeled.time
            last = summary.times[-1] if summary.times else 0.0
            # Others' times may be anything.
            summary.is_timed &= time is not None and last <= time < LONGEST
            summary.times.append(place if time is None else time)
            for annotation in labeled.annotations:
                row = rows.get((annotation.track, annotation.label))
                if row is None:
                    row = summary._new_row(annotation)
                    rows[annotation.track, annotation.label] = row
                _note(row, annotation, place)
        if not summary.is_timed:
            summary.times = array("d", map(float, summary.numbers))
        if summary.times:
            steps = [after - before for before, after in pairwise(summary.times)]
            summary.end = summary.times[-1] + (median(steps) if steps else 1.0)
        return summary

    def seconds(self, place: int) -> float:
        """When the frame at this place is shown, from the first one on."""
        return self.times[place] - self.times[0] if self.is_timed else place / ASSUMED_FPS

    def share(self, place: int) -> float:
        """How far into the clip the frame at this place begins, from 0 to 1."""
        start = self.times[0] if self.times else 0.0
        at = self.times[place] if place < len(self.times) else self.end
        return (at - start) / ((self.end - start) or 1.0)

    def _new_row(self, annotation: Annotation) -> Track:
        color = label_color(annotation.label, self._labels[annotation.label], spread=1.0)
        self._labels[annotation.label] += 1
        track = Track(annotation.track, annotation.label, color)
        self.tracks.append(track)
        return track


def _note(row: Track, annotation: Annotation, place: int) -> None:
    score = UNKNOWN if annotation.score is None else annotation.score
    if row.places and row.places[-1] == place:  # several without a track: the least sure counts
        row.scores[-1] = min(row.scores[-1], score)
        return
    row.places.append(place)
    row.scores.append(score)
    if annotation.keyframe:
        row.keyframes.append(place)
