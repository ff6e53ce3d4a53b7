"""A clip's passes in a folder of their own: they go on where they were, and reuse what holds."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from premask.annotations import Labeled
from premask.errors import UnreadableVideo, UnsupportedPrompt
from premask.files import write_atomically
from premask.models.pool import ModelPool
from premask.runs.clips.backward import BackwardPass
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.final_frames import FinalFrames, final_frame, matte_frames
from premask.runs.clips.forward import ForwardPass
from premask.runs.clips.frame_log import FrameLog, LoggedFrame
from premask.runs.clips.newcomer_log import NewcomerLog
from premask.runs.clips.phrases import PhrasePass

SAVE_SECONDS = 15.0
"""So often what the models remember is saved: after a crash, so much is done once more."""

_WORK, _DONE, _FORWARD = "work", "done.json", "forward"


class _Pass(Protocol):
    """One way through a clip."""

    @property
    def done(self) -> int: ...

    def run(self) -> Iterator[LoggedFrame]: ...

    def state(self) -> bytes | None: ...

    def restore(self, state: bytes) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStep:
    """One more frame is done: how many now, and how many there are, as far as the file tells.

    `final` is the frame if nothing but the refine stage comes behind it.
    """

    done: int
    total: int | None
    reused: int
    final: LoggedFrame | None = None


class ClipWork:
    """Follows what is asked for in one clip; the results are in the folder afterwards.

    `now` is the work that is under way or done, and `earlier` what was done before it with other
    prompts: stretches that these left alone are taken from there.
    """

    def __init__(self, task: ClipTask, pool: ModelPool, folder: Path) -> None:
        self._task, self._pool, self._folder = task, pool, folder
        self._now, self._earlier = folder / "now", folder / "earlier"
        self.error: UnreadableVideo | None = None

    @property
    def frames(self) -> FinalFrames:
        """What was found, frame by frame, once the work is done."""
        return FinalFrames(self._task, self._now)

    @property
    def is_done(self) -> bool:
        """Whether all frames are followed, so that nothing has to be loaded; mattes aside."""
        return self._is_same_work and (self._now / _DONE).is_file()

    @property
    def _is_same_work(self) -> bool:
        work = self._now / _WORK
        return work.is_file() and work.read_text() == self._task.work

    def stream(self) -> Generator[ClipStep | Labeled, None, None]:
        """Do the same, and hand out each frame as soon as nothing changes it any more."""
        last = -1
        with closing(self.run()) as steps:
            for step in steps:
                yield step
                if step.final is None:
                    continue
                if last < 0:
                    # Those that were done before.
                    yield from self._between(last, step.final.frame)
                last = step.final.frame
                yield final_frame(step.final, self._task)
        yield from self._between(last, None)

    def _between(self, last: int, end: int | None) -> Iterator[Labeled]:
        """The frames behind `last`, up to before `end`."""
        for labeled in self.frames:
            if end is not None and labeled.frame == end:
                return
            if labeled.frame is not None and labeled.frame > last:
                yield labeled

    def run(self) -> Generator[ClipStep, None, None]:
        """Do what is not done; a step for each frame. Closing it keeps what is done."""
        with self._pool.using(self._task.models):
            yield from self._run()

    def _run(self) -> Iterator[ClipStep]:
        self._task.require_usable()
        _require_frames(self._task)
        if not self.is_done or self._task.recipe.matte is not None:
            for model in self._task.models:
                self._pool.load(model)
        self._make_room()
        done = self._now / _DONE
        if done.is_file():
            self.error = _error_in(done)
        else:
            yield from self._passes()
            reason = self.error and [self.error.name, self.error.reason]
            write_atomically(done, json.dumps({"error": reason}).encode())
        if self._task.recipe.matte is not None:
            total = self._task.video.expected_frames(self._task.span) or None
            for count in matte_frames(self._task, self._pool, self._now):
                yield ClipStep(done=count, total=total, reused=0)

    def _make_room(self) -> None:
        """Put what was done with other prompts aside, to be reused."""
        if self._is_same_work:
            return
        if (self._now / _DONE).is_file():
            shutil.rmtree(self._earlier, ignore_errors=True)
            self._now.rename(self._earlier)
        shutil.rmtree(self._now, ignore_errors=True)
        write_atomically(self._now / _WORK, self._task.work.encode())

    def _passes(self) -> Iterator[ClipStep]:
        task, pool, size_hw = self._task, self._pool, self._task.video.size_hw
        with ExitStack() as files:

            def log(folder: Path, name: str) -> FrameLog:
                return files.enter_context(FrameLog(folder / f"{name}.jsonl", size_hw))

            forward = log(self._now, _FORWARD)
            if task.stage.looks_itself and task.recipe.find is None:
                yield from self._counted(PhrasePass(task, pool, forward), _FORWARD)
                return
            has_earlier = (self._earlier / _DONE).is_file()
            before = log(self._earlier, "backward") if has_earlier else None
            backward = log(self._now, "backward")
            back = BackwardPass(task, pool, backward, earlier=before)
            yield from self._counted(back, "backward")
            before = log(self._earlier, _FORWARD) if has_earlier else None
            newcomers = newcomer_log(self._folder)
            ahead = ForwardPass(
                task, pool, forward, backward=backward, earlier=before, newcomers=newcomers
            )
            yield from self._counted(ahead, _FORWARD)

    def _counted(self, way: _Pass, name: str) -> Iterator[ClipStep]:
        """Run a pass from where it was, and save from time to time what it remembers."""
        state = self._now / f"{name}.state"
        if state.is_file():
            way.restore(state.read_bytes())
        reused, total = way.done, self._task.video.expected_frames(self._task.span) or None
        saved = time.monotonic()
        try:
            is_final = name == _FORWARD and self._task.recipe.matte is None
            for logged in way.run():
                if time.monotonic() - saved >= SAVE_SECONDS:
                    _save(state, way.state)
                    saved = time.monotonic()
                final = logged if is_final else None
                yield ClipStep(done=way.done, total=total, reused=reused, final=final)
            if name != _FORWARD:
                # Behind the last pass there is no other one that could be interrupted.
                _save(state, way.state)
        except UnreadableVideo as error:
            self.error = error
        except GeneratorExit:
            _save(state, way.state)
            raise


def newcomer_log(folder: Path) -> NewcomerLog:
    """What find has seen so far, whatever was pointed at since, in the folder of a `ClipWork`."""
    return NewcomerLog(folder / "newcomers.jsonl")


def _save(path: Path, state: Callable[[], bytes | None]) -> None:
    data = state()
    if data is not None:
        write_atomically(path, data)


def _error_in(done: Path) -> UnreadableVideo | None:
    reason = json.loads(done.read_text()).get("error")
    return UnreadableVideo(*reason) if reason else None


def _require_frames(task: ClipTask) -> None:
    """`UnsupportedPrompt` for frames that the clip does not have, or that are not looked at."""
    if not task.pointing:
        return
    there = task.video.indices(task.span, max(task.pointing))
    missing = sorted(set(task.pointing) - set(there))
    if missing:
        last = f"the last one up to there is {there[-1]}" if there else "it has none"
        raise UnsupportedPrompt(
            f"'{task.video.name}' has no frame {missing[0]} to point at: {last}. They are counted "
            "from 0, and a range and a rate (--from, --to, --fps) leave some out."
        )
