"""How trainings went, as rows of the page at /status, and what can be done there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from ml_backend.training.run_record import RunRecord

HEADER = ("run", "project", "state", "began", "took", "what it says")

LOG = '<p class="quiet"><a href="status/training.log">All that the newest one has printed</a></p>'
CANCEL = (
    '<form method="post" action="status/training/cancel">'
    '<button style="border: 1px solid var(--line); border-radius: .35rem; padding: .3rem .8rem; '
    'margin-top: .5rem; cursor: pointer">Cancel the training</button></form>'
)

SHOWN_LINES = 5


def training_rows(records: Iterable[RunRecord]) -> Iterator[tuple[str, ...]]:
    """One row a run; of those that failed or go on, the last lines."""
    for record in records:
        said = [record.why] if record.why else []
        if record.ended is None or record.why:
            said += record.last[-SHOWN_LINES:]
        began = time.strftime("%d %b %H:%M:%S", time.localtime(record.began))
        yield (
            *(str(record.number), str(record.project), record.state, began),
            *(f"{record.seconds:,.0f} s", " | ".join(said)),
        )


def training_note(records: Iterable[RunRecord]) -> str:
    """HTML below the rows."""
    newest = next(iter(records), None)
    if newest is None:
        return ""
    return LOG + (CANCEL if newest.is_under_way else "")


def training_sentence(command_is_set: bool) -> str:
    """What people who connect a project are told about the button."""
    if command_is_set:
        return (
            "Start Training runs the command that this server was started with, on a set of this "
            "project's corrections if it takes one; /status shows how it goes."
        )
    return (
        "Start Training does nothing here: the server was started without a command for it "
        "(--train-command)."
    )
