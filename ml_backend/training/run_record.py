"""What is known of one run of the training, in a file that outlives the server."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from premask.errors import UnwritableOutput
from premask.files import write_atomically

MAKING_SET, RUNNING = "making the set", "running"
FINISHED, FAILED, CANCELLED, CUT_OFF = "finished", "failed", "cancelled", "cut off"

UNDER_WAY = (MAKING_SET, RUNNING)

CUT_OFF_REASON = (
    "The server ended while it ran, and the command with it. Start the training again; the set is "
    "made anew."
)

_NAME = re.compile(r"run-(\d+)")


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """One run; `server` is the number of the process that it belongs to."""

    number: int
    project: int
    folder: Path
    state: str
    began: float
    ended: float | None = None
    why: str = ""
    last: list[str] = field(default_factory=list)
    server: int = field(default_factory=os.getpid)

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def seconds(self) -> float:
        return (self.ended or time.time()) - self.began

    def end(self, state: str, why: str = "") -> None:
        self.state, self.why, self.ended = state, why, time.time()

    def write(self) -> None:
        """Note it down; a disk that is full must not stop what runs."""
        said = asdict(self) | {"folder": str(self.folder)}
        with suppress(UnwritableOutput):
            write_atomically(self.folder / "run.json", json.dumps(said, indent=1).encode())


def records_in(folder: Path) -> Iterator[RunRecord]:
    """The runs that were noted down, the first one first."""
    for path in sorted(folder.glob("run-*/run.json"), key=lambda path: _number(path.parent)):
        # One that was written by another version, or by hand, is no reason not to start.
        with suppress(OSError, ValueError, TypeError):
            said = json.loads(path.read_text(encoding="utf-8"))
            yield RunRecord(**{**said, "folder": path.parent})


def new_folder(folder: Path) -> tuple[int, Path]:
    """A folder for the next run, and its number; what is in it stays until somebody removes it."""
    numbers = [_number(path) for path in folder.glob("run-*")]
    number = max(numbers, default=0) + 1
    own = folder / f"run-{number:04}"
    (own / "out").mkdir(parents=True)
    return number, own


def _number(folder: Path) -> int:
    found = _NAME.fullmatch(folder.name)
    return int(found[1]) if found else 0
