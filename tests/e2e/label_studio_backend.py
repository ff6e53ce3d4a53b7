"""The backend and its companion `pull`, as people start them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from premask.annotations import Labeled
from premask.labels.coco import read_coco
from tests.e2e.programs import CHECKOUT, START_SECONDS, free_port, running, until

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
    """A backend that runs while the block does; yields its address. Its files lie in the folder.

    Its models are loaded: Label Studio's page waits for the prediction of a task that somebody
    opens, and on a busy machine it asks twice, which makes two predictions.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [*COMMAND, "--port", str(port), "--embedding-megabytes", "0"]
    command += ["--events-folder", folder / "events", "--cache-folder", folder / "images", *flags]
    with running(command, f"{url}/health", folder / "backend.log", environment):
        assert until(lambda: _has_loaded(url), START_SECONDS)
        yield url


def pulled(project: int, folder: Path, environment: dict[str, str]) -> tuple[Labeled, ...]:
    """What people annotated, through `pull` and its COCO file with mattes."""
    command: list[str | Path] = [*COMMAND, "pull", "--project", str(project), "--out", folder]
    command += ["--format", "coco-mattes"]
    subprocess.run(command, env={**os.environ, **environment}, cwd=CHECKOUT, check=True)
    return read_coco(folder / "coco_mattes.json")


def pushed(project: int, environment: dict[str, str], *flags: str) -> str:
    """Label a project by `push`; returns what it says."""
    command = [*COMMAND, "push", "--project", str(project), "--embedding-megabytes", "0", *flags]
    everything = {**os.environ, **environment}
    said = subprocess.run(command, env=everything, cwd=CHECKOUT, check=True, capture_output=True)
    return said.stdout.decode()


def said_by(environment: dict[str, str], command: str, *flags: str | Path) -> str:
    """What a command that succeeds prints."""
    return subprocess.run(
        [*COMMAND, command, *flags],
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def pull_into(folder: Path, project: int, environment: dict[str, str], cache_folder: Path) -> None:
    """Pull what people annotated, where the backend has its masks of videos."""
    command: list[str | Path] = [*COMMAND, "pull", "--project", str(project), "--out", folder]
    command += ["--cache-folder", cache_folder]
    subprocess.run(command, env={**os.environ, **environment}, cwd=CHECKOUT, check=True)


def _has_loaded(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/status") as page:
        return re.search(">(waiting|loading)<", page.read().decode()) is None
