"""The pass over a clip by a model that looks for phrases in every frame itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from premask.annotations import Annotation
from premask.errors import InvalidSetting, UnreadableVideo
from premask.models.capabilities import PhraseTracker, PhraseTracking, Sighting
from premask.models.pool import ModelPool
from premask.prompts import Hint
from premask.recipes.tracking.pointing import words_of
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.frame_log import Entry, FrameLog, LoggedFrame


class PhrasePass:
    """Writes the log of a clip; the model may hold frames back until it is sure of them."""

    def __init__(self, task: ClipTask, pool: ModelPool, log: FrameLog) -> None:
        self._task, self._pool, self._log = task, pool, log
        self._phrases = words_of(task.prompts).phrases
        self._tracking: PhraseTracking | None = None
        self._times: dict[int, float] = {}
        self._last = -1
        self._is_over = False
        self.done = 0

    def run(self) -> Iterator[LoggedFrame]:
        """The frames that are done, as they are written."""
        if self._tracking is None:
            self._tracking = self._tracker().look_for(self._phrases, *self._setting)
        tracking, broken = self._tracking, None
        try:
            for frame in self._task.frames(first=self._last + 1):
                self._times[frame.index] = frame.time
                (embedding,) = self._pool.embed(self._task.stage.model, [frame.image])
                certain = tracking.step(frame.index, embedding)
                self._last = frame.index
                yield from self._note(certain)
        except UnreadableVideo as error:
            broken = error
        self._is_over = True
        yield from self._note(tracking.finish())
        if broken is not None:
            raise broken

    def state(self) -> bytes | None:
        """All that `restore` needs; None when there is nothing to go on with."""
        if self._tracking is None or self._is_over:
            return None
        head = json.dumps([self.done, self._last, list(self._times.items())])
        return head.encode() + b"\n" + self._tracking.state()

    def restore(self, state: bytes) -> None:
        """Go on behind the frame at which the state was taken; the log is cut there."""
        head, _, model = state.partition(b"\n")
        self.done, self._last, times = json.loads(head)
        self._times = dict(times)
        self._tracking = self._tracker().resume_looking(model, self._phrases, *self._setting)
        self._log.keep(self.done)

    @property
    def _setting(self) -> tuple[tuple[int, int], object]:
        return self._task.video.size_hw, self._task.stage.options

    def _tracker(self) -> PhraseTracker:
        tracker = self._pool.tracker(self._task.stage.model)
        if not isinstance(tracker, PhraseTracker):
            raise InvalidSetting(f"track.model: '{self._task.stage.model}' takes no phrases.")
        return tracker

    def _note(self, certain: Sequence[Sighting]) -> Iterator[LoggedFrame]:
        frames = []
        for frame, hints in certain:
            entries = tuple(
                Entry(track=track, stretch="", annotation=self._annotation(track, hint))
                for track, hint in sorted(hints.items())
            )
            frames.append(LoggedFrame(frame=frame, time=self._times.pop(frame), entries=entries))
            self._log.add(frames[-1])
            self.done += 1
        # Only now: whoever saves the state between two of them finds all of them in the log.
        yield from frames

    def _annotation(self, track: int, hint: Hint) -> Annotation | None:
        unsure = hint.score is not None and hint.score < self._task.stage.present
        if hint.mask is None or not hint.mask.area or unsure:
            return None
        return Annotation(
            label=hint.label,
            box_xyxy=hint.mask.box_xyxy,
            score=hint.score,
            mask=hint.mask,
            track=track,
            source=(*hint.source, self._task.stage.model),
        )
