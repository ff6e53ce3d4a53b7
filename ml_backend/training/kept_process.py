"""A process that ends with this one, together with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ml_backend.training.bounded_log import BoundedLog

KEEPER = Path(__file__).with_name("keeper.py")

GRACE_SECONDS = 3.0
"""How long a command may take to end when it is asked to. Docker waits for ten seconds in all."""

LAST_WORDS_SECONDS = 5.0
"""How long its output is still read: what has left its group may hold it open."""


class KeptProcess:
    """A command under way."""

    def __init__(
        self, argv: Sequence[str], code_file: Path, environment: Mapping[str, str], log: BoundedLog
    ) -> None:
        self._code_file = code_file
        self._code_file.unlink(missing_ok=True)
        # -I and -S: nothing of the environment decides what the keeper imports.
        keeper = [sys.executable, "-I", "-S", str(KEEPER), str(GRACE_SECONDS)]
        self._process = subprocess.Popen(
            [*keeper, str(self._code_file), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reading = threading.Thread(
            target=log.follow,
            args=(self._process.stdout,),
            name="premask-training-log",
            daemon=True,
        )
        self._reading.start()

    def wait(self) -> int | None:
        """The exit code, once there is one; None if the command was killed with its keeper."""
        self._process.wait()
        self._kill_group()
        self._reading.join(LAST_WORDS_SECONDS)
        with suppress(OSError):
            self._close_input()
        try:
            return int(self._code_file.read_text())
        except (OSError, ValueError):
            return None

    def end(self) -> None:
        """Ask it to end, and see to it."""
        with suppress(OSError):
            self._close_input()
        try:
            self._process.wait(2 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill_group()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _kill_group(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
