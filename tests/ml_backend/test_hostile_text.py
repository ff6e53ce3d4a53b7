"""Text from strangers: looked through in linear time, cleaned, and kept out of the log's lines."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import ml_backend
from ml_backend.server.activity import Activity
from ml_backend.server.log_repeats import LINES, WINDOW_SECONDS, Repeats
from ml_backend.server.redaction import Redaction

PIECES = (
    *("a:", "://", "http://", "a:a", "@", "?token=", "&sig", "eyJ", "-eyJ", "eyJa.", "eyJ-eyJ."),
    *("Token ", "Bearer ", "Basic aB", "token a", "/data/upload/1", "\\", '\\"', '"', "\r\n", "."),
    *("HTTP/1.1 200 ", "x-premask-reason: ", "{", "<Image", " ", "\u00e9", "a", "1"),
)
LETTERS = 30_000
SOON = 0.5
"""A linear expression takes about a millisecond for so many letters; a quadratic one, minutes."""


def expressions() -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    """All expressions that modules of the backend keep."""
    for room in ("server", "studio", "project", "predict"):
        folder = importlib.import_module(f"ml_backend.{room}")
        for module in pkgutil.iter_modules(folder.__path__):
            loaded = importlib.import_module(f"ml_backend.{room}.{module.name}")
            yield from (value for value in vars(loaded).values() if isinstance(value, re.Pattern))


def texts() -> Iterator[str]:
    for piece in PIECES:
        for opening in ("", "http://", "eyJa.", "token ", '"'):
            for end in ("", "@", " ", "."):
                yield opening + piece * (LETTERS // len(piece)) + end


def seconds_to_look_through(text: str, expression: re.Pattern[str] | re.Pattern[bytes]) -> float:
    started = time.process_time()
    if isinstance(expression.pattern, bytes):
        list(re.finditer(expression, text.encode()))
    else:
        list(re.finditer(expression, text))
    return time.process_time() - started


def test_there_are_expressions_to_test() -> None:
    assert ml_backend.__name__ == "ml_backend"
    assert len(list(expressions())) >= 5


@pytest.mark.parametrize(
    "expression", list(expressions()), ids=lambda expression: repr(expression.pattern)[:16]
)
def test_every_expression_takes_linear_time(
    expression: re.Pattern[str] | re.Pattern[bytes],
) -> None:
    for text in texts():
        # A slow expression is slow each time. A collection of all garbage that the tests before
        # this one left takes as long, but comes only once.
        assert any(seconds_to_look_through(text, expression) < SOON for _ in range(3)), text[:40]


def test_long_text_keeps_its_beginning_and_its_end_but_no_secret() -> None:
    secret = "key-of-nobody-0123"
    hidden = Redaction([secret]).hide("begin " + "x" * 9_990 + secret + "y" * 50_000 + " end")
    assert hidden.startswith("begin ")
    assert hidden.endswith(" end")
    assert len(hidden) < 21_000
    assert "key-of" not in hidden


@pytest.mark.parametrize("forged", ["5\n2026-01-01 ERROR premask: gone", "\x1b[2K\x1b[31m", "a\rb"])
def test_nobody_can_make_up_lines_of_the_log(forged: str) -> None:
    record = logging.LogRecord("premask", logging.INFO, "", 0, "project %s", (forged,), None)
    try:
        raise ValueError(forged)
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    Redaction([]).filter(record)
    lines = logging.Formatter("%(message)s").format(record).split("\n")
    assert lines[0].startswith("project ")
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(line.isprintable() for line in lines)


def test_what_is_remembered_can_be_written() -> None:
    activity = Activity()
    activity.trouble("task \ud800", "why \udfff")
    (trouble,) = activity.snapshot().troubles
    assert (trouble.what, trouble.reason) == ("task \ufffd", "why \ufffd")


def test_a_line_that_repeats_is_counted_instead_of_logged() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)

    def logged() -> list[str]:
        record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "bad %s", ("it",), None)
        return [record.getMessage()] if repeats.filter(record) else []

    said = [line for _ in range(100) for line in logged()]
    assert said[0] == "bad it"
    assert len(said) == LINES
    assert "no more" in said[-1]
    now = WINDOW_SECONDS
    assert logged() == ["bad it (and 90 times more)"]
