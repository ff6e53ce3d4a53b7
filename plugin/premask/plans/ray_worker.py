"""One of Ray's workers: rows that name a shard come in, and rows of counts go out."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from premask.cores import CORES
from premask.errors import ClusterFailed, PremaskError
from premask.plans.device_lane import DeviceLane
from premask.plans.plan import Plan
from premask.plans.shard_board import ShardBoard
from premask.plans.worker_process import WorkerOptions, WorkerProcess

Row = dict[str, Any]

_PAUSE = 0.5


class LabelShards:
    """Labels one shard after the other; its name is the one that Ray's dashboard shows.

    The models are in a process of its own, as with several devices of one machine: an image that
    ends a process ends that one, and not the one whose deaths Ray counts. `run_file` is there, in
    the folder of the plan, as long as anybody wants the results.
    """

    def __init__(self, run_file: Path, plan_folder: Path, options: WorkerOptions, cores: int):
        os.environ[CORES] = str(cores)
        self._run_file, self._folder, self._options = run_file, plan_folder, options
        self._host = socket.gethostname()
        self._lane: DeviceLane | None = None

    def __call__(self, row: Row) -> Row:
        """What became of the shard; an error that holds for all shards is text in the row."""
        shard = int(row["shard"])
        board = ShardBoard(todo=[shard], images=0, kept=0)
        deaths = 0
        try:
            deaths = self._label(board)
        except PremaskError as error:
            board.fail(error)
        progress = board.progress()
        return {
            "shard": shard,
            "finished": not board.stopped,
            "images": progress.done,
            "failed": progress.failed,
            "reused": progress.reused,
            "seconds": progress.seconds,
            "deaths": deaths,
            "notes": "\n".join(board.notes()),
            "error": "" if board.error is None else f"{self._host}: {board.error}",
        }

    def close(self) -> None:
        """End the process with the models; if Ray ends this one, it ends as well."""
        if self._lane is not None:
            self._lane.close()

    def _label(self, board: ShardBoard) -> int:
        """Do what is on the board, unless nobody wants it any more; how many processes died."""
        if self._lane is None:
            self._lane = self._new_lane(board)
        elif not self._run_file.exists():
            board.stop()
        before, self._lane.board = self._lane.deaths, board
        with self._until_unwanted(self._lane):
            self._lane.work()
        return self._lane.deaths - before

    def _new_lane(self, board: ShardBoard) -> DeviceLane:
        if not self._run_file.exists():
            raise ClusterFailed(
                f"{self._folder} is not here, or not the same folder as where the command was "
                "given. The plan has to be on a disk that all machines of the cluster share, under "
                "the same path: NFS, EFS, Lustre."
            )
        plan = Plan.open(self._folder)
        return DeviceLane(
            device=f"{self._host} ({self._options.device})",
            board=board,
            start=partial(WorkerProcess, self._folder, self._options, sharing=1),
            list_images=lambda shard: [image.id for image in plan.images(shard)],
        )

    @contextmanager
    def _until_unwanted(self, lane: DeviceLane) -> Iterator[None]:
        """Inside the block, the lane is stopped if the run file goes."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_PAUSE):
                if not self._run_file.exists():
                    # Again and again: a process may just have been started.
                    lane.board.stop()
                    lane.stop()

        thread = threading.Thread(target=watch, name="premask-run-file")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
