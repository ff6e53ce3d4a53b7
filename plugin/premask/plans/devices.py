"""The shards of a plan on the devices of one machine: a process each, watched over by this one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from premask.errors import Cancelled
from premask.plans.device_lane import DeviceLane
from premask.plans.plan import Plan
from premask.plans.shard_board import ShardBoard
from premask.plans.worker_process import WorkerOptions, WorkerProcess
from premask.runs.progress import ProgressWatcher

GRACE = 10.0
"""Seconds that processes have for the images under way, when all is to stop."""

_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesOutcome:
    """Images that are done (some of them failed, some `reused`), and `deaths` of processes."""

    images: int
    failed: int
    reused: int
    seconds: float
    deaths: int

    @classmethod
    def of(
        cls, board: ShardBoard, cancel: threading.Event | None, *, deaths: int
    ) -> DevicesOutcome:
        """What the board says, now that nobody is at work; raises why, if not all is done."""
        if board.error is not None:
            raise board.error
        progress = board.progress()
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"Stopped after {progress.done - progress.reused} images, as asked.")
        return cls(
            images=progress.done,
            failed=progress.failed,
            reused=progress.reused,
            seconds=progress.seconds,
            deaths=deaths,
        )


def board_of(plan: Plan, shards: Sequence[int] | None) -> ShardBoard:
    """A board with these shards of the plan, by default all that are not done."""
    todo = plan.todo() if shards is None else shards
    images = sum(map(plan.planned, todo)) if shards is not None else plan.image_count
    return ShardBoard(todo=todo, images=images, kept=images - sum(map(plan.planned, todo)))


def label_on_devices(
    plan: Plan,
    devices: Sequence[str],
    *,
    shards: Sequence[int] | None = None,
    options: WorkerOptions | None = None,
    on_progress: ProgressWatcher | None = None,
    on_note: Callable[[str], object] | None = None,
    cancel: threading.Event | None = None,
) -> DevicesOutcome:
    """Label these shards, by default all that are not done, with one process a device.

    A device may be named twice. A process that dies is started again, and its shard goes on where
    it was; an image that no process outlives becomes one that failed. `on_note` is told of such
    things in words. Setting `cancel` ends all after the images under way, with `Cancelled`.
    """
    plan.require_same_work()
    board = board_of(plan, shards)
    lanes = [_lane(plan, device, board, options or WorkerOptions(), devices) for device in devices]
    with _running(lanes, board) as threads:
        while any(thread.is_alive() for thread in threads):
            if cancel is not None and cancel.is_set():
                board.stop()
            if board.stopped:
                break
            board.report(on_progress, on_note)
            time.sleep(_PAUSE)
    board.report(on_progress, on_note)
    return DevicesOutcome.of(board, cancel, deaths=sum(lane.deaths for lane in lanes))


def _lane(
    plan: Plan, device: str, board: ShardBoard, options: WorkerOptions, devices: Sequence[str]
) -> DeviceLane:
    own = replace(options, device=device)
    return DeviceLane(
        device=device,
        board=board,
        start=partial(WorkerProcess, plan.folder, own, sharing=len(devices)),
        list_images=lambda shard: [image.id for image in plan.images(shard)],
    )


@contextmanager
def _running(
    lanes: Sequence[DeviceLane], board: ShardBoard
) -> Iterator[Sequence[threading.Thread]]:
    """A thread for each lane; behind the block no process of theirs is left."""
    threads = [threading.Thread(target=lane.run, name="premask-device") for lane in lanes]
    for thread in threads:
        thread.start()
    try:
        yield threads
        deadline = time.monotonic() + GRACE
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            # Again and again: one may just have been started.
            for lane in lanes:
                lane.stop()
            time.sleep(_PAUSE)
    finally:
        board.stop()
        while any(thread.is_alive() for thread in threads):
            for lane in lanes:
                lane.kill()
            time.sleep(_PAUSE / 10)
