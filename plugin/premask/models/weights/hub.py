"""The model hub: which files of a repository are used, whether they are here, and downloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from premask.errors import DownloadFailed, MissingDependency
from premask.models.weights.kinds import HubWeights, Weighted
from premask.models.weights.pickles import TENSORS, require_known

SETTINGS = ("*.json", "*.txt", "*.model")
WEIGHTS = "*.safetensors"
"""Numbers and texts. No code is taken, whatever else a repository holds."""

PICKLES = "pytorch_model*.bin"
"""Taken where there is nothing better, and scanned before anybody reads them."""


def installed(weights: HubWeights) -> Path | None:
    """The folder, or the one file, in the hub's own cache on this machine; None if incomplete."""
    try:
        hub = _library()
    except MissingDependency:
        return None
    try:
        folder = Path(hub.snapshot_download(**_what(weights), local_files_only=True))
    except hub.errors.LocalEntryNotFoundError:
        return None
    return _complete(folder, weights)


def size_of_download(checkpoint: Weighted, weights: HubWeights) -> int:
    """How many bytes `fetch` would download, as the hub says; files that are here don't count."""
    with _explained(checkpoint, weights) as hub:
        files = hub.snapshot_download(**_what(weights), dry_run=True)
        if not (_is_named(weights) or any(fnmatch(file.filename, WEIGHTS) for file in files)):
            files = hub.snapshot_download(**_what(weights, PICKLES), dry_run=True)
    return sum(file.file_size for file in files if file.will_download)


def fetch(checkpoint: Weighted, weights: HubWeights, *, again: bool = False) -> Path:
    """Download them to the hub's cache on this machine, with the hub's own progress bars."""
    with _explained(checkpoint, weights) as hub:
        folder = Path(hub.snapshot_download(**_what(weights), force_download=again))
        if not (_is_named(weights) or _has(folder, WEIGHTS)):
            hub.snapshot_download(**_what(weights, PICKLES), force_download=again)
    path = _complete(folder, weights)
    if path is None:
        wanted = weights.file or weights.pickled or f"{WEIGHTS} and no {PICKLES}"
        raise DownloadFailed(
            f"{weights.hub} has no {wanted}, so nothing that premask would load. Pickled weights "
            "of other names are not read: ask its owner for safetensors."
        )
    if not (_is_named(weights) or _has(folder, WEIGHTS)):
        # Already now, and not only when they are used: here somebody reads why they are refused.
        for file in sorted(folder.glob(PICKLES)):
            require_known(file, TENSORS)
    return path


def is_offline() -> bool:
    """Whether whoever runs this machine has switched downloads off (HF_HUB_OFFLINE)."""
    try:
        return bool(_library().constants.HF_HUB_OFFLINE)
    except MissingDependency:
        return False


def folder_of(weights: HubWeights) -> Path:
    """Where the hub's library keeps this repository on this machine, whether it is there or not."""
    hub = _library()
    folder = hub.file_download.repo_folder_name(repo_id=weights.hub, repo_type="model")
    return Path(hub.constants.HF_HUB_CACHE, folder)


@contextmanager
def _explained(checkpoint: Weighted, weights: HubWeights) -> Iterator[Any]:
    """The hub's library; what it raises becomes a sentence that helps."""
    hub = _library()
    try:
        yield hub
    except hub.errors.GatedRepoError as error:
        raise DownloadFailed(
            f"'{checkpoint.name}' is gated: its owner asks you to accept the license "
            f"({checkpoint.license}) first. Do so at {checkpoint.homepage}, make a token at "
            "https://huggingface.co/settings/tokens, log in with 'hf auth login', and try again."
        ) from error
    except (hub.errors.HfHubHTTPError, hub.errors.LocalEntryNotFoundError, OSError) as error:
        raise DownloadFailed(
            f"{weights.hub} could not be downloaded: {_reason(error)}. Check the network and try "
            "again: what has arrived is kept. Or name a folder that has it, as in "
            f"--set find.model={checkpoint.family}:./folder."
        ) from error


def _what(weights: HubWeights, pattern: str = WEIGHTS) -> dict[str, Any]:
    patterns = [weights.file] if weights.file else [weights.pickled or pattern, *SETTINGS]
    revision = weights.revision or None
    return {"repo_id": weights.hub, "revision": revision, "allow_patterns": patterns}


def _is_named(weights: HubWeights) -> bool:
    """Whether the catalog says which file it is; else it is what a repository has."""
    return bool(weights.file or weights.pickled)


def _has(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def _complete(folder: Path, weights: HubWeights) -> Path | None:
    """The weights in a folder of the cache; None where some of their files are missing."""
    # An interrupted download leaves a folder with some of its files.
    if weights.file:
        path = folder / weights.file
        return path if path.is_file() else None
    if weights.pickled:
        return folder if (folder / weights.pickled).is_file() else None
    name, pattern = "model.safetensors", WEIGHTS
    if not _has(folder, WEIGHTS):
        name, pattern = "pytorch_model.bin", PICKLES
    parts = folder / f"{name}.index.json"
    if parts.is_file():
        names = set(json.loads(parts.read_text(encoding="utf-8"))["weight_map"].values())
        return folder if all((folder / part).is_file() for part in names) else None
    return folder if _has(folder, pattern) else None


def _reason(error: Exception) -> str:
    """One line, without the addresses and request ids that the hub's errors carry."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _library() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "Models from the hub need the package 'huggingface_hub', which is not installed. "
            "Install it with: pip install 'premask[torch]'"
        ) from error
    return huggingface_hub
