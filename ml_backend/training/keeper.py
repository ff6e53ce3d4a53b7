"""Runs a command, and ends it with all that it has started when whoever started this one is gone.

That one holds the other end of this process's input, which closes even if it is killed. This file
is run as it is, and imports nothing of premask.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

NOT_STARTED = 127


def main(arguments: list[str]) -> int:
    """Run the command; its exit code is left in a file, as this process goes with the others."""
    seconds, code_file, *command = arguments
    # The whole group is asked to end, and this process has to see to it that it does.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"'{command[0]}' can't be started: {error.strerror}", flush=True)
        Path(code_file).write_text(str(NOT_STARTED))
        return NOT_STARTED
    ending = threading.Thread(target=_end_with_input, args=(child, float(seconds)), daemon=True)
    ending.start()
    code = child.wait()
    Path(code_file).write_text(str(code))
    _kill_group()
    return code if code >= 0 else 128 - code


def _end_with_input(child: subprocess.Popen[Any], seconds: float) -> None:
    while os.read(0, 4096):
        pass
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGTERM)
    else:
        child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        _kill_group()
        child.kill()


def _kill_group() -> None:
    """End this process, too: it leads the group that it was started in."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
