"""The tracker of SAM 3 (2025): outlines from clicks, boxes or masks, through clips, too."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transformers import Sam3ImageProcessor, Sam3TrackerModel, Sam3TrackerVideoModel

from premask.models.families.sam2 import Sam2Network
from premask.models.parts.promptable import load_promptable
from premask.models.parts.promptable_tracker import PromptableTracker, load_memory
from premask.models.parts.torch_runtime import device_of, load_processor


def sam3_tracker_segmenter(*, weights: Path, device: str) -> PromptableTracker:
    """The adapter; `weights` is a folder of SAM 3, as published or of its tracker alone."""
    model = load_promptable(Sam3TrackerModel, weights, device_of(device))
    return PromptableTracker(
        Sam2Network(model, load_processor(Sam3ImageProcessor, weights)),
        partial(load_memory, Sam3TrackerVideoModel, weights, model),
    )
