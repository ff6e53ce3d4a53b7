"""`premask status`: how far a plan is, who is at work, when it ends, and what it costs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from premask.terminal.flags import Commands
from premask.terminal.screen import counted, duration, table

if TYPE_CHECKING:
    from premask.plans.status import PlanStatus


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    status = commands.add_parser("status", help="show how far a plan is, and what it costs")
    add = status.add_argument
    add("plan", type=Path, metavar="PLAN", help="what `premask plan` has made")
    add("--price", type=float, metavar="P", help="what one device costs an hour: 2.50")
    add("--page", type=Path, metavar="FILE", help="write it as an HTML page, too")
    add("--json", action="store_true", help="print it for programs")
    status.set_defaults(command=_status)


def _status(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without it.
    from premask.plans.plan import Plan
    from premask.plans.status import plan_status
    from premask.report.plan_page import write_plan_page

    status = plan_status(Plan.open(options.plan))
    if options.page is not None:
        write_plan_page(status, options.plan, options.page, price=options.price)
    if options.json:
        print(json.dumps(status.to_json(options.price), indent=1))
        return 0
    print("\n".join(_told(status, options)))
    return 0


def _told(status: PlanStatus, options: argparse.Namespace) -> Iterator[str]:
    from premask.terminal.plan_rows import FAILED, RUNNING, failure_rows, running_rows

    filled = 20 * status.done // status.planned if status.planned else 20
    yield (
        f"[{'#' * filled}{' ' * (20 - filled)}] {status.done:,} of "
        f"{counted(status.planned, 'image')} ({status.shards_done:,} of "
        f"{counted(status.shards, 'shard')}), {status.failed:,} failed"
    )
    if status.rate is not None and status.eta_seconds is not None:
        yield f"{status.rate:.2f} images a second, {duration(status.eta_seconds)} left"
    elif status.left:
        yield f"Nobody is at work. Go on with: premask annotate --plan {options.plan}"
    if options.price is not None:
        rest = status.cost_of_rest(options.price)
        to_go = "" if rest is None else f", {rest:,.2f} to go"
        yield f"{status.cost(options.price):,.2f} spent{to_go}"
    if status.running:
        yield "\n" + table(running_rows(status), RUNNING)
    if status.failures:
        yield "\n" + table(failure_rows(status), FAILED)
        yield f"Once more: premask annotate --plan {options.plan} --retry-failed"
    if options.page is not None:
        yield str(options.page)
