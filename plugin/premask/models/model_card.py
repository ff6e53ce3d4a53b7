"""What a person wants to know of a model before using it: license, size, where its weights are."""

from __future__ import annotations

from premask.models.catalog import Checkpoint
from premask.models.weights.installed import located_weights
from premask.models.weights.kinds import HubWeights, LocalWeights


def license_terms(checkpoint: Checkpoint) -> str:
    """The license, and whether one has to ask for access."""
    weights = checkpoint.weights
    gated = isinstance(weights, HubWeights) and weights.gated
    return f"{checkpoint.license}{', gated' if gated else ''}"


def size(checkpoint: Checkpoint) -> str:
    """How much comes when it is downloaded."""
    if checkpoint.weights is None or isinstance(checkpoint.weights, LocalWeights):
        return "-"
    return megabytes(checkpoint.weights.bytes)


def megabytes(count: int) -> str:
    """Bytes for people.

    >>> megabytes(4_574_861)
    '4.6 MB'
    """
    return f"{count / 1e6:,.1f} MB" if count else "size unknown"


def place(checkpoint: Checkpoint) -> str:
    """Whether the weights are here, or the command that gets them."""
    if checkpoint.weights is None:
        return "none needed"
    if located_weights(checkpoint):
        return "here"
    if isinstance(checkpoint.weights, LocalWeights):
        return f"missing at {checkpoint.weights.path}"
    return f"premask models download {checkpoint.name}"
