"""`premask annotate --plan`: shards of a plan, in this process or in one a device."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from premask.cli import INTERRUPTED
from premask.cli.pool_flags import pool_from_flags, positive, require_device, store_bytes
from premask.errors import InvalidSetting
from premask.plans.device_lane import TRIES
from premask.plans.devices import DevicesOutcome, label_on_devices
from premask.plans.plan import Plan
from premask.plans.presence import deadly_shards
from premask.plans.ray_engine import label_on_ray
from premask.plans.shard_run import label_shards
from premask.plans.shard_work import ShardOutcome
from premask.plans.worker_process import WorkerOptions
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.screen import ProgressLine, counted, duration, printable

_MOST_LINES = 20

_OF_A_PLAN = ("shard", "of", "devices", "engine", "address", "workers", "cores", "retry_failed")

_DECIDED_BY_THE_PLAN = {
    "paths": "PATH",
    "recipe": "--recipe",
    "out": "--out",
    "root": "--root",
    "formats": "--format",
    "settings": "--set",
    "classes": "--classes",
    "allow_hosts": "--allow-hosts",
    "window": "--window",
    "text": "--text",
    "points": "--points",
    "negative_points": "--negative-points",
    "boxes": "--boxes",
    "mask": "--mask",
}
"""What `premask annotate` calls options that may not stand beside a plan, and people call them."""


def add_plan_flags(annotate: argparse.ArgumentParser) -> None:
    """Describe the flags for work that `premask plan` has planned."""
    add = annotate.add_argument_group("of a plan, which has its recipe and its images").add_argument
    add("--plan", type=Path, metavar="DIR", help="do what `premask plan` has planned there")
    add("--shard", type=int, metavar="K", help="only this shard (default: all that are not done)")
    add("--of", type=positive, metavar="N", help="with --shard K: each Nth shard from K on")
    add(
        "--devices",
        metavar="D,...",
        help="one process for each of these, each at another shard: cuda:0,cuda:1",
    )
    add("--engine", choices=["ray"], help="on the workers of a Ray cluster, each at another shard")
    add(
        "--address",
        metavar="HOST:PORT",
        help="of the Ray cluster, or auto (default: $RAY_ADDRESS, the one that this machine is "
        "part of, or one of this machine alone)",
    )
    add("--workers", type=positive, metavar="N", help="at most so many on the cluster")
    add("--cores", type=positive, metavar="N", help="for each of them (default: up to 4)")
    add("--retry-failed", action="store_true", help="label images again that failed before")


def require_no_plan_flags(options: argparse.Namespace) -> None:
    """`InvalidSetting` for a flag that a folder of images knows nothing of."""
    for flag in _OF_A_PLAN:
        # The number of a shard may be 0, which equals False.
        if not any(getattr(options, flag) is unset for unset in (None, False)):
            raise InvalidSetting(
                f"--{flag.replace('_', '-')} is for a plan: make one of the images with premask "
                "plan, and name it with --plan."
            )


def annotate_plan(options: argparse.Namespace) -> int:
    """Label a shard, or all that are left, on one device or several."""
    for option, what in _DECIDED_BY_THE_PLAN.items():
        if getattr(options, option):
            raise InvalidSetting(f"{what} is part of a plan already: leave it out beside --plan.")
    plan = Plan.open(options.plan)
    shards = _chosen(plan, options)
    if options.engine == "ray":
        return _annotate_on_ray(plan, shards, options)
    if options.devices is not None:
        return _annotate_on_devices(plan, shards, options.devices, options)
    if deadly_shards(plan.folder, TRIES) & set(shards):
        # What starts this command again and again would never get beyond the image that ends it.
        print("Processes died at this work before; another one does it now.", file=sys.stderr)
        return _annotate_on_devices(plan, shards, options.device, options)
    line, outcomes = ProgressLine(), list[ShardOutcome]()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            pool = pool_from_flags(options)
            for outcome in label_shards(
                plan,
                shards,
                pool,
                on_progress=line,
                cancel=cancel,
                retry_failed=options.retry_failed,
            ):
                outcomes.append(outcome)
    finally:
        line.end()
    print(_summary(plan, outcomes))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _chosen(plan: Plan, options: argparse.Namespace) -> list[int]:
    if options.shard is not None and options.of is None:
        return [options.shard]
    shards = list(plan.shards) if options.retry_failed else plan.todo()
    if options.of is None:
        return shards
    if options.shard is None or not 0 <= options.shard < options.of:
        raise InvalidSetting(f"--of {options.of} needs --shard with a number below it, from 0 on.")
    return [shard for shard in shards if shard % options.of == options.shard]


def _annotate_on_devices(
    plan: Plan, shards: list[int], names: str, options: argparse.Namespace
) -> int:
    devices = [require_device(name.strip()) for name in names.split(",")]
    return _annotate_elsewhere(
        plan, partial(label_on_devices, plan, devices, shards=shards), options, "auto"
    )


def _annotate_on_ray(plan: Plan, shards: list[int], options: argparse.Namespace) -> int:
    if options.devices is not None:
        raise InvalidSetting("--devices are of one machine: leave them out with --engine ray.")
    label = partial(
        label_on_ray,
        plan,
        address=options.address,
        workers=options.workers,
        cores=options.cores,
        shards=shards,
    )
    return _annotate_elsewhere(plan, label, options, require_device(options.device))


def _annotate_elsewhere(
    plan: Plan,
    label: Callable[..., DevicesOutcome],
    options: argparse.Namespace,
    device: str,
) -> int:
    """Other processes do the work; this one tells how far they are."""
    line = ProgressLine()

    def note(text: str) -> None:
        line.end()
        print(printable(text), file=sys.stderr)

    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            outcome = label(
                options=WorkerOptions(
                    device=device,
                    store_folder=str(options.embeddings.absolute()) if options.embeddings else None,
                    store_bytes=store_bytes(options),
                    compiled=options.compile,
                    retry_failed=options.retry_failed,
                ),
                on_progress=line,
                on_note=note,
                cancel=cancel,
            )
    finally:
        line.end()
    print("\n".join([_devices_summary(outcome), *_what_is_left(plan, outcome.failed)]))
    return 1 if outcome.failed else 0


def _summary(plan: Plan, outcomes: list[ShardOutcome]) -> str:
    written = [outcome for outcome in outcomes if outcome.won]
    failed = sum(outcome.failed for outcome in outcomes)
    lines = [
        f"{counted(len(written), 'shard')} labeled in "
        f"{duration(sum(outcome.seconds for outcome in written))}: "
        f"{counted(sum(outcome.images for outcome in written), 'image')}, "
        f"{sum(outcome.reused for outcome in written):,} of them done before, {failed:,} failed"
    ]
    lines += [
        f"shard {outcome.index}: another process is at it" for outcome in outcomes if outcome.busy
    ]
    lines += [
        f"shard {outcome.index}: it was done already"
        for outcome in outcomes
        if not (outcome.busy or outcome.won)
    ][:_MOST_LINES]
    return "\n".join([*lines, *_what_is_left(plan, failed)])


def _devices_summary(outcome: DevicesOutcome) -> str:
    died = f"; {outcome.deaths:,} times a process died" if outcome.deaths else ""
    return (
        f"{counted(outcome.images, 'image')} in {duration(outcome.seconds)}, {outcome.reused:,} of "
        f"them done before, {outcome.failed:,} failed{died}"
    )


def _what_is_left(plan: Plan, failed: int) -> Iterator[str]:
    if failed:
        again = f"premask annotate --plan {plan.folder} --retry-failed"
        yield f"To label those again that failed: {again}"
    left = len(plan.todo())
    yield f"{left} of {counted(len(plan.shards), 'shard')} left in {plan.folder}"
