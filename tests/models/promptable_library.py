"""The promptable families as transformers documents them: what our own results are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    EdgeTamModel,
    Sam2Model,
    Sam2Processor,
    Sam3TrackerModel,
    Sam3TrackerProcessor,
    SamHQModel,
    SamHQProcessor,
    SamModel,
    SamProcessor,
)

from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline

CLASSES = {
    "sam": (SamModel, SamProcessor),
    "sam-hq": (SamHQModel, SamHQProcessor),
    "sam2": (Sam2Model, Sam2Processor),
    "edgetam": (EdgeTamModel, Sam2Processor),
    "sam3-tracker": (Sam3TrackerModel, Sam3TrackerProcessor),
}


class Library:
    """One of the families, asked as its documentation says."""

    def __init__(self, family: str, folder: Path) -> None:
        model_class, processor_class = CLASSES[family]
        self.model = model_class.from_pretrained(folder).eval()
        self.processor = processor_class.from_pretrained(folder)

    def outlines(
        self, image: Image, multimask: bool, masks: torch.Tensor | None = None, **prompts: Any
    ) -> list[Outline]:
        """The best mask of each object."""
        own = {name: prompts.pop(name) for name in ("hq_token_only",) if name in prompts}
        inputs = self.processor(images=np.array(image.rgb), return_tensors="pt", **prompts)
        # SAM and HQ-SAM pad their square, and need to know how much of it is the image.
        sizes = [
            inputs.pop(name)
            for name in ("original_sizes", "reshaped_input_sizes")
            if name in inputs
        ]
        with torch.inference_mode():
            output = self.model(**inputs, input_masks=masks, multimask_output=multimask, **own)
        (found,) = self.processor.image_processor.post_process_masks(output.pred_masks, *sizes)
        # SAM's own predictions may leave 0 to 1; those of SAM 2 can't.
        (scores,) = output.iou_scores.clamp(0, 1)
        best = scores.argmax(dim=-1).tolist()
        return [
            Outline(mask=Mask.from_array(of_one[choice].numpy()), score=float(score[choice]))
            for of_one, score, choice in zip(found, scores, best, strict=True)
        ]
