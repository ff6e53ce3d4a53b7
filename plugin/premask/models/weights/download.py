"""How weights come to this machine: only when asked for, from wherever they are published."""

from __future__ import annotations

from pathlib import Path

from premask.errors import DownloadFailed
from premask.models.weights import hub
from premask.models.weights.installed import installed_weights
from premask.models.weights.kinds import HubWeights, PackagedWeights, Weighted
from premask.models.weights.packaged import download_packaged


def download(
    checkpoint: Weighted, source: Path | None = None, *, again: bool = False
) -> Path | None:
    """Bring the weights to this machine, from where they are published or from a file; checked.

    `again` brings those, too, that seem to be here.
    """
    match checkpoint.weights:
        case PackagedWeights() as packaged:
            return download_packaged(checkpoint.name, packaged, source)
        case HubWeights() as remote if source is None:
            return hub.fetch(checkpoint, remote, again=again)
        case HubWeights():
            raise DownloadFailed(
                f"'{checkpoint.name}' is more than one file. Name its folder in the recipe "
                f"instead, as in --set find.model={checkpoint.family}:{source}."
            )
    return installed_weights(checkpoint)


def download_size(checkpoint: Weighted) -> int:
    """How many bytes `download` would bring; 0 if nobody knows."""
    match checkpoint.weights:
        case HubWeights(bytes=0) as remote:
            return hub.size_of_download(checkpoint, remote)
        case PackagedWeights(bytes=known) | HubWeights(bytes=known):
            return known
    return 0
