"""Many phrases on one image: what it costs to ask for more, at full size with random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import skimage.data
import torch
from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

from benchmarks.table import Row, ratio_of
from premask.images import read_image
from premask.models.families.owlv2 import Owlv2Finder, owlv2_finder
from premask.models.options import Owlv2Options
from premask.prompts import Phrase, Prompts
from tests.tiny_models.tokenizers import clip_tokenizer

COUNTS = (4, 16)
REPEATS = 3


def rows() -> Iterator[Row]:
    """One phrase against several, each time with a new look at the image, and without one."""
    finder = full_size_owlv2()
    image = read_image(np.asarray(skimage.data.astronaut()))
    embeddings = finder.embed([image])

    def look_and_ask(count: int, times: int = 1) -> None:
        for _ in range(times):
            finder.find(finder.embed([image]), [asked(count)], Owlv2Options())

    def ask(count: int) -> None:
        finder.find(embeddings, [asked(count)], Owlv2Options())

    for count in COUNTS:
        yield Row(
            what=f"OWLv2, {count} phrases in one look / {count} looks for one phrase each",
            ratio=ratio_of(partial(look_and_ask, count), partial(look_and_ask, 1, count), 1),
            goal=0.8 * count,
        )
    yield Row(
        what="OWLv2, a phrase on an image that was looked at before / with a new look",
        ratio=ratio_of(partial(ask, 1), partial(look_and_ask, 1), REPEATS),
        goal=5,
    )


def asked(count: int) -> Prompts:
    """So many short phrases."""
    return Prompts(phrases=tuple(Phrase(text=f"thing {number}") for number in range(count)))


def full_size_owlv2() -> Owlv2Finder:
    """The architecture of owlv2-base-patch16, with random weights."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Owlv2ForObjectDetection(Owlv2Config(vision_config={"image_size": 960})).save_pretrained(
            folder
        )
        tokenizer = clip_tokenizer(16, padding="!")
        Owlv2Processor(Owlv2ImageProcessor(), tokenizer).save_pretrained(folder)
        return owlv2_finder(weights=folder, device="cpu")
