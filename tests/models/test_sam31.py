"""SAM 3.1: its authors' file, backwards through the map of names and in again, bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import Sam3ImageProcessor, Sam3Processor

from premask.errors import MissingWeights, UnsafeWeights
from premask.images import Image
from premask.models.families.sam2 import Sam2Network
from premask.models.families.sam3 import Sam3Finder, Sam3Network
from premask.models.families.sam31.adapters import sam31_finder, sam31_tracker_segmenter
from premask.models.families.sam31.weights import read_state
from premask.models.options import NoOptions, Sam3Options
from premask.models.parts.phrase_finder import EmbeddedPhraseFinder
from premask.models.parts.promptable import PromptableSegmenter
from premask.prompts import Hint, Phrase, Point, Prompts
from tests.models.detector_checks import photos
from tests.tiny_models import sam3
from tests.tiny_models import sam31 as tiny
from tests.tiny_models.tokenizers import clip_tokenizer

OPTIONS = Sam3Options(threshold=0.0)
WORDS = Prompts(phrases=(Phrase(text="a cat"), Phrase(text="cup")))
"""Each finds everything that the tiny model can think of."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam31")
    tiny.build(path)
    return path


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def found(finder: Sam3Finder, images: list[Image]) -> list[list[Hint]]:
    hints = finder.find(finder.embed(images), [WORDS] * len(images), OPTIONS)
    return [list(hints_of_one) for hints_of_one in hints]


def outlined(segmenter: PromptableSegmenter, images: list[Image]) -> list[object]:
    hint = Hint(label="cup", points=(Point(x=2, y=1), Point(x=9, y=2, positive=False)))
    return [*segmenter.segment(segmenter.embed(images), [[hint]] * len(images), NoOptions())]


def test_phrases_find_what_the_same_weights_find_in_transformers_own_class(
    folder: Path, images: list[Image]
) -> None:
    model, _ = tiny.models()
    images_of = Sam3ImageProcessor(size={"height": sam3.SIDE, "width": sam3.SIDE})
    same = Sam3Network(model, Sam3Processor(images_of, clip_tokenizer(sam3.LONGEST_TEXT)))
    hints = found(sam31_finder(weights=folder, device="cpu"), images)
    assert hints == found(EmbeddedPhraseFinder(same), images)
    assert all(hints)


def test_clicks_outline_what_the_same_weights_outline_in_transformers_own_class(
    folder: Path, images: list[Image]
) -> None:
    segmenter = sam31_tracker_segmenter(weights=folder / tiny.FILE, device="cpu")
    _, model = tiny.models()
    images_of = Sam3ImageProcessor(size={"height": sam3.SIDE, "width": sam3.SIDE})
    same = Sam2Network(model, images_of)
    assert outlined(segmenter, images) == outlined(PromptableSegmenter(same), images)


def test_a_copy_as_safetensors_is_the_same(
    folder: Path, images: list[Image], tmp_path: Path
) -> None:
    state = {name: tensor.contiguous() for name, tensor in read_state(folder / tiny.FILE).items()}
    save_file(state, tmp_path / "sam3.1.safetensors")
    for path in folder.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copy = sam31_finder(weights=tmp_path, device="cpu")
    assert found(copy, images) == found(sam31_finder(weights=folder, device="cpu"), images)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("detector.dot_prod_scoring.hs_proj.weight", "dot_product_scoring.query_proj.weight"),
        ("detector.transformer.encoder.layers.1.norm1.bias", "detr_encoder.layers.1.layer_norm1"),
    ],
)
def test_a_missing_weight_is_named(folder: Path, tmp_path: Path, change: str, word: str) -> None:
    copy = copied(folder, tmp_path, without=change)
    with pytest.raises(MissingWeights, match=word):
        sam31_finder(weights=copy, device="cpu")


def test_a_weight_of_another_architecture_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path, extra="detector.something_new.weight")
    with pytest.raises(MissingWeights, match="something_new"):
        sam31_finder(weights=copy, device="cpu")
    copy = copied(folder, tmp_path, extra="tracker.model.interactive_sam_mask_decoder.new")
    with pytest.raises(MissingWeights, match=r"mask_decoder\.new"):
        sam31_tracker_segmenter(weights=copy, device="cpu")


def test_the_tokenizer_is_missed_before_the_weights_are_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / tiny.FILE).write_bytes((folder / tiny.FILE).read_bytes())
    with pytest.raises(MissingWeights, match="tokenizer"):
        sam31_finder(weights=tmp_path, device="cpu")


@pytest.mark.parametrize("size", [0, 1000, 100_000])
def test_a_truncated_file_is_missing_weights(folder: Path, tmp_path: Path, size: int) -> None:
    copy = copied(folder, tmp_path)
    copy.joinpath(tiny.FILE).write_bytes((folder / tiny.FILE).read_bytes()[:size])
    with pytest.raises((MissingWeights, UnsafeWeights), match=tiny.FILE):
        sam31_tracker_segmenter(weights=copy, device="cpu")


def copied(folder: Path, to: Path, *, without: str = "", extra: str = "") -> Path:
    """The folder with one weight less, or one more."""
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    state = torch.load(folder / tiny.FILE, weights_only=True)
    state.pop(without, None)
    if extra:
        state[extra] = torch.zeros(1)
    torch.save(state, to / tiny.FILE)
    return to
