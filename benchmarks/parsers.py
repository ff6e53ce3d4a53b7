"""SegFormer's recipe against its bare loop, at full size with random weights.

Those of the two finest scales are 0: the cost is the same, and classes are areas, as they are with
real weights, instead of confetti.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
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
from benchmarks.table import Row, ratio_of
from premask.models.pool import ModelPool
from premask.pipeline import label
from premask.recipes import recipe_of

IMAGES = 4
REPEATS = 5
CLASSES = 18


def rows() -> Iterator[Row]:
    """From files to masks of the 18 classes of clothes, by the architecture of segformer_b2."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_images(folder / "photos", IMAGES, side=1000)
        model, processor = save_full_size_segformer(folder / "segformer")
        recipe = recipe_of("clothes").with_settings(
            {"find.model": f"segformer:{folder / 'segformer'}"}
        )
        pool = ModelPool(device="cpu")

        def ours() -> None:
            assert all(len(each.annotations) > 3 for each in label(paths, recipe, pool=pool))

        what, note = "label() with SegFormer b2, images/s", f"{IMAGES} photos of 1000 px"
        yield Row(
            what=f"{what} / decode, model, class maps in a loop",
            ratio=ratio_of(ours, lambda: documented_loop(model, processor, paths), REPEATS),
            goal=0.95,
            note=note,
        )
        inputs = [network_input(processor, path) for path in paths]
        yield Row(
            what=f"{what} / the network alone",
            ratio=ratio_of(ours, lambda: bare_network(model, inputs), REPEATS),
            goal=0.95,
            note=f"{note}, with decoding, masks and run lengths",
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


def network_input(processor: Any, path: Path) -> Any:
    """Everything that comes before the network."""
    return processor(images=PIL.Image.open(path).convert("RGB"), return_tensors="pt")


def bare_network(model: Any, inputs: Sequence[Any]) -> None:
    """Nothing but the network, image by image."""
    with torch.inference_mode():
        for each in inputs:
            assert model(**each).logits.isfinite().all()
