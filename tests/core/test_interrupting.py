"""Ctrl-C, and a reader who has seen enough: no tracebacks, and a word at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import PIL.Image
import pytest

import premask

SOURCES = Path(premask.__file__).parents[1]

# A network that takes its time, as large ones do; it marks that it has begun.
SLOW = """
import sys, time
from pathlib import Path
import premask.runs.pipeline as pipeline
from premask.cli import main
seconds, begun, *arguments = sys.argv[1:]
def run_stages(images, *rest):
    Path(begun).touch()
    time.sleep(float(seconds))
    return [[] for _ in images]
pipeline.run_stages = run_stages
sys.exit(main(arguments))
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        picture = np.full((20, 30, 3), number, np.uint8)
        PIL.Image.fromarray(picture).save(folder / f"{number:02}.png")
    return folder


@contextmanager
def annotating(photos: Path, out: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A run that has begun with its first images."""
    begun = out.with_name("begun")
    flags = ["annotate", photos, "--recipe", "faces", "--out", out, "--batch-size", "1"]
    command = [sys.executable, "-c", SLOW, str(seconds), str(begun), *map(str, flags)]
    process = subprocess.Popen(command, cwd=SOURCES, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not begun.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def line_with(text: str, stream: IO[str] | None) -> bool:
    assert stream is not None
    return any(text in line for line in stream)


def test_the_first_ctrl_c_is_answered_at_once_and_keeps_what_is_done(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with annotating(photos, out, 0.2) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert line_with("stopping after the images under way", process.stderr)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "as asked. What was done is kept" in errors
    assert "Traceback" not in errors
    lines = (out / ".premask" / "journal.jsonl").read_bytes().splitlines()
    assert 0 < len(lines) < 40
    assert all(json.loads(line) for line in lines)


def test_the_second_ctrl_c_stops_at_once(photos: Path, tmp_path: Path) -> None:
    with annotating(photos, tmp_path / "out", 50) as process:
        process.send_signal(signal.SIGINT)
        assert line_with("Ctrl-C again stops at once", process.stderr)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.5, 0.8, 1.0, 1.2, 1.4])
def test_ctrl_c_while_it_starts_is_no_traceback(
    seconds: float, photos: Path, tmp_path: Path
) -> None:
    code = "import sys; print(flush=True); from premask.cli import command; sys.exit(command())"
    flags = ["annotate", photos, "--recipe", "faces", "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, flags)],
        cwd=SOURCES,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()  # Python itself is up
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", ["doctor", "recipes", "models"])
def test_a_reader_who_has_seen_enough_is_no_error(command: str) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "premask", command],
        cwd=SOURCES,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    os.close(reading)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
