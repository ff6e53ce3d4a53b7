"""The plugin is downloaded as the README says, and FiftyOne lists and runs what came."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import premask


@pytest.fixture
def fiftyone(fiftyone_folder: Path, tmp_path: Path) -> Any:
    """FiftyOne's command, with an empty folder of plugins; what it prints."""
    command = Path(sys.executable).with_name("fiftyone")
    environment = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}

    def printed(*arguments: str) -> str:
        done = subprocess.run(
            [command, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return printed


def test_an_archive_is_downloaded_and_listed(
    fiftyone: Any, archive_url: str, tmp_path: Path
) -> None:
    fiftyone("plugins", "download", archive_url)
    (line,) = (line for line in fiftyone("plugins", "list").splitlines() if "@premask/" in line)
    assert line.split()[:2] == ["@premask/premask", premask.__version__]
    assert line.split()[-1] == str(tmp_path / "@premask" / "premask")
    assert "@premask/premask/label_samples" in fiftyone("operators", "list")
