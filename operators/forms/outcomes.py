"""How operators that hand out a result say how far they are, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from premask.errors import PremaskError
from premask.runs.progress import Progress, ProgressWatcher

from ..dataset.chosen_images import images_of
from ..dataset.chosen_samples import count_images

_REPORT_SECONDS = 1.0
_FAILURES_SHOWN = 10


def execution_options(
    ctx: Any, many: int, chosen: Callable[[Any], Any] = images_of
) -> foo.ExecutionOptions:
    """Send targets of more than so many images into the background, where there is one.

    FiftyOne kills what it executes at once after 600 seconds (FIFTYONE_OPERATOR_TIMEOUT).
    """
    try:
        is_long = count_images(chosen(ctx)) > many
    except PremaskError:
        is_long = False
    return foo.ExecutionOptions(
        allow_immediate_execution=True,
        allow_delegated_execution=True,
        default_choice_to_delegated=fo.config.allow_legacy_orchestrators and is_long,
    )


def watcher(ctx: Any) -> ProgressWatcher:
    """Make a watcher that tells the App, once a second, how many of all images are done."""
    reported = time.monotonic()

    def watch(progress: Progress) -> None:
        nonlocal reported
        if time.monotonic() - reported > _REPORT_SECONDS:
            reported = time.monotonic()
            label = f"{progress.done:,} of {progress.total or 0:,}"
            ctx.set_progress(progress=progress.share, label=label)

    return watch


def said(ctx: Any, heading: str) -> types.Property:
    """Show the result's `summary` as Markdown."""
    outputs = types.Object()
    outputs.str("summary", view=types.MarkdownView(label=heading))
    return types.Property(outputs, view=types.View(label=heading))


def with_failures(sentence: str, failures: Mapping[str, str]) -> str:
    """Put the first failures below the sentence."""
    if not failures:
        return sentence
    shown = list(failures.items())[:_FAILURES_SHOWN]
    lines = [f"- {reason if name in reason else f'{name}: {reason}'}" for name, reason in shown]
    hidden = len(failures) - len(lines)
    more = [f"- and {hidden} more"] if hidden > 0 else []
    return "\n".join([f"{sentence} {len(failures)} failed:", "", *lines, *more])
