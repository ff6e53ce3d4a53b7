"""`premask annotate --plan`: one shard of a plan, or all that are not done, in this process."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.cli import INTERRUPTED
from premask.cli.pool_flags import pool_from_flags
from premask.errors import InvalidSetting
from premask.plans.plan import Plan
from premask.plans.shard_run import label_shards
from premask.plans.shard_work import ShardOutcome
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.screen import ProgressLine, counted, duration

_MOST_LINES = 20


def add_plan_flags(annotate: argparse.ArgumentParser) -> None:
    """Describe the flags for work that `premask plan` has planned."""
    add = annotate.add_argument_group("of a plan, which has its recipe and its images").add_argument
    add("--plan", type=Path, metavar="DIR", help="do what `premask plan` has planned there")
    add("--shard", type=int, metavar="K", help="only this shard (default: all that are not done)")
    add("--retry-failed", action="store_true", help="label images again that failed before")


def annotate_plan(options: argparse.Namespace) -> int:
    """Label a shard, or all that are left."""
    for flag in _DECIDED_BY_THE_PLAN:
        if getattr(options, flag):
            what = "PATH" if flag == "paths" else f"--{flag.replace('settings', 'set')}"
            raise InvalidSetting(f"{what} is part of a plan already: leave it out behind --plan.")
    plan = Plan.open(options.plan)
    if options.shard is not None:
        shards = [options.shard]
    else:
        shards = list(plan.shards) if options.retry_failed else plan.todo()
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


_DECIDED_BY_THE_PLAN = (
    "paths",
    "recipe",
    "out",
    "formats",
    "settings",
    "classes",
    "window",
    "text",
)


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
    if failed:
        again = f"premask annotate --plan {plan.folder} --retry-failed"
        lines.append(f"To label those again that failed: {again}")
    left = len(plan.todo())
    lines.append(f"{left} of {counted(len(plan.shards), 'shard')} left in {plan.folder}")
    return "\n".join(lines)
