"""SAM 3.1 (2026): phrases, exemplars and clicks, with the networks of SAM 3 and its own weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    Sam3TrackerConfig,
    Sam3TrackerModel,
)

from premask.errors import MissingWeights
from premask.models.families.sam2 import Sam2Network
from premask.models.families.sam3 import MOST_TOKENS, Sam3Finder, Sam3Network
from premask.models.families.sam31.weights import (
    finder_state,
    read_state,
    tracker_state,
    weights_file,
)
from premask.models.parts.phrase_finder import EmbeddedPhraseFinder
from premask.models.parts.promptable import PromptableSegmenter
from premask.models.parts.torch_runtime import (
    device_of,
    dtype_on,
    fill_strictly,
    load_processor,
)

LEVELS = [4.0, 2.0, 1.0]
"""How much finer than the encoder's the feature maps are; SAM 3 had a fourth level, of a half."""


def sam31_finder(*, weights: Path, device: str) -> Sam3Finder:
    """The adapter; `weights` is the authors' file with its tokenizer beside it, or their folder."""
    file = weights_file(weights)
    config = Sam3Config(**_settings(file).get("detector_config", {}))
    # The tokenizer is read first: it is what people forget to copy, and the file takes long.
    tokenizer = load_processor(AutoTokenizer, file.parent, model_max_length=MOST_TOKENS)
    state = finder_state(read_state(file))
    model = fill_strictly(Sam3Model, config, state, source=file, device=device_of(device))
    model.vision_encoder.to(dtype_on(model.device))
    processor = Sam3Processor(_image_processor(config.vision_config), tokenizer)
    return EmbeddedPhraseFinder(Sam3Network(model, processor))


def sam31_tracker_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter for clicks, boxes and rough masks; it needs no tokenizer."""
    file = weights_file(weights)
    settings = _settings(file)
    vision = settings.get("detector_config", {}).get("vision_config", {})
    tracker = settings.get("tracker_config", {})
    config = Sam3TrackerConfig(
        vision_config={"model_type": "sam3_vision_model", **vision, "scale_factors": LEVELS},
        prompt_encoder_config=tracker.get("prompt_encoder_config"),
        mask_decoder_config=tracker.get("mask_decoder_config"),
    )
    state = tracker_state(read_state(file))
    model = fill_strictly(Sam3TrackerModel, config, state, source=file, device=device_of(device))
    model.vision_encoder.to(dtype_on(model.device))
    return PromptableSegmenter(Sam2Network(model, _image_processor(config.vision_config)))


def _settings(file: Path) -> dict[str, Any]:
    """What lies beside the weights; without it, or where it says nothing, the released sizes."""
    path = file.parent / "config.json"
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingWeights(f"'{path}' can't be read: {error}. Get the file again.") from error
    return settings if isinstance(settings, dict) else {}


def _image_processor(vision: Any) -> Sam3ImageProcessor:
    side = vision.backbone_config.image_size
    return Sam3ImageProcessor(size={"height": side, "width": side})
