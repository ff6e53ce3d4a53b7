"""The most memory that some code ever needs, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

# Linux carries ru_maxrss over from the process that started it; VmHWM begins anew.
_REPORT = """
import pathlib, re, resource, sys
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]))
else:
    unit = 1 if sys.platform == "darwin" else 1024
    print(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_bytes(code: str, *arguments: str) -> int:
    """Run Python code; it finds the arguments in sys.argv."""
    command = [sys.executable, "-c", code + _REPORT, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(finished.stdout.split()[-1])
