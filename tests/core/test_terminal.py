from __future__ import annotations

import io

import pytest

from premask.runs.progress import Progress
from premask.terminal.screen import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(done: int) -> Progress:
    return Progress(done=done, failed=0, total=3, seconds=float(done))


def test_a_terminal_has_one_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr("premask.terminal.screen.time.monotonic", lambda: next(now))
    terminal = Terminal()
    line = ProgressLine(terminal)
    for done in (1, 2, 3):
        line(progress(done))
    line.end()
    written = terminal.getvalue()
    assert [part.split("]")[1].split()[0] for part in written.split("\r")[1:]] == [
        "1/3",
        "2/3",
        "3/3",
    ]
    assert written.count("\n") == 1


def test_a_log_file_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 10.0, 31.0, 31.0, 40.0, 62.0, 62.0])
    monkeypatch.setattr("premask.terminal.screen.time.monotonic", lambda: next(times))
    log = io.StringIO()
    line = ProgressLine(log, log_seconds=30)
    for done in (1, 2, 2, 3):
        line(progress(done))
    line.end()
    assert [text.split("]")[1].split()[0] for text in log.getvalue().splitlines()] == ["2/3", "3/3"]
    assert "\r" not in log.getvalue()
