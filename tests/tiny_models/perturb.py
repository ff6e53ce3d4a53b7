"""Weights that matter: a freshly made model ignores its image, and would pass any test of reuse."""

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
