"""The two halves of the way between FiftyOne and Label Studio, each in a process of its own.

The core imports no host, and the two faces don't know each other: one writes a file that the other
reads.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from premask.cli.fiftyone import plugin_folder
from premask.errors import MissingDependency

FAILED = 2
"""The exit code of a half that could not start or go on, and has said why."""


def in_fiftyone(*arguments: str | Path) -> int:
    """Run FiftyOne's half; its exit code."""
    if importlib.util.find_spec("fiftyone") is None:
        raise MissingDependency(
            "FiftyOne is not installed here. Install it with: pip install 'premask[fiftyone]'"
        )
    return _run(["-m", "operators", *arguments])


def in_label_studio(*arguments: str | Path) -> int:
    """Run Label Studio's half; its exit code."""
    return _run(["-m", "ml_backend", *arguments])


@contextmanager
def file_between(kept: Path | None) -> Iterator[Path]:
    """The file that one half writes and the other reads: one that stays, or a temporary one."""
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="premask-") as folder:
        yield Path(folder) / "labels.jsonl"


def _run(arguments: Sequence[str | Path]) -> int:
    """The plugin's folder is the last place to import from, so that nothing in it hides others."""
    places = [os.environ.get("PYTHONPATH", ""), str(plugin_folder())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    sys.stdout.flush()
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=False)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode
