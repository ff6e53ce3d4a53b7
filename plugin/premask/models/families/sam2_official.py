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

from premask.errors import MissingWeights, UnsafeWeights
from premask.images import Image
from premask.masks import Size
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import Decoded, PromptableSegmenter, Tensors
from premask.models.parts.torch_runtime import device_of, dtype_on
from premask.models.weights.pickles import TENSORS, require_known

CONFIGURATIONS = Path(sam2.__file__).parent / "configs"

SIZES = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}
"""The released sizes, by the width and the number of their encoder's blocks."""

# Of ImageNet, as in sam2.utils.transforms.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

# As build_sam2 has them: for a box, the best of three masks if the single one is not stable.
STABLE_MASKS = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}

BOX_CORNERS = (2, 3)
"""The labels of points that are the corners of a box."""


def sam2_official_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter; `weights` is a .pt file, and a .yaml of its name tells of other sizes."""
    state = _state_dict(weights)
    model = instantiate(_configuration(state, weights), sam_mask_decoder_extra_args=STABLE_MASKS)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = "; ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise MissingWeights(
            f"The weights in '{weights}' do not fit SAM 2: {first}. If its sizes are its own, put "
            f"the configuration that it was trained with beside it, as {_beside(weights).name}."
        ) from error
    return PromptableSegmenter(Sam2OfficialNetwork(model.eval(), device_of(device)))


class Sam2OfficialNetwork:
    """What SAM2ImagePredictor does with the model, without remembering an image."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device = device
        self._model = model.to(device)
        self._dtype = dtype_on(device)
        self.low_side: int = model.sam_prompt_encoder.mask_input_size[0]
        # These run once an image. In halves the prompts would move, see promptable.py.
        decoder = model.sam_mask_decoder
        for part in (model.image_encoder, decoder.conv_s0, decoder.conv_s1):
            part.to(self._dtype)

    def canvas(self, size_hw: Size) -> Canvas:
        """The image is stretched to the whole square."""
        return Canvas(side=self._model.image_size, size_hw=size_hw)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        """What it looks at (n, 3, side, side)."""
        return torch.cat([self._normalized(image) for image in images]).to(self._dtype)

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The feature maps, the finest first."""
        maps = self._model.forward_image(pixels)["backbone_fpn"]
        if self._model.directly_add_no_mem_embed:
            maps[-1] = maps[-1] + self._model.no_mem_embed.view(1, -1, 1, 1)
        return {str(level): features.to(self._dtype) for level, features in enumerate(maps)}

    def decode(self, features: Tensors, prompts: Tensors, multimask: bool, options: Any) -> Decoded:
        """Logits (n, m, masks, h, w) and predicted IoUs (n, m, masks)."""
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
    """What sam2 makes the model of: the file beside the weights, or that of their size."""
    beside = _beside(weights)
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


def _beside(weights: Path) -> Path:
    return weights.with_suffix(".yaml")


def _trusted(settings: DictConfig, path: Path) -> DictConfig:
    """A configuration can name anything that Python can call; it may name what sam2's own name."""
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
    """All texts in a configuration; one that is yet to be computed is one, too."""
    if isinstance(settings, DictConfig):
        settings = OmegaConf.to_container(settings)
    if isinstance(settings, str):
        yield settings
    elif isinstance(settings, (dict, list)):
        for part in settings.values() if isinstance(settings, dict) else settings:
            yield from _texts(part)
