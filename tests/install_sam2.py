"""`sam2` is built against the torch that is there; pip would fetch a second one to build it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

PIP = (sys.executable, "-m", "pip", "install", "--quiet")


def main() -> None:
    """Install it without its extension for the GPU, which premask does not use."""
    if find_spec("sam2") is not None:
        return
    environment = {**os.environ, "SAM2_BUILD_CUDA": "0"}
    subprocess.run([*PIP, "setuptools", "hydra-core", "iopath"], check=True)
    command = [*PIP, "--no-build-isolation", "--no-deps", "sam2==1.1.0"]
    subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
