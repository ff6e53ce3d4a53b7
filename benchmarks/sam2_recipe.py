"""Images a second of a recipe with SAM 2 against the bare model in a loop, at full size."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

from benchmarks.annotate import make_images
from benchmarks.table import Row, ratio_of
from premask.models.embeddings import EmbeddingCache
from premask.models.pool import ModelPool
from premask.prompts import BoxPrompt, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.pipeline import label

IMAGES = 6
REPEATS = 3
BOX = (100.0, 80.0, 700.0, 600.0)


def rows() -> Iterator[Row]:
    """From files to masks: a box in each image, outlined by SAM 2.1 tiny with random weights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_images(folder / "photos", IMAGES, side=1000)
        torch.manual_seed(0)
        Sam2Model(Sam2Config()).save_pretrained(folder / "sam2")
        processor = Sam2Processor(Sam2ImageProcessor())
        processor.save_pretrained(folder / "sam2")
        model = Sam2Model.from_pretrained(folder / "sam2").eval()
        recipe = recipe_of("click").with_settings({"outline.model": f"sam2:{folder / 'sam2'}"})
        # Nothing is remembered, so that each turn looks at each image.
        pool = ModelPool(device="cpu", embeddings=EmbeddingCache(memory_bytes=0))
        prompts = Prompts(boxes=(BoxPrompt(box_xyxy=BOX, label="thing"),))

        def ours() -> None:
            assert all(
                labeled.annotations for labeled in label(paths, recipe, prompts=prompts, pool=pool)
            )

        yield Row(
            what="label() with a SAM 2.1 tiny recipe, images/s / decode, model, masks in a loop",
            ratio=ratio_of(ours, lambda: bare_loop(model, processor, paths), REPEATS),
            goal=0.95,
            note=f"{IMAGES} photos of 1000 px",
        )


def bare_loop(model: Any, processor: Any, paths: Sequence[Path]) -> None:
    """What transformers documents, image by image."""
    for path in paths:
        picture = PIL.Image.open(path).convert("RGB")
        inputs = processor(images=np.asarray(picture), input_boxes=[[[*BOX]]], return_tensors="pt")
        with torch.inference_mode():
            output = model(**inputs, multimask_output=False)
        assert processor.post_process_masks(output.pred_masks, inputs["original_sizes"])
