"""Random weights that make a difference.

A model that was just made ignores its image, so it would pass tests in which images are mixed up.
"""

from __future__ import annotations

from typing import Any

import torch


def perturb(model: Any, seed: int) -> Any:
    """Move every parameter by 0.1 * randn; transformers starts some of them at 1e-10."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def make_picky(head: Any) -> None:
    """Let a linear head tell its classes apart, by what it sees and not by its bias."""
    with torch.no_grad():
        head.weight *= 5
        head.bias.zero_()


def make_contrasting(projection: Any) -> None:
    """Let a projection see differences only: what is the same everywhere would fill all masks."""
    with torch.no_grad():
        projection.weight -= projection.weight.mean(dim=1, keepdim=True)
        projection.weight *= 5
        projection.bias.zero_()


def scale(model: Any, factors: dict[str, float]) -> None:
    """Multiply parameters, so that different inputs give clearly different outputs."""
    with torch.no_grad():
        for name, factor in factors.items():
            model.get_parameter(name).mul_(factor)


def make_wavering(presence: Any, certainty: float) -> None:
    """Let a tracker lose objects now and then: an absent one has no mask at all.

    `presence` is the linear layer that says whether they are there.
    """
    with torch.no_grad():
        presence.weight *= 20
        presence.bias += certainty
