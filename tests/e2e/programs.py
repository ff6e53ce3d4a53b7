"""Starting the programs that a test needs, waiting for them, and ending them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
START_SECONDS = 240
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], url: str, log: Path, environment: Mapping[str, str]
) -> Iterator[None]:
    """Start a program and wait until the URL answers; it is ended with the block."""
    with log.open("wb") as file:
        program = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=file,
            stderr=file,
            cwd=CHECKOUT,
        )
    try:
        _wait_for(url, program, log)
        yield
    finally:
        program.terminate()
        try:
            program.wait(STOP_SECONDS)
        finally:
            program.kill()


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for a condition; returns whether it became true in time."""
    ends = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < ends:
        time.sleep(0.1)
    return bool(is_true)


def _wait_for(url: str, program: subprocess.Popen[bytes], log: Path) -> None:
    if not until(lambda: _answers(url) or program.poll() is not None, START_SECONDS):
        pytest.fail(f"{url} did not answer within {START_SECONDS} s:\n{log.read_text()[-2000:]}")
    if program.poll() is not None:
        pytest.fail(f"What should answer at {url} has ended:\n{log.read_text()[-2000:]}")


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except OSError:
        return False
