"""SAM 2 from its authors' own kind of file, such as people's fine-tunes, by the package sam2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sam2
import torch
import torch.nn.functional as F  # noqa: N812
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from premask.errors import MissingWeights, PremaskError, UnsafeWeights
from premask.images import Image
from premask.masks import Size
from premask.models.parts.imagenet import DEVIATION, MEAN
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import Decoded, PromptableSegmenter, Tensors
from premask.models.parts.torch_runtime import device_of, dtype_on
from premask.models.weights.pickles import TENSORS, require_known

CONFIGURATIONS = Path(sam2.__file__).parent / "configs"

SIZES = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}
"""The released sizes, by the width and the number of their encoder's blocks."""

# What `build_sam2` of the package sets, as the authors' predictor does: for a box, the best of
# three masks is taken if the single one is not stable.
STABLE_MASKS = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}

BOX_CORNERS = (2, 3)
"""SAM 2 takes a box as two points; these labels mark its first and its second corner."""


def sam2_official_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter; `weights` is a .pt file.

    A model of none of the released sizes needs its configuration beside it: a .yaml of that name.
    """
    state = _state_dict(weights)
    beside = weights.with_suffix(".yaml")
    try:
        settings = _configuration(state, weights)
        model = instantiate(settings, sam_mask_decoder_extra_args=STABLE_MASKS)
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
    return PromptableSegmenter(Sam2OfficialNetwork(model.eval(), device_of(device)))


class Sam2OfficialNetwork:
    """Calls the model as the authors' SAM2ImagePredictor does, but keeps nothing of an image."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device = device
        self._model = model.to(device)
        self.encoder: torch.nn.Module = model.image_encoder
        self._dtype = dtype_on(device)
        self.low_side: int = model.sam_prompt_encoder.mask_input_size[0]
        # What runs once an image is in half floats; the prompt encoder is not (`load_promptable`).
        decoder = model.sam_mask_decoder
        for part in (model.image_encoder, decoder.conv_s0, decoder.conv_s1):
            part.to(self._dtype)

    def canvas(self, size_hw: Size) -> Canvas:
        """The image is stretched to the whole square."""
        return Canvas(side=self._model.image_size, size_hw=size_hw)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return torch.cat([self._normalized(image) for image in images]).to(self._dtype)

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The feature maps, the finest first."""
        maps = self._model.forward_image(pixels)["backbone_fpn"]
        # To the video model, this vector says that no other frames are remembered.
        if self._model.directly_add_no_mem_embed:
            maps[-1] = maps[-1] + self._model.no_mem_embed.view(1, -1, 1, 1)
        return {str(level): features.to(self._dtype) for level, features in enumerate(maps)}

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        shape = next(iter(prompts.values())).shape[:2]
        encoder = self._model.sam_prompt_encoder
        points, rough = _points(prompts), prompts.get("input_masks")
        sparse, dense = encoder(points=points, boxes=None, masks=rough)
        *fine, coarse = (features[level] for level in sorted(features))
        logits, scores, *_ = self._model.sam_mask_decoder(
            image_embeddings=coarse,
            image_pe=encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            repeat_image=len(coarse) < len(sparse),
            high_res_features=fine,
        )
        return logits.unflatten(0, shape), scores.unflatten(0, shape)

    def _normalized(self, image: Image) -> torch.Tensor:
        # The steps of sam2.utils.transforms.
        square = (self._model.image_size,) * 2
        rgb = torch.tensor(image.rgb, device=self.device).permute(2, 0, 1)[None] / 255
        rgb = F.interpolate(rgb, square, mode="bilinear", antialias=True)
        mean, deviation = (rgb.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        return (rgb - mean) / deviation


def _points(prompts: Tensors) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Points (n, k, 2) and labels (n, k) of n objects; a box is two more points, the first ones."""
    places, labels = [], []
    if "input_boxes" in prompts:
        places.append(prompts["input_boxes"].flatten(0, 1).unflatten(1, (2, 2)))
        labels.append(torch.tensor([BOX_CORNERS] * len(places[0]), device=places[0].device))
    if "input_points" in prompts:
        places.append(prompts["input_points"].flatten(0, 1))
        labels.append(prompts["input_labels"].flatten(0, 1))
    return (torch.cat(places, dim=1), torch.cat(labels, dim=1)) if places else None


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
