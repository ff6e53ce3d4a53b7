"""What a run says while it works, kept where the App can read it, whichever process works."""

from __future__ import annotations

import logging
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fiftyone.operators.store import ExecutionStore

from premask.errors import PremaskError

STORE = "premask"
"""FiftyOne's store, one a dataset, in which notes about runs are."""

MOST_LINES = 200
_LONGEST = 500
_WRITE_SECONDS = 1.0

_log = logging.getLogger("premask.fiftyone")
# Whoever configures logging decides what is printed; a run's own log has all of it.
_log.setLevel(logging.INFO)


def say(run: str, words: str, level: int = logging.INFO, *, replaces: bool = False) -> None:
    """Put a line into the log of a run; one that `replaces` takes the place of the one before."""
    _log.log(level, "%s", words, extra={"premask_run": run, "premask_replaces": replaces})


def lines_of(dataset: Any, run: str) -> list[str]:
    """The last lines that a run has said."""
    return list(_store(dataset).get(_key(run)) or ())


@contextmanager
def kept_log(dataset: Any, run: str) -> Iterator[None]:
    """Keep what the run says, and what libraries warn of meanwhile."""
    handler = _RunLog(dataset, run)
    logging.getLogger().addHandler(handler)
    try:
        yield
    except Exception as error:
        expected = isinstance(error, PremaskError)
        said = str(error) if expected else traceback.format_exc().rstrip()
        say(run, f"failed: {said}", logging.ERROR)
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.write()


class _RunLog(logging.Handler):
    def __init__(self, dataset: Any, run: str) -> None:
        super().__init__(logging.INFO)
        self._run, self._lines = run, deque[tuple[str, bool]](maxlen=MOST_LINES)
        self._store, self._written = _store(dataset), 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; of what libraries say, only warnings, and nothing of the database's own."""
        run = getattr(record, "premask_run", None)
        is_own = run == self._run
        if record.name.startswith("pymongo") or (run is not None and not is_own):
            return
        if not is_own and record.levelno < logging.WARNING:
            return
        replaces = bool(getattr(record, "premask_replaces", False))
        if replaces and self._lines and self._lines[-1][1]:
            self._lines.pop()
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        words = record.getMessage() if is_own else f"{record.name}: {record.getMessage()}"
        for number, line in enumerate(words.splitlines()):
            start = f"{moment} " if number == 0 else " " * 9
            self._lines.append((f"{start}{line[:_LONGEST]}", replaces))
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        self._written = time.monotonic()
        self._store.set(_key(self._run), [line for line, _ in self._lines])


def _store(dataset: Any) -> ExecutionStore:
    return ExecutionStore.create(STORE, dataset._doc.id)


def _key(run: str) -> str:
    return f"log {run}"
