"""The shards of a plan on a Ray cluster: Ray says which worker does which, and keeps nothing."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from premask.errors import ClusterFailed, InvalidSetting
from premask.files import write_atomically
from premask.libraries import imported
from premask.plans.devices import GRACE, DevicesOutcome, board_of
from premask.plans.plan import Plan
from premask.plans.presence import FOLDER, workers_of
from premask.plans.ray_places import RayPlaces
from premask.plans.ray_worker import LabelShards
from premask.plans.shard_board import ShardBoard
from premask.plans.worker_process import WorkerOptions
from premask.runs.progress import Progress, ProgressWatcher

RETRIES = 3
"""So often a shard is tried again whose worker was lost; so many shards may be lost for good."""

_RESTARTS = 20
_PAUSE = 0.2
_LOOK = 2.0
_KNOCK = 10.0

_ENVIRONMENT = {
    # Ray would tell its makers about the cluster.
    "RAY_USAGE_STATS_ENABLED": "0",
    # A thread that still listens when all is over would start a cluster of its own.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # It would warn of what Ray Data itself does.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def label_on_ray(
    plan: Plan,
    *,
    address: str | None = None,
    workers: int | None = None,
    cores: int | None = None,
    shards: Sequence[int] | None = None,
    options: WorkerOptions | None = None,
    on_progress: ProgressWatcher | None = None,
    on_note: Callable[[str], object] | None = None,
    cancel: threading.Event | None = None,
) -> DevicesOutcome:
    """Label these shards, by default all that are not done, on the workers of a Ray cluster.

    `address` is Ray's; None is the cluster that this machine is part of, or else one of this
    machine alone. There are at most so many `workers`, by default as many as there is room for,
    each with so many `cores`. All machines see the plan's folder under the same path. The rest is
    as in `label_on_devices`.
    """
    plan.require_same_work()
    plan, options = replace(plan, folder=plan.folder.absolute()), options or WorkerOptions()
    if options.device.partition(":")[2]:
        raise InvalidSetting(f"Ray says which GPU a worker gets: not {options.device}, but cuda.")
    todo = plan.todo() if shards is None else list(shards)
    run = _RayRun(plan=plan, board=board_of(plan, shards), left=set(todo))
    if todo:
        with _connected(address) as ray:
            machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            places = RayPlaces.on(machines, options.device, cores)
            if not places.now:
                run.board.tell(places.missing)
            with _run_file(plan) as run_file:
                settings = {
                    "run_file": run_file,
                    "plan_folder": plan.folder,
                    "options": options,
                    "cores": places.cores,
                }
                most = min(workers or len(todo), len(todo))
                labeled = _labeled(ray, todo, settings, places, most)
                run.follow(labeled, on_progress, on_note, cancel)
            run.wait()
    run.board.report(on_progress, on_note)
    return DevicesOutcome.of(run.board, cancel, deaths=run.deaths)


@dataclass(slots=True, kw_only=True)
class _RayRun:
    """What is heard of the workers: by Ray when a shard is done, and before that by their files."""

    plan: Plan
    board: ShardBoard
    left: set[int]
    deaths: int = 0
    _seen: dict[int, int] = field(default_factory=dict)
    _looked: float = 0.0
    _listener: threading.Thread | None = None

    def follow(
        self,
        labeled: Any,
        on_progress: ProgressWatcher | None,
        on_note: Callable[[str], object] | None,
        cancel: threading.Event | None,
    ) -> None:
        """Tell what happens until all is done, or is to stop."""
        # It may have to wait for the next row for minutes.
        self._listener = threading.Thread(target=self._listen, args=(labeled,), daemon=True)
        self._listener.start()
        while self._listener.is_alive() and not self.board.stopped:
            if cancel is not None and cancel.is_set():
                self.board.stop()
            self.board.report(on_progress, on_note, self._under_way())
            time.sleep(_PAUSE)

    def wait(self) -> None:
        """Let the images under way be ended, of which the rows come back."""
        if self._listener is not None:
            self._listener.join(GRACE)

    def _listen(self, labeled: Any) -> None:
        """Take in rows until there are no more."""
        # Without a row that is fetched ahead, which would hold back the one before it.
        blocks = {"batch_size": None, "prefetch_batches": 0, "batch_format": "pyarrow"}
        try:
            for block in labeled.iter_batches(**blocks):
                for row in block.to_pylist():
                    self._take_in(row)
        except Exception as error:
            *_, reason = str(error).strip().splitlines() or [""]
            self.board.fail(
                ClusterFailed(
                    f"Ray has ended the work ({type(error).__name__}: {reason.strip()}). What was "
                    "done is kept; the same command goes on."
                )
            )
        if self.left and not self.board.stopped:
            some = ", ".join(map(str, sorted(self.left)))
            self.board.fail(
                ClusterFailed(
                    f"Each time that these shards were tried, {RETRIES + 1} times in all, Ray lost "
                    f"the worker: {some}. All others are done; the same command goes on. Is there "
                    "enough memory?"
                )
            )

    def _under_way(self) -> int:
        """So many images are done in shards that are not, as far as their workers have told."""
        if time.monotonic() - self._looked >= _LOOK:
            for worker in workers_of(self.plan.folder):
                if worker.shard is not None and worker.is_here:
                    known = self._seen.get(worker.shard, 0)
                    self._seen[worker.shard] = max(known, worker.shard_done)
            self._looked = time.monotonic()
        return sum(self._seen.get(shard, 0) for shard in tuple(self.left))

    def _take_in(self, row: dict[str, Any]) -> None:
        if row["error"]:
            self.board.fail(ClusterFailed(row["error"]))
            return
        shard = row["shard"]
        if row["finished"]:
            self.left.discard(shard)
        self.deaths += row["deaths"]
        self.board.count(
            shard,
            Progress(
                done=row["images"],
                failed=row["failed"],
                total=row["images"],
                seconds=row["seconds"],
                reused=row["reused"],
            ),
        )
        for note in row["notes"].splitlines():
            self.board.tell(note)


@contextmanager
def _run_file(plan: Plan) -> Iterator[Path]:
    """A file in the plan's folder: the workers see it as long as their results are wanted."""
    path = plan.folder / FOLDER / f"{uuid.uuid4().hex}.run"
    write_atomically(path, b"")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _connected(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to a cluster; who is connected already stays so."""
    if address is not None and address.startswith("ray://"):
        raise InvalidSetting(
            "--address ray://...: the command has to run on a machine of the cluster, where the "
            "plan's folder is. Give it there, or by `ray job submit -- premask annotate ...`"
        )
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of defaults of its own
        ray = imported("ray", what="--engine ray needs", extra="ray")
        imported("ray.data", what="--engine ray needs", extra="ray").DataContext.get_current()
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield ray
        return
    try:
        _knock(address or os.environ.get("RAY_ADDRESS", ""))
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterFailed(
            f"Ray's cluster can't be reached ({error}). Is it running, and --address (or "
            "RAY_ADDRESS) the one that `ray status` shows there? Without either, Ray starts one on "
            "this machine."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """`OSError` if nobody is there: Ray would go on trying for ever."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK).close()


def _labeled(
    ray: ModuleType,
    todo: Sequence[int],
    settings: dict[str, Any],
    places: RayPlaces,
    most: int,
) -> Any:
    """Ray's dataset of what becomes of the shards; nothing is done before somebody asks for it."""
    # Ray's own checkpoints would protect blocks of rows, where the journal protects each image.
    shards = ray.data.from_items(
        [{"shard": shard} for shard in todo], override_num_blocks=len(todo)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limits of restarts have no names yet
        labeled = shards.map(
            LabelShards,
            fn_constructor_kwargs=settings,
            compute=ray.data.ActorPoolStrategy(
                # One suffices to begin: with a fixed size, a small cluster is waited for for ever.
                min_size=1,
                initial_size=max(1, min(places.now, most)),
                max_size=most,
                max_tasks_in_flight_per_actor=1,
            ),
            num_cpus=places.cores,
            num_gpus=places.gpus,
            # Both are without end by default.
            max_restarts=_RESTARTS,
            max_task_retries=RETRIES,
        )
    labeled.set_name("premask")
    labeled.context.enable_progress_bars = False
    labeled.context.print_on_execution_start = False
    labeled.context.max_errored_blocks = RETRIES
    # By default, workers are added only where shards wait behind those that are under way.
    labeled.context.autoscaling_config.actor_pool_util_upscaling_threshold = 1.0
    return labeled
