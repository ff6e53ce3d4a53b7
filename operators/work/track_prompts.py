"""Where objects are said to be in a clip: labels of a field, corrections, and what was found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from premask.labels.fiftyone import hint_from_annotation, hints_from_clicks
from premask.masks import Size
from premask.prompts import Hint, Phrase, Prompts
from premask.runs.clips.clip_work import newcomer_log

from ..dataset.clips import Clip, Holder
from ..dataset.history import all_runs
from ..dataset.provenance import RUN, computed_attributes, is_replaceable
from ..dataset.reading import MEMBERS, Found, holder_reader, label_kind
from ..dataset.track_numbers import Identity
from ..dataset.tracks import Mark, Tracks, is_lone, label_of, mark_of, shared_indices
from .track_job import TrackJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointed:
    """A label that says where an object is in a frame. One of a run has the run's name."""

    frame: int
    mark: Mark
    hint: Hint
    run: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPrompts:
    """What is pointed at in a clip, by frames, and which labels in its frames are whose.

    `fillers` are the labels that the App has put between a person's keyframes. Before the frame in
    `fixed`, what an earlier run found of an object stays, as nobody has pointed at it there. What
    is pointed at in the frames of `seen`, by objects, no person has pointed at.
    """

    prompts: dict[int, Prompts]
    tracks: Tracks
    fillers: frozenset[str]
    fixed: Mapping[int, float]
    seen: Mapping[int, int]

    @property
    def is_empty(self) -> bool:
        return not any(asked.hints() for asked in self.prompts.values())


@dataclass(slots=True, kw_only=True)
class _Held:
    """What the field that is written to has: a person's labels, and of runs where each begins."""

    marks: list[Mark] = field(default_factory=list)
    persons: list[Pointed] = field(default_factory=list)
    runs: list[Pointed] = field(default_factory=list)
    shared: set[int] = field(default_factory=set)


def prompts_of(clip: Clip, job: TrackJob, folder: Path, size_hw: Size) -> ClipPrompts:
    """Read what is pointed at in the frames of a clip; `folder` has the work on it so far.

    These are the labels of the prompt field, as the chosen view shows them, and in the field that
    is written to, the labels that no run has made or that somebody has changed since. Where there
    are some, objects that an earlier run has found are pointed at as well: where it found them.
    """
    held = _held(clip, job, size_hw)
    pointed: list[Pointed] = []
    if job.prompt_field is not None and job.prompt_field != job.field:
        shown = clip.shown(job.prompt_field)
        pointed = list(_pointed(shown, job.dataset, job.prompt_path or "", size_hw))
    tracks = _tracks(f"{clip.key} {job.field}", held, pointed)
    fillers = _fillers(held.persons, tracks)
    persons = [found for found in held.persons if found.mark.label_id not in fillers]
    asked = list(_keyframes(pointed, tracks))
    fixed, seen = dict[int, float](), dict[int, Pointed]()
    if asked or persons:
        known = {tracks.number(found.mark) for found in asked}
        earlier = _by_track(held.runs, tracks)
        earlier = {number: earlier[number] for number in earlier if number not in known}
        firsts = {number: found[0].frame for number, found in _by_track(persons, tracks).items()}
        asked += [one for found in earlier.values() for one in found if one.mark.is_keyframe]
        fixed = _fixed(earlier, firsts, job)
        seen = _seen(earlier, firsts, newcomer_log(folder).read(size_hw))
    return ClipPrompts(
        prompts=_prompts([*asked, *seen.values()], persons, tracks),
        tracks=tracks,
        fillers=fillers,
        fixed=fixed,
        seen={number: found.frame for number, found in seen.items()},
    )


def _prompts(
    asked: Sequence[Pointed], persons: Sequence[Pointed], tracks: Tracks
) -> dict[int, Prompts]:
    """All of it by frames. Whoever corrects what was made of a prompt means the correction."""
    hints: dict[int, dict[int, list[Hint]]] = {}
    for found in asked:
        number = tracks.number(found.mark)
        by_track = hints.setdefault(found.frame, {}).setdefault(number, [])
        by_track.append(replace(found.hint, track=number))
    for found in persons:
        number = tracks.number(found.mark)
        hints.setdefault(found.frame, {})[number] = [replace(found.hint, track=number)]
    return {
        frame: Prompts(objects=tuple(hint for same in by_track.values() for hint in same))
        for frame, by_track in hints.items()
    }


def _tracks(name: str, held: _Held, pointed: Sequence[Pointed]) -> Tracks:
    by_frame: dict[int, list[Mark]] = {}
    for found in pointed:
        by_frame.setdefault(found.frame, []).append(found.mark)
    shared = held.shared.union(*map(shared_indices, by_frame.values()))
    return Tracks(name, held.marks, [found.mark for found in pointed], shared)


def with_phrases(prompts: Mapping[int, Prompts], phrases: tuple[Phrase, ...]) -> dict[int, Prompts]:
    """The same, and words to look for, which hold for all frames."""
    if not phrases:
        return dict(prompts)
    first = replace(prompts.get(0, Prompts()), phrases=phrases)
    return {**prompts, 0: first}


def _held(clip: Clip, job: TrackJob, size_hw: Size) -> _Held:
    computed, held = computed_attributes(job.dataset), _Held()
    met, persons, runs = set[Identity](), list[Holder](), list[Holder]()
    for frame, holder in clip.stored(job.field):
        documents = holder.get("detections") or ()
        marks = [mark_of(document) for document in documents]
        held.shared |= shared_indices(marks)
        theirs, ours = [], []
        for document, mark in zip(documents, marks, strict=True):
            if not is_replaceable(label_of(document), computed):
                theirs.append(document)
            elif mark.identity not in met or mark.is_keyframe:
                ours.append(document)
            if mark.identity not in met and not is_lone(mark):
                held.marks.append(mark)
                met.add(mark.identity)
        persons.append((frame, {"detections": theirs}))
        runs.append((frame, {"detections": ours}))
    held.persons += _pointed(persons, job.dataset, job.path, size_hw)
    held.runs += _pointed(runs, job.dataset, job.path, size_hw)
    return held


def _pointed(
    holders: Iterable[Holder], dataset: Any, path: str, size_hw: Size
) -> Iterator[Pointed]:
    """One for each label of these frames."""
    member, read = MEMBERS.get(label_kind(dataset, path)), holder_reader(dataset, path)
    for frame, holder in holders:
        found = Found()
        read(found, holder, size_hw)
        documents = [holder] if member is None else holder.get(member) or []
        shapes = (hint_from_annotation(shape) for shape in found.annotations)
        for document, hint in zip(documents, shapes, strict=False):
            run = document.get(RUN)
            yield Pointed(frame=frame, mark=mark_of(document), hint=hint, run=run)
        for hint in hints_from_clicks(found.clicks):
            assert hint.track is not None
            yield Pointed(frame=frame, mark=mark_of(documents[hint.track]), hint=hint)


def _keyframes(pointed: Sequence[Pointed], tracks: Tracks) -> Iterator[Pointed]:
    """Those that say where an object is; of tracks with keyframes, these are its keyframes alone.

    What is between keyframes follows from them.
    """
    for found in _by_track(pointed, tracks).values():
        has_keyframes = any(one.mark.is_keyframe for one in found)
        yield from (one for one in found if not has_keyframes or one.mark.is_keyframe is not False)


def _fillers(persons: Sequence[Pointed], tracks: Tracks) -> frozenset[str]:
    """Labels that the App made of a person's keyframes, by their ids.

    When a keyframe is set, the App (1.22) fills the frames up to the next one, and says that these
    are none. Labels that say so, but are not joined to a keyframe, somebody has changed.
    """
    fillers = set[str]()
    for found in _by_track(persons, tracks).values():
        for ordered, step in ((found, 1), (found[::-1], -1)):
            reached: int | None = None
            for one in ordered:
                is_filler = one.mark.is_keyframe is False and reached == one.frame - step
                if one.mark.is_keyframe or is_filler:
                    reached = one.frame
                if is_filler:
                    fillers.add(one.mark.label_id)
    return frozenset(fillers)


def _by_track(pointed: Iterable[Pointed], tracks: Tracks) -> dict[int, list[Pointed]]:
    """The labels of each object, in the order of the frames."""
    by_track: dict[int, list[Pointed]] = {}
    for found in sorted(pointed, key=lambda found: found.frame):
        by_track.setdefault(tracks.number(found.mark), []).append(found)
    return by_track


def _fixed(
    earlier: Mapping[int, Sequence[Pointed]], firsts: Mapping[int, int], job: TrackJob
) -> dict[int, float]:
    """Before which frame each object that was found in the same way stays as it is."""
    settings = str(job.recipe)
    same = {run.name for run in all_runs(job.dataset) if run.settings == settings}
    return {
        number: firsts.get(number, math.inf)
        for number, found in earlier.items()
        if found[0].run in same
    }


def _seen(
    earlier: Mapping[int, Sequence[Pointed]],
    firsts: Mapping[int, int],
    newcomers: Mapping[int, tuple[int, Hint]],
) -> dict[int, Pointed]:
    """Where a run has seen each object at which nobody had pointed, unless somebody has before."""
    seen: dict[int, Pointed] = {}
    for number, found in earlier.items():
        first = found[0]
        if number in newcomers:
            frame, hint = newcomers[number]
            first = replace(first, frame=frame, hint=hint)
        is_pointed_at = any(one.mark.is_keyframe for one in found)
        if not is_pointed_at and first.frame < firsts.get(number, math.inf):
            seen[number] = first
    return seen
