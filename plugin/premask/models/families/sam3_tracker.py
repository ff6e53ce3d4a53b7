"""The tracker of SAM 3 (2025), which outlines one object from clicks, boxes or a rough mask."""

from __future__ import annotations

from pathlib import Path

from transformers import Sam3ImageProcessor, Sam3TrackerModel

from premask.models.families.sam2 import Sam2Network
from premask.models.parts.promptable import PromptableSegmenter, load_promptable
from premask.models.parts.torch_runtime import device_of, load_processor


def sam3_tracker_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter; `weights` is a folder of SAM 3, as published or of its tracker alone."""
    model = load_promptable(Sam3TrackerModel, weights, device_of(device))
    return PromptableSegmenter(Sam2Network(model, load_processor(Sam3ImageProcessor, weights)))
