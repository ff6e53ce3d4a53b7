"""A click on an image that was looked at before, against the bare mask decoder of SAM 2.1 tiny.

The network has its real size and random weights: those cost the same, but their masks are ragged,
which makes the run lengths that only we compute cost more than those of real objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import PIL.Image
import skimage.data
import torch
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

from benchmarks.table import Row, ratio_of
from premask.images import Image, read_image
from premask.models.families.sam2 import Sam2Network
from premask.models.options import NoOptions
from premask.models.parts.promptable import PromptableSegmenter
from premask.prompts import Hint, Point

XY = (500.0, 400.0)
OBJECTS = 8
HINTS = [Hint(label="", points=(Point(x=XY[0] + 9 * n, y=XY[1]),)) for n in range(OBJECTS)]


def rows() -> Iterator[Row]:
    """Against the decoder, against looking again at each click, and several objects at once."""
    torch.manual_seed(0)
    model = Sam2Model(Sam2Config()).eval()
    segmenter = PromptableSegmenter(Sam2Network(model, Sam2ImageProcessor()))
    image = read_image(np.asarray(PIL.Image.fromarray(skimage.data.rocket()).resize((1080, 810))))
    warm = segmenter.embed([image])
    ours = partial(segmenter.segment, warm, [HINTS[:1]], NoOptions())
    bare = bare_click(model, image)
    yield Row(
        what="warm click (SAM 2.1 tiny, 1080x810, with its run lengths) / bare mask decoder",
        ratio=ratio_of(ours, bare, 15),
        goal=1 / 1.3,
        note="the decoder with transformers' own scaling of prompts and masks",
    )
    yield Row(
        what="warm click / looking at the image again at each click",
        ratio=ratio_of(ours, lambda: segmenter.embed([image]) and ours(), 3),
        goal=10,
    )
    yield Row(
        what=f"{OBJECTS} clicks in one call / one by one through the bare mask decoder",
        ratio=ratio_of(
            partial(segmenter.segment, warm, [HINTS], NoOptions()),
            lambda: [bare() for _ in HINTS],
            5,
        ),
        goal=1 / 1.3,
    )


def bare_click(model: Any, image: Image) -> Any:
    """What transformers documents for a click on an image whose embedding is kept."""
    processor = Sam2Processor(Sam2ImageProcessor())
    inputs = processor(images=np.array(image.rgb), return_tensors="pt")
    with torch.inference_mode():
        embeddings = model.get_image_embeddings(inputs["pixel_values"])

    def click() -> Any:
        points: dict[str, Any] = {"input_points": [[[list(XY)]]], "input_labels": [[[1]]]}
        sizes = inputs["original_sizes"]
        prompts = processor(original_sizes=sizes, return_tensors="pt", **points)
        prompts.pop("original_sizes")
        with torch.inference_mode():
            output = model(image_embeddings=embeddings, multimask_output=True, **prompts)
        return processor.post_process_masks(output.pred_masks, sizes)

    return click
