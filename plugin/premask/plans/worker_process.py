"""A process that labels shards on one device, seen from the one that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from premask.cores import CORES, usable_cores

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What the process needs to make its pool; the numbers are those of `make_pool`."""

    device: str = "auto"
    store_folder: str | None = None
    store_bytes: int = 0
    compiled: bool = False
    retry_failed: bool = False


class WorkerDied(Exception):
    """The process has ended in the middle of its work; the text says how."""


class WorkerProcess:
    """Orders go in as lines of JSON, and replies come out; they belong to one thread.

    The process lives no longer than this one: when its standard input ends, so does it.
    """

    def __init__(self, plan_folder: Path, options: WorkerOptions, *, sharing: int) -> None:
        command = [sys.executable, "-m", "premask.plans.worker"]
        with _ctrl_c_held_back():
            self._process = subprocess.Popen(
                [*command, str(plan_folder.absolute()), json.dumps(asdict(options))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(sharing),
            )
        self.pid = self._process.pid
        self._guard = threading.Lock()

    def ask(self, order: Message) -> Iterator[Message]:
        """Its replies, of which the last one says "done" or "error"; `WorkerDied` if it dies."""
        with suppress(OSError):  # it is gone, which its replies will tell
            self._write(order)
        yield from self.replies()

    def replies(self) -> Iterator[Message]:
        """What it says until it is done with something."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            reply: Message = json.loads(line)
            yield reply
            if reply["kind"] in ("ready", "done", "error"):
                return
        raise WorkerDied(_how_it_ended(self._process.wait()))

    def stop(self) -> None:
        """Have it end after the images under way; from any thread."""
        with suppress(OSError, ValueError):  # it is gone, or about to be
            self._write({"stop": True})

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def close(self) -> None:
        """Wait until it is gone; it has nothing to do any more, or was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _write(self, order: Message) -> None:
        assert self._process.stdin is not None
        with self._guard:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()


def _environment(sharing: int) -> Mapping[str, str]:
    """This process' own, with its share of the cores; a person who set less threads keeps them."""
    cores = str(max(1, usable_cores() // sharing))
    threads = {
        name: os.environ.get(name, cores) for name in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    }
    return {
        **os.environ,
        **threads,
        CORES: cores,
        # Of glibc, see terminal/memory.py: threads share what memory they have freed.
        "MALLOC_ARENA_MAX": "2",
        # This module may come from a folder that only this process has on its path.
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """What is started in here never hears of Ctrl-C, which a terminal tells to all processes.

    The one that started it hears it, a moment later if need be, and says what is to be done.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"it ended with status {status}"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"
