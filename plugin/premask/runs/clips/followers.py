"""The objects that one pass over a clip follows: those the model steps, and those known already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.masks import Mask, Size
from premask.models.capabilities import Outline, Tracker, Tracking
from premask.models.pool import ModelPool
from premask.prompts import Hint
from premask.recipes.stage_settings import TrackStage
from premask.runs.clips.frame_log import Entry, FrameLog
from premask.video.frames import Frame


@dataclass(slots=True, kw_only=True)
class Follower:
    """An object under way. One that is `known` is read from the log of an earlier run.

    `seen` is when it was seen last, and `stretch` a key of all that decides where it is.
    """

    label: str
    source: tuple[str, ...]
    stretch: str
    seen: float
    known: bool


class Followers:
    """Steps all objects through one frame after the other, together, with one look at each frame.

    `earlier` is the log of a run before: stretches that it has whole are not followed again.
    """

    def __init__(
        self, stage: TrackStage, size_hw: Size, pool: ModelPool, earlier: FrameLog | None
    ) -> None:
        self._stage, self._size_hw, self._pool, self._earlier = stage, size_hw, pool, earlier
        self._tracker = _tracker(stage, pool)
        self._tracking: Tracking | None = None
        self._pointed: dict[int, Hint] = {}
        self._by_person: set[int] = set()
        self.live: dict[int, Follower] = {}
        self.masks: dict[int, Mask] = {}

    def begin(
        self, track: int, hint: Hint, stretch: str, *, last: int | None, by_person: bool
    ) -> None:
        """Follow an object from the next frame on, at most to the frame `last`.

        One that was followed before is forgotten first.
        """
        self.end(track)
        known = self._earlier is not None and self._earlier.has(stretch, last)
        source = (*hint.source, self._stage.model)
        self.live[track] = Follower(
            label=hint.label, source=source, stretch=stretch, seen=0.0, known=known
        )
        if not known:
            self._pointed[track] = hint
        if by_person:
            self._by_person.add(track)

    def end(self, track: int) -> None:
        """Don't follow it any more."""
        gone = self.live.pop(track, None)
        self.masks.pop(track, None)
        if gone is not None and not gone.known and self._tracking is not None:
            self._tracking.end(track)

    def step(self, frame: Frame) -> dict[int, Entry]:
        """Where each object is in the next frame."""
        outlines = self._outlines(frame)
        known = self._known_entries(frame.index)
        entries: dict[int, Entry] = {}
        for track, follower in self.live.items():
            if follower.known:
                nothing = Entry(track=track, stretch=follower.stretch, annotation=None)
                entries[track] = known.get(follower.stretch, nothing)
            else:
                found = self._annotation(track, follower, outlines[track])
                entries[track] = Entry(track=track, stretch=follower.stretch, annotation=found)
            self._note(track, follower, entries[track].annotation, frame.time)
        self._pointed.clear()
        self._by_person.clear()
        return entries

    def over(self, time: float) -> dict[int, str]:
        """The objects that were lost too long ago, with their stretches; they are ended."""
        limit = self._stage.end_after
        lost = {
            track: follower.stretch
            for track, follower in self.live.items()
            if limit and abs(time - follower.seen) > limit
        }
        for track in lost:
            self.end(track)
        return lost

    def state(self) -> tuple[str, bytes]:
        """All that `restore` needs, between two frames: as JSON, and what the model remembers."""
        live = {track: asdict(follower) for track, follower in self.live.items()}
        masks = {track: mask.counts.decode() for track, mask in self.masks.items()}
        model = b"" if self._tracking is None else self._tracking.state()
        return json.dumps([live, masks]), model

    def restore(self, text: str, model: bytes) -> None:
        """Become what `state` was taken of."""
        live, masks = json.loads(text)
        self.live = {
            int(track): Follower(**{**values, "source": tuple(values["source"])})
            for track, values in live.items()
        }
        self.masks = {
            int(track): Mask(size_hw=self._size_hw, counts=counts.encode())
            for track, counts in masks.items()
        }
        if model:
            self._tracking = self._tracker.resume(model, self._size_hw, self._stage.options)

    def _outlines(self, frame: Frame) -> Mapping[int, Outline]:
        if all(follower.known for follower in self.live.values()):
            self._tracking = None
            return {}
        if self._tracking is None:
            self._tracking = self._tracker.begin(self._size_hw, self._stage.options)
        (embedding,) = self._pool.embed(self._stage.model, [frame.image])
        # Of an object that was not there when somebody pointed at it, a tracker knows nothing.
        unseen = dict.fromkeys(self.live, Outline(mask=Mask.empty(self._size_hw)))
        outlines = unseen | dict(self._tracking.step(frame.index, embedding, self._pointed))
        # What a person drew is what they get, bit by bit.
        drawn = {
            track: replace(outlines[track], mask=hint.mask)
            for track, hint in self._pointed.items()
            if hint.mask is not None and track in self._by_person
        }
        return outlines | drawn

    def _annotation(self, track: int, follower: Follower, outline: Outline) -> Annotation | None:
        by_person = track in self._by_person
        unsure = outline.score is not None and outline.score < self._stage.present
        if not outline.mask.area or (unsure and not by_person):
            return None
        return Annotation(
            label=follower.label,
            box_xyxy=outline.mask.box_xyxy,
            score=outline.score,
            mask=outline.mask,
            track=track,
            source=follower.source,
            keyframe=by_person,
        )

    def _known_entries(self, frame: int) -> dict[str, Entry]:
        is_wanted = any(follower.known for follower in self.live.values())
        if self._earlier is None or not is_wanted or frame not in self._earlier:
            return {}
        return {entry.stretch: entry for entry in self._earlier.get(frame).entries}

    def _note(self, track: int, follower: Follower, found: Annotation | None, time: float) -> None:
        if found is not None and found.mask is not None:
            follower.seen = time
            self.masks[track] = found.mask
        elif track in self._pointed:
            follower.seen = time


def _tracker(stage: TrackStage, pool: ModelPool) -> Tracker:
    tracker = pool.tracker(stage.model)
    if not isinstance(tracker, Tracker):
        raise InvalidSetting(f"track.model: '{stage.model}' follows phrases only.")
    return tracker
