"""What the panel of runs says of a run."""

from __future__ import annotations

import time
from typing import Any

from premask.runs.progress import Progress
from premask.terminal.screen import progress_words

from ..dataset.background import Operation
from ..dataset.history import Run

_BAR = 20
"""Characters that a bar of progress is wide."""

_LAUNCH = "fiftyone delegated launch"

COLUMNS = {
    "when": "Started",
    "work": "Recipe",
    "state": "State",
    "images": "Images or frames",
    "annotations": "Labels",
}


def row_of(run: Run) -> dict[str, Any]:
    """A row of the table of runs."""
    return {
        "name": run.name,
        "when": time.strftime("%b %d %H:%M", time.localtime(run.started)),
        "work": run.work,
        "state": f"{run.state}, {run.seconds:,.1f}\N{NO-BREAK SPACE}s",
        "images": f"{run.labeled:,}" + (f", {run.failed:,} failed" if run.failed else ""),
        "annotations": f"{run.annotations:,}",
    }


def details(run: Run) -> str:
    """Describe what ran and how it went, in Markdown."""
    fields = ", ".join(f"`{field}` ({kind})" for field, kind in run.fields.items())
    # The recipe's stages as it was run, without its name and its help, which stand elsewhere.
    lines = run.settings.splitlines()
    stages = [line for line in lines if line and not line.startswith(("[", "help ="))]
    paragraphs = [
        f"**{run.title}**: {_how(run)}",
        *filter(None, [progress_line(run)]),
        f"{run.seconds:,.1f} seconds: {run.summary}",
        f"Field: {fields}",
        *(f"`{line}`" for line in stages),
    ]
    return "\n\n".join(paragraphs)


def progress_line(run: Run) -> str:
    """How far a run is that is under way, with a bar; nothing where nobody knows."""
    if run.state not in ("running", "stopped") or not run.total:
        return ""
    progress = Progress(
        done=run.done,
        failed=run.failed,
        total=run.total,
        seconds=run.seconds,
        # What has stopped has no time that is left.
        reused=run.done if run.state == "stopped" else run.reused + run.left_alone + run.deleted,
        thing=f"{run.thing}s",
    )
    full = round(progress.share * _BAR)
    bar = "\N{FULL BLOCK}" * full + "\N{LIGHT SHADE}" * (_BAR - full)
    return f"`{bar}` {progress.share:.0%}, {progress_words(progress)}"


def operation_row(operation: Operation) -> dict[str, str]:
    """A row of the table of what FiftyOne's queue has for this dataset and is no run yet."""
    since = _clock(operation.since)
    if operation.is_waiting:
        state = f"waits since {since} for a process that runs {_LAUNCH}"
    elif operation.state == "failed":
        state = f"failed at {since}: {operation.error}"
    else:
        said = f" ({operation.words})" if operation.words else ""
        state = f"runs since {since}, last heard of at {_clock(operation.heard)}{said}"
    return {"operation": operation.operator.rpartition("/")[2], "what": state}


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _how(run: Run) -> str:
    heard = _clock(run.noted)
    if run.state == "running" and run.is_silent:
        return f"is running, but has said nothing since {heard}"
    return {
        "running": "is running",
        "stopped": f"stopped answering at {heard}, as its process has ended. Run it again: it goes "
        "on from there",
        "failed": f"failed: {run.error}",
    }.get(run.state, run.state)


def failure_row(path: str, reason: str) -> dict[str, str]:
    # Many reasons begin with the path, which has a column of its own.
    return {"image": path, "why": reason.removeprefix(repr(path)).lstrip()}
