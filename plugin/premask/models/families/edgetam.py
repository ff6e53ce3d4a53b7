"""EdgeTAM (Zhou et al. 2025): SAM 2 with an encoder that is small enough for a phone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

# transformers imports it no sooner than the weights are loaded. Imported here, a missing timm is
# reported like any other missing package.
import timm  # noqa: F401
from transformers import EdgeTamModel, EdgeTamVideoModel, Sam2ImageProcessor

from premask.models.families.sam2 import DIFFERENCES, Sam2Network
from premask.models.parts.promptable import load_promptable
from premask.models.parts.promptable_tracker import PromptableTracker, load_memory
from premask.models.parts.torch_runtime import device_of, load_processor


def edgetam_segmenter(*, weights: Path, device: str) -> PromptableTracker:
    """The adapter; `weights` is a folder as transformers writes it, of the image or video model."""
    model = load_promptable(EdgeTamModel, weights, device_of(device), DIFFERENCES)
    memory = partial(
        load_memory, EdgeTamVideoModel, weights, model, DIFFERENCES, streams_tokens=True
    )
    return PromptableTracker(
        Sam2Network(model, load_processor(Sam2ImageProcessor, weights)), memory
    )
