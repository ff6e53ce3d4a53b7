"""The terminal face: one command a file."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

INTERRUPTED = 130
"""The exit status of a command that was interrupted, as shells have it: 128 and SIGINT's number."""


def command() -> int:
    """The command `premask`: `main`, at whose end a process ends."""
    import signal

    status = main()
    # Nothing is left to interrupt, and Python's own end would answer Ctrl-C with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that premask knows are one line, without a traceback."""
    try:
        _import_commands()
        from premask.cli.parser import run

        status = run(arguments)
        # What is still in the buffer would fail where nobody can catch it: at the very end.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\npremask: interrupted. What was done is kept: run it again.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read this, such as `head`, has seen enough. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _import_commands() -> None:
    """Import them, which takes most of the first second, while Ctrl-C ends the process at once.

    A KeyboardInterrupt would not do: numpy, for one, makes an ImportError of it.
    """
    import signal
    import threading

    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, _leave)
        try:
            import premask.cli.parser  # noqa: F401
        finally:
            signal.signal(signal.SIGINT, before)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"\npremask: interrupted before it began.\n")
    os._exit(INTERRUPTED)
