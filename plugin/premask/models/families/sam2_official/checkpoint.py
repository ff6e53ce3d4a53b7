"""The .pt files of SAM 2's authors, and the configurations that say what model they are of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sam2
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from premask.errors import MissingWeights, PremaskError, UnsafeWeights
from premask.models.weights.pickles import TENSORS, require_known

CONFIGURATIONS = Path(sam2.__file__).parent / "configs"

SIZES = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}
"""The released sizes, by the width and the number of their encoder's blocks."""

# What `build_sam2_video_predictor` of the package sets, and of it `build_sam2` what is for images:
# for a box, the best of three masks is taken if the single one is not stable.
STABLE_MASKS = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


def read_model(weights: Path) -> Any:
    """The package's model, complete, as its authors' predictors build it."""
    state = _state_dict(weights)
    beside = weights.with_suffix(".yaml")
    try:
        model = instantiate(
            _configuration(state, weights),
            sam_mask_decoder_extra_args=STABLE_MASKS,
            # Where somebody pointed at an object, its mask is remembered as certain.
            binarize_mask_from_pts_for_mem_enc=True,
        )
        if not isinstance(model, torch.nn.Module):
            raise TypeError("it names no model")
    except Exception as error:
        # YAML, OmegaConf, hydra and the classes that it names have errors of many kinds.
        if isinstance(error, PremaskError) or not beside.is_file():
            raise
        raise MissingWeights(
            f"'{beside}' is no configuration of a SAM 2: {str(error).splitlines()[0]}. Correct it, "
            "or take it away if the model is of a released size."
        ) from error
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = "; ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise MissingWeights(
            f"The weights in '{weights}' do not fit SAM 2: {first}. If its sizes are its own, put "
            f"the configuration that it was trained with beside it, as {beside.name}."
        ) from error
    return model.eval()


def _state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name; what a training keeps beside them is left out."""
    require_known(path, {*TENSORS, "torch.device", "builtins.set"})
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    state = checkpoint.get("model", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or "no_mem_embed" not in state:
        raise MissingWeights(
            f"'{path}' holds no weights of SAM 2. Name a checkpoint as its authors publish them, "
            "or one that was saved with torch.save(model.state_dict(), ...)."
        )
    return state


def _configuration(state: dict[str, torch.Tensor], weights: Path) -> DictConfig:
    """The configuration beside the weights, or the package's own for a model of this size."""
    beside = weights.with_suffix(".yaml")
    if beside.is_file():
        return _trusted(OmegaConf.load(beside), beside).model
    width = len(state["image_encoder.trunk.patch_embed.proj.weight"])
    depth = sum(name.endswith(".norm1.weight") and ".trunk." in name for name in state)
    if (width, depth) not in SIZES:
        raise MissingWeights(
            f"'{weights}' is a SAM 2 of a size of its own ({depth} blocks, {width} wide). Put the "
            f"configuration that it was trained with beside it, as {beside.name}."
        )
    release = "sam2.1" if "no_obj_embed_spatial" in state else "sam2"
    file = f"{release}_hiera_{SIZES[width, depth]}.yaml"
    return OmegaConf.load(CONFIGURATIONS / release / file).model


def _trusted(settings: DictConfig, path: Path) -> DictConfig:
    """The settings, if they say nothing that no configuration of the package says.

    hydra calls whatever function a configuration names, so one from elsewhere could do anything.
    """
    own = [OmegaConf.load(file) for file in CONFIGURATIONS.glob("sam2*/*_t.yaml")]
    unknown = set(_texts(settings)).difference(*map(_texts, own))
    if unknown:
        raise UnsafeWeights(
            f"'{path}' was not used: it says '{min(unknown)}', which no configuration of SAM 2 "
            "says, and a configuration can start programs. Leave it out, or write it as in "
            f"{CONFIGURATIONS}."
        )
    return settings


def _texts(settings: Any) -> Iterator[str]:
    """All texts in a configuration, a reference to another value as it is written."""
    if isinstance(settings, DictConfig):
        settings = OmegaConf.to_container(settings)
    if isinstance(settings, str):
        yield settings
    elif isinstance(settings, (dict, list)):
        for part in settings.values() if isinstance(settings, dict) else settings:
            yield from _texts(part)
