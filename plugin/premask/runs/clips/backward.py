"""The pass from where objects were pointed at first, back to the first frame of a clip."""

from __future__ import annotations

import json
from collections.abc import Iterator

from premask.models.pool import ModelPool
from premask.recipes.tracking.pointing import Stretch
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.followers import Followers
from premask.runs.clips.frame_log import FrameLog, LoggedFrame
from premask.video.frames import Frame


class BackwardPass:
    """Writes a log of frames that go down. Frames without anything to follow are left out."""

    def __init__(
        self, task: ClipTask, pool: ModelPool, log: FrameLog, *, earlier: FrameLog | None
    ) -> None:
        self._task, self._log = task, log
        self._followers = Followers(task.stage, task.video.size_hw, pool, earlier)
        self._starts = _first_stretches(task)
        self._last: int | None = None
        self.done = 0

    def run(self) -> Iterator[LoggedFrame]:
        """The frames that are done, as they are written."""
        if not self._starts or not self._task.stage.both_ways:
            return
        top = max(self._starts) if self._last is None else self._last - 1
        indices = self._task.video.indices(self._task.span, top)
        if not indices or indices[0] == top:
            return
        lowest = indices[0]
        for frame in self._task.video.frames_down(indices):
            logged = self._step(frame, lowest)
            if logged.entries:
                self._log.add(logged)
                self.done += 1
                yield logged

    def state(self) -> bytes | None:
        """All that `restore` needs."""
        text, model = self._followers.state()
        return json.dumps([self.done, self._last, text]).encode() + b"\n" + model

    def restore(self, state: bytes) -> None:
        """Go on below the frame at which the state was taken; the log is cut there."""
        head, _, model = state.partition(b"\n")
        self.done, self._last, text = json.loads(head)
        self._followers.restore(text, model)
        self._log.keep(self.done)

    def _step(self, frame: Frame, lowest: int) -> LoggedFrame:
        starting = self._starts.get(frame.index, {})
        for track, stretch in starting.items():
            key = self._task.key(stretch.hint, frame.index, "back")
            self._followers.begin(track, stretch.hint, key, last=None, by_person=True)
        entries = self._followers.step(frame)
        self._last = frame.index
        ended = self._followers.over(frame.time)
        # The frame in which somebody pointed at an object belongs to the way forwards.
        return LoggedFrame(
            frame=frame.index,
            time=frame.time,
            entries=tuple(entry for track, entry in entries.items() if track not in starting),
            ended=tuple(ended.values()),
        )


def _first_stretches(task: ClipTask) -> dict[int, dict[int, Stretch]]:
    """Where each object is pointed at first; with nothing before it, it has no way back."""
    firsts: dict[int, dict[int, Stretch]] = {}
    met = set[int]()
    for frame in sorted(task.stretches):
        for track, stretch in task.stretches[frame].items():
            if track not in met:
                met.add(track)
                firsts.setdefault(frame, {})[track] = stretch
    return firsts
