"""SegFormer's recipe against its bare loop, at full size with random weights.

Those of the two finest scales are 0: the cost is the same, and classes are areas, as they are with
real weights, instead of confetti.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

from benchmarks.annotate import make_images
from benchmarks.networks import share_of_time
from benchmarks.table import Row, in_a_thread, ratio_of
from premask.models.pool import ModelPool
from premask.recipes.recipe import recipe_of
from premask.runs.pipeline import label

IMAGES = 4
REPEATS = 3
CLASSES = 18


def rows() -> Iterator[Row]:
    """From files to masks of the 18 classes of clothes, by the architecture of segformer_b2."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = make_images(folder / "photos", IMAGES, side=1000)
        model, processor = save_full_size_segformer(folder / "segformer")
        name = f"segformer:{folder / 'segformer'}"
        recipe = recipe_of("clothes").with_settings({"find.model": name})
        pool = ModelPool(device="cpu")

        def ours() -> None:
            assert all(len(labeled.annotations) > 3 for labeled in label(paths, recipe, pool=pool))

        theirs = in_a_thread(partial(documented_loop, model, processor, paths))
        note = f"{IMAGES} photos of 1000 px, with their run lengths"
        yield Row(
            what="label() with SegFormer b2, images/s / decode, model, class maps in a loop",
            ratio=ratio_of(ours, theirs, REPEATS),
            goal=0.95,
            note=note,
        )
        finder: Any = pool.load(name)
        share, _ = share_of_time(finder._model, ours)
        yield Row(
            what="label() with SegFormer b2, its network's time / that of the whole",
            ratio=share,
            goal=0.95,
            note=note,
        )


def save_full_size_segformer(folder: Path) -> tuple[Any, Any]:
    """The architecture of mattmdjaga/segformer_b2_clothes, saved and as the library has it."""
    torch.manual_seed(0)
    config = SegformerConfig(
        depths=[3, 4, 6, 3],
        hidden_sizes=[64, 128, 320, 512],
        decoder_hidden_size=768,
        num_labels=CLASSES,
    )
    model = SegformerForSemanticSegmentation(config).eval()
    with torch.no_grad():
        # Behind the coarse scales, which come first.
        model.decode_head.linear_fuse.weight[:, 2 * config.decoder_hidden_size :] = 0
    model.save_pretrained(folder)
    processor = SegformerImageProcessor()
    processor.save_pretrained(folder)
    return model, processor


def documented_loop(model: Any, processor: Any, paths: Sequence[Path]) -> None:
    """What transformers documents, image by image, up to the class of each pixel."""
    for path in paths:
        picture = PIL.Image.open(path).convert("RGB")
        inputs = processor(images=picture, return_tensors="pt")
        with torch.inference_mode():
            output = model(**inputs)
        sizes = [picture.size[::-1]]
        (numbers,) = processor.post_process_semantic_segmentation(output, target_sizes=sizes)
        assert len(np.unique(numbers)) > 3
