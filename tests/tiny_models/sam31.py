"""A tiny SAM 3.1: the weights of a tiny SAM 3, written under the names of its authors' file.

The names, in tests/golden/sam31/names.txt, are those of the authors' package sam3 0.1.4 with the
prefixes of the 3.1 file; a star stands for the number of a layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Sam3Config, Sam3Model, Sam3TrackerConfig, Sam3TrackerModel

from premask.models.families.sam31 import weights as map_of
from tests.tiny_models import sam3
from tests.tiny_models.perturb import perturb
from tests.tiny_models.sam2 import decoder, prompts

NAMES = Path(__file__).parents[1] / "golden" / "sam31" / "names.txt"
FILE = "sam3.1_multiplex.pt"

LAYERS = {"trunk": 2, "resblocks": 1, "geometry_encoder": 1, "encoder": 2, "decoder": 2}
"""How many layers the tiny model has, by what their names hold; the first that fits counts."""


def build(folder: Path) -> None:
    """The authors' file, its settings and its tokenizer, as their repository has them."""
    finder, tracker = models()
    torch.save(authors_state(finder, tracker), folder / FILE)
    settings = {
        "model_type": "sam3_video",
        "detector_config": finder.config.to_dict(),
        "tracker_config": tracker.config.to_dict(),
    }
    (folder / "config.json").write_text(json.dumps(settings))
    sam3.save_processor(folder)
    (folder / "preprocessor_config.json").unlink(missing_ok=True)


def models() -> tuple[Any, Any]:
    """transformers' two classes over one encoder."""
    torch.manual_seed(0)
    sizes = sam3.sizes()
    finder = perturb(Sam3Model(Sam3Config(**sizes)), seed=1)
    vision = {**finder.config.vision_config.to_dict(), "scale_factors": [4.0, 2.0, 1.0]}
    config = Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config={**prompts(sam3.WIDTH), "image_size": sam3.SIDE, "patch_size": 14},
        mask_decoder_config=decoder(sam3.WIDTH),
    )
    tracker = perturb(Sam3TrackerModel(config), seed=2)
    tracker.vision_encoder.backbone.load_state_dict(finder.vision_encoder.backbone.state_dict())
    places = tracker.shared_image_embedding.positional_embedding
    tracker.prompt_encoder.shared_embedding.positional_embedding = places
    return finder.eval(), tracker.eval()


def authors_state(finder: Any, tracker: Any) -> dict[str, torch.Tensor]:
    """Each weight under its authors' name and in its authors' shape; what is not read is zeros."""
    state = {}
    clicked = re.compile(r"tracker\.|.*\.interactive_convs\.")
    for name in authors_names():
        model = tracker if clicked.match(name) else finder
        parts = map_of.TRACKER_PARTS if model is tracker else map_of.FINDER_PARTS
        own = map_of.renamed(name, parts)
        state[name] = _authors_tensor(name, own, model.state_dict())
    return state


def authors_names() -> Iterator[str]:
    for line in NAMES.read_text(encoding="utf-8").split():
        depth = next((count for word, count in LAYERS.items() if word in line), 1)
        for number in range(depth if "*" in line else 1):
            yield line.replace("*", str(number))


def _authors_tensor(name: str, own: str, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    if "{qkv}" in own:
        return torch.cat([weights[own.replace("{qkv}", part)] for part in "qkv"])
    if point := re.fullmatch(r"prompt_encoder\.point_embeddings\.(\d)\.weight", own):
        return weights["prompt_encoder.point_embed.weight"][[int(point[1])]]
    if own not in weights:
        return torch.zeros(1)
    tensor = weights[own]
    if name.endswith(".pos_embed"):
        return torch.cat([torch.zeros_like(tensor[:, :1]), tensor], dim=1)
    return tensor.T if name.endswith(".text_projection") else tensor
