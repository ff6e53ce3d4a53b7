"""The backend and its companion `pull`, as people start them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from premask.annotations import Labeled
from premask.labels.coco import read_coco
from tests.e2e.programs import CHECKOUT, free_port, running

COMMAND = (sys.executable, "-m", "ml_backend")


def access_to(label_studio_url: str, token: str) -> dict[str, str]:
    """The environment variables that the README tells people to set."""
    return {
        "LABEL_STUDIO_URL": label_studio_url,
        "LABEL_STUDIO_API_KEY": token,
        "PYTHONPATH": str(CHECKOUT / "plugin"),
    }


@contextmanager
def running_backend(folder: Path, environment: dict[str, str], *flags: str | Path) -> Iterator[str]:
    """A backend that runs while the block does; yields its address. Its files lie in the folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [*COMMAND, "--port", str(port), "--embedding-megabytes", "0"]
    command += ["--events-folder", folder / "events", "--cache-folder", folder / "images", *flags]
    with running(command, f"{url}/health", folder / "backend.log", environment):
        yield url


def pulled(project: int, folder: Path, environment: dict[str, str]) -> tuple[Labeled, ...]:
    """What people annotated, through `pull` and its COCO file."""
    command: list[str | Path] = [*COMMAND, "pull", "--project", str(project), "--out", folder]
    subprocess.run(command, env={**os.environ, **environment}, cwd=CHECKOUT, check=True)
    return read_coco(folder / "coco.json")
