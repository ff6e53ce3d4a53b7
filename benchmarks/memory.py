"""The most memory that some code ever needs, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

# Linux carries ru_maxrss over from the process that started it; VmHWM begins anew.
_REPORT = """
import pathlib, re, resource, sys
def report_peak():
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("peak", peak)
"""


def peak_bytes(code: str, *arguments: str) -> int:
    """Run Python code; it finds the arguments in sys.argv."""
    return peaks_bytes(f"{code}\nreport_peak()", *arguments)[-1]


def peaks_bytes(code: str, *arguments: str) -> list[int]:
    """Run Python code, and give the most memory until each of its calls of `report_peak()`."""
    command = [sys.executable, "-c", _REPORT + code, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line.split() for line in finished.stdout.splitlines())
    return [int(words[1]) for words in lines if words[:1] == ["peak"]]
