"""How far a plan is, as one HTML page that needs no network."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from premask.files import replacing
from premask.plans.status import PlanStatus
from premask.report.page_parts import counted, definitions, top, write_parts
from premask.report.page_style import STYLE
from premask.terminal.plan_rows import FAILED, RUNNING, failure_rows, running_rows
from premask.terminal.screen import duration

_STYLE = """
progress {
  appearance: none; width: 100%; height: .8rem; border: 0; border-radius: .4rem; margin-top: 1.5rem;
  overflow: hidden; background: var(--bar);
}
progress::-webkit-progress-bar { background: var(--bar); }
progress::-webkit-progress-value { background: var(--accent); }
progress::-moz-progress-bar { background: var(--accent); }
code { font: .87rem ui-monospace, monospace; overflow-wrap: anywhere; }
p.quiet { margin-top: .6rem; }
thead th { background: var(--ground); }
td { white-space: normal; }
"""


def write_plan_page(
    status: PlanStatus, plan: Path, path: Path, *, price: float | None = None
) -> Path:
    """Write the page; it says when that was, for it does not change by itself."""
    name = plan.absolute().name
    facts = {
        "as of": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "folder": str(plan.absolute()),
    }
    with replacing(path) as file:
        write_parts(file, top(f"The plan {name}", facts, script="", style=STYLE + _STYLE))
        write_parts(file, _bar(status), definitions("numbers", _numbers(status, price)))
        write_parts(file, "<h2>At work</h2>", *_running(status))
        write_parts(file, *_failures(status, plan), "</body>", "</html>")
    return path


def _bar(status: PlanStatus) -> str:
    size = f'max="{max(1, status.planned)}" value="{status.done}"'
    return f'<progress {size} aria-label="done"></progress>'


def _numbers(status: PlanStatus, price: float | None) -> dict[str, str]:
    """What people want to know first."""
    rate, eta = status.rate, status.eta_seconds
    numbers = {
        f"of {counted(status.planned, 'image')} done": f"{status.done:,}",
        f"of {counted(status.shards, 'shard')} done": f"{status.shards_done:,}",
        "failed": f"{status.failed:,}",
        "images a second": "-" if rate is None else f"{rate:.2f}",
        "left": "-" if eta is None else duration(eta),
    }
    if price is not None:
        rest = status.cost_of_rest(price)
        numbers["spent"] = f"{status.cost(price):,.2f}"
        numbers["yet to be spent"] = "-" if rest is None else f"{rest:,.2f}"
    return numbers


def _running(status: PlanStatus) -> Iterator[str]:
    if status.running:
        yield _table(RUNNING, running_rows(status))
    else:
        yield '<p class="quiet">Nobody.</p>'


def _failures(status: PlanStatus, plan: Path) -> Iterator[str]:
    if status.failures:
        yield "<h2>Failed</h2>"
        yield _table(FAILED, failure_rows(status))
        again = f"premask annotate --plan {plan} --retry-failed"
        yield f'<p class="quiet">Once more: <code>{escape(again)}</code></p>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    top_row = f"<thead><tr>{head}</tr></thead>"
    return f'<div class="scroll"><table>{top_row}<tbody>\n{body}\n</tbody></table></div>'
