"""Where weights lie on this machine, and what changes when they do."""

from __future__ import annotations

import re
from pathlib import Path

from premask.errors import MissingWeights
from premask.models.weights import hub
from premask.models.weights.content import content_identity
from premask.models.weights.kinds import HubWeights, LocalWeights, PackagedWeights, Weighted
from premask.models.weights.packaged import packaged_path
from premask.models.weights.wholeness import what_is_broken


def located_weights(checkpoint: Weighted) -> Path | None:
    """The file or folder of weights on this machine; None if missing, or if none are needed."""
    match checkpoint.weights:
        case PackagedWeights() as packaged:
            path = packaged_path(checkpoint.name, packaged)
        case LocalWeights() as local:
            path = Path(local.path)
        case HubWeights() as remote:
            return hub.installed(remote)
        case None:
            return None
    return path if path.exists() else None


def installed_weights(checkpoint: Weighted) -> Path | None:
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
    broken = what_is_broken(path, checkpoint.weights) if path is not None else ""
    if broken:
        raise MissingWeights(
            f"The weights of '{checkpoint.name}' are broken: {broken}. Get them once more with: "
            f"premask models download {checkpoint.name} --again"
        )
    return path


def weights_identity(checkpoint: Weighted) -> str:
    """A text that changes when the weights do; empty while they are not known."""
    match checkpoint.weights:
        case PackagedWeights() as packaged:
            return packaged.sha256
        case HubWeights() as remote:
            # Only a whole commit never moves; what a branch or `refs/pr/6` was when it came is told
            # by the hub's cache, which names the folder of each version after its commit.
            if re.fullmatch("[0-9a-f]{40}", remote.revision):
                return remote.revision
            path = located_weights(checkpoint)
            return path.parts[path.parts.index("snapshots") + 1] if path else remote.revision
        case LocalWeights() as local:
            return content_identity(Path(local.path))
    return ""
