"""The file of SAM 3.1 -> the weights of one of transformers' classes of SAM 3, strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from premask.errors import MissingWeights
from premask.models.families.sam31.names import (
    CLICKS,
    DETECTOR,
    ENCODER,
    NECK,
    TEXT,
    Substitutions,
)
from premask.models.weights.pickles import TENSORS, require_known

State = dict[str, torch.Tensor]
Part = tuple[str, Substitutions]

_VISION = r"detector\.backbone\.vision_backbone"

FINDER_PARTS: list[Part] = [
    (rf"{_VISION}\.trunk\.", ENCODER),
    (rf"{_VISION}\.convs\.", NECK),
    (r"detector\.backbone\.language_backbone\.", TEXT),
    (r"detector\.", DETECTOR),
]
"""Where a name begins so, it belongs to this part; the first that fits counts."""

TRACKER_PARTS: list[Part] = [
    (rf"{_VISION}\.trunk\.", ENCODER),
    (rf"{_VISION}\.interactive_convs\.", NECK),
    (r"tracker\.model\.interactive_sam_", CLICKS),
    (r"tracker\.model\.interactivity_no_mem_embed$", CLICKS),
]

RECOMPUTED = (r".*\.freqs_cis", "rotations of the encoder's attention, computed anew from its size")
UNREAD_BY_THE_FINDER = [
    RECOMPUTED,
    (rf"{_VISION}\.(interactive|propagation)_convs\..*", "necks of the clicks and of the videos"),
    (r"detector\.geometry_encoder\.points_.*", "exemplars are boxes: transformers has no points"),
    (r"tracker\..*", "the clicks' head, and the tracker for videos"),
]
UNREAD_BY_THE_TRACKER = [
    RECOMPUTED,
    (rf"{_VISION}\.(propagation_)?convs\..*", "necks of the phrases and of the videos"),
    (r"detector\.(?!backbone\.vision_backbone\.).*", "what reads and finds phrases"),
    (r"tracker\.model\.interactive_obj_ptr_proj\..*", "pointers to objects in other frames"),
    (r"tracker\.model\.(?!interactiv).*", "the memory of the tracker for videos"),
]


def weights_file(weights: Path) -> Path:
    """The file itself, or the one in a folder; safetensors first, which can't hold programs."""
    if weights.is_file():
        return weights
    found = [*sorted(weights.glob("*.safetensors")), *sorted(weights.glob("*.pt"))]
    if not found:
        raise MissingWeights(
            f"'{weights}' has no weights of SAM 3.1: sam3.1_multiplex.pt, or a copy of it as "
            "safetensors. Download the model again, or copy the file there."
        )
    return found[0]


def read_state(path: Path) -> State:
    """All tensors of the file by their authors' names."""
    try:
        if path.suffix == ".safetensors":
            tensors: State = load_file(path)
            return tensors
        require_known(path, TENSORS)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise MissingWeights(
            f"The weights in '{path}' can't be read: {error}. Get the file again."
        ) from error
    state = state.get("model", state) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not any(name.startswith("detector.") for name in state):
        raise MissingWeights(f"'{path}' holds no weights of SAM 3.1.")
    return state


def finder_state(state: State) -> State:
    """The weights of Sam3Model."""
    converted = _converted(state, FINDER_PARTS, UNREAD_BY_THE_FINDER)
    # Three levels are all that SAM 3.1 has. Sam3Model has a fourth, which it computes and drops.
    last = "vision_encoder.neck.fpn_layers.2.proj"
    unused = {
        name.replace("fpn_layers.2.", "fpn_layers.3."): torch.zeros_like(tensor)
        for name, tensor in converted.items()
        if name.startswith(last)
    }
    return {**converted, **unused}


def tracker_state(state: State) -> State:
    """The weights of Sam3TrackerModel."""
    converted = _converted(state, TRACKER_PARTS, UNREAD_BY_THE_TRACKER)
    places = "prompt_encoder.shared_embedding.positional_embedding"
    if places in converted:
        converted["shared_image_embedding.positional_embedding"] = converted[places]
    points = [name for name in converted if name.startswith("prompt_encoder.point_embeddings.")]
    if points:
        kinds = [converted.pop(name) for name in sorted(points)]
        converted["prompt_encoder.point_embed.weight"] = torch.cat(kinds)
    return converted


def renamed(name: str, parts: list[Part]) -> str:
    """What transformers calls the weight of this name; `{qkv}` in it stands for q, k and v."""
    for beginning, substitutions in parts:
        if re.match(beginning, name):
            for pattern, replacement in substitutions:
                name = re.sub(pattern, replacement, name)
            break
    return name


def _converted(state: State, parts: list[Part], unread: list[tuple[str, str]]) -> State:
    converted: State = {}
    for name, tensor in state.items():
        if not any(re.fullmatch(pattern, name) for pattern, _ in unread):
            converted.update(_reshaped(renamed(name, parts), tensor))
    return converted


def _reshaped(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """The same numbers in the shapes that transformers keeps them in."""
    if "{qkv}" in name:
        for projection, part in zip("qkv", tensor.chunk(3), strict=True):
            yield name.replace("{qkv}", projection), part
    elif name.endswith("embeddings.position_embeddings"):
        # The first place is that of a class token, which SAM 3 doesn't have.
        yield name, tensor[:, 1:]
    elif name == "text_encoder.text_projection.weight":
        yield name, tensor.T
    else:
        yield name, tensor
