"""The command that labels a plan, as people start it, and the processes below it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import premask

ROOT = Path(premask.__file__).parents[2]
FAULTS = Path(__file__).parent / "faults"


def environment(**faults: object) -> dict[str, str]:
    """What a process needs in which these go wrong; see `faults/sitecustomize.py`."""
    told = {"seconds": 0.0, "deadly": False, "jumps": False, "log": "", **faults}
    path = os.pathsep.join(map(str, (FAULTS, ROOT / "plugin", ROOT)))
    return {**os.environ, "PYTHONPATH": path, "PREMASK_TEST_FAULTS": json.dumps(told)}


@dataclass(slots=True)
class Drivers:
    """One or several of them, each in a group of processes of its own."""

    plan: Path
    env: dict[str, str]
    log: Path
    devices: str = "cpu,cpu"
    alive: list[subprocess.Popen[bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "premask", "annotate", "--plan", str(self.plan)]
        if self.devices:
            command += ["--devices", self.devices]
        with self.log.open("ab") as log:
            driver = subprocess.Popen(
                command,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.alive.append(driver)
        return driver

    def reap(self) -> None:
        """Forget those that have ended, and remember how."""
        for driver in self.alive:
            if driver.poll() is not None:
                self.statuses.append(driver.returncode)
        self.alive = [driver for driver in self.alive if driver.returncode is None]

    def all_ended(self) -> bool:
        self.reap()
        return not self.alive

    def workers(self) -> list[int]:
        """The processes that they have started."""
        parents = {driver.pid for driver in self.alive}
        return [pid for pid, parent in processes().items() if parent in parents]


def processes() -> dict[int, int]:
    """All processes of this machine that are no zombies, with their parents (Linux)."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            # The name, in parentheses, may hold anything.
            state, parent, *_ = path.read_text().rpartition(")")[2].split()
            if state != "Z":
                found[int(path.parent.name)] = int(parent)
    return found


def orphans(plan: Path) -> list[int]:
    """Processes that are still at work on the plan."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(plan).encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
