"""The terminal face: `premask annotate`, `recipes`, `models`, `embed`, `preview`, `fiftyone`, `doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that premask knows are one line, without a traceback."""
    try:
        # Here, because these imports take most of the first second, in which a person may press
        # Ctrl-C already.
        from premask.cli.parser import run

        status = run(arguments)
        # What is still in the buffer would fail where nobody can catch it: at the very end.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\npremask: interrupted. What was done is kept: run it again.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read this, such as `head`, has seen enough. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
