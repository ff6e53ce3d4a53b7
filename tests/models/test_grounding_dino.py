from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import (
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    MMGroundingDinoForObjectDetection,
)
from transformers.loss.loss_for_object_detection import box_iou

from premask.errors import MissingWeights, UnsupportedPrompt
from premask.images import Image
from premask.models.families.grounding_dino import GroundingDinoFinder, grounding_dino_finder
from premask.models.options import GroundingDinoOptions
from premask.models.parts import torch_runtime
from premask.models.parts.detections import hints_of
from premask.prompts import Hint, Phrase, Prompts
from tests.models.detector_checks import (
    asking,
    assert_differ,
    assert_on_image,
    assert_same,
    assert_same_but_for_rounding,
    assert_threads_do_not_mix,
    distances,
    drop_a_weight,
    finest_step,
    photos,
    photos_of_three_sizes,
    pixels_seen_by,
)
from tests.tiny_models import grounding_dino

ALL = GroundingDinoOptions(threshold=0)
PHRASES = ("a woman", "Helmet", "cup")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grounding-dino")
    grounding_dino.build(folder)
    return folder


@pytest.fixture(scope="module")
def mm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mm-grounding-dino")
    grounding_dino.build(folder, mm=True)
    return folder


@pytest.fixture(scope="module")
def finder(folder: Path) -> GroundingDinoFinder:
    return grounding_dino_finder(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def documented(folder: Path, model_class: Any, image: Image, texts: tuple[str, ...]) -> list[Hint]:
    """transformers' own sequence, and the best phrase of each box from its tokens' logits."""
    processor = GroundingDinoProcessor.from_pretrained(folder)
    model = model_class.from_pretrained(folder).eval()
    picture = PIL.Image.fromarray(image.rgb)
    inputs = processor(images=picture, text=[list(texts)], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    result = processor.post_process_grounded_object_detection(
        outputs, inputs.input_ids, threshold=0, target_sizes=[image.size_hw]
    )[0]
    stops = (inputs.input_ids[0] == 1012).nonzero().flatten().tolist()
    starts = [1, *(stop + 1 for stop in stops[:-1])]
    logits = outputs.logits[0].sigmoid()
    scores = torch.stack([logits[:, a:b].amax(-1) for a, b in zip(starts, stops, strict=True)], -1)
    labels = [texts[index] for index in scores.argmax(-1).tolist()]
    return hints_of(result["boxes"].numpy(), scores.amax(-1).numpy(), labels, image.size_hw)


@pytest.mark.parametrize("index", [0, 2])
def test_parity_with_the_library(
    finder: GroundingDinoFinder, folder: Path, images: list[Image], index: int
) -> None:
    found = finder.find([images[index]], [asking(*PHRASES)], ALL)[0]
    expected = documented(folder, GroundingDinoForObjectDetection, images[index], PHRASES)
    assert len(found) == 20
    assert len({hint.label for hint in found}) > 1
    assert_same(found, expected, pixels=1e-3, score=1e-6)


def test_parity_with_the_library_for_mm(mm_folder: Path, images: list[Image]) -> None:
    finder = grounding_dino_finder(weights=mm_folder, device="cpu")
    found = finder.find([images[3]], [asking(*PHRASES)], ALL)[0]
    expected = documented(mm_folder, MMGroundingDinoForObjectDetection, images[3], PHRASES)
    assert_same(found, expected, pixels=1e-3, score=1e-6)


def test_images_of_all_sizes_with_all_phrases_whatever_the_batch(
    finder: GroundingDinoFinder, images: list[Image]
) -> None:
    prompts = [asking(*PHRASES)] * 3 + [asking("cup", "spoon"), asking("x")]
    together = finder.find(images, prompts, ALL)
    for image, asked, found in zip(images, prompts, together, strict=True):
        assert_same_but_for_rounding(found, finder.find([image], [asked], ALL)[0])
        assert_on_image(found, image)


def test_photos_of_several_sizes_share_a_batch_if_they_are_resized_to_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: each is seen as it is alone, bit by bit. On a CPU, what is found is equal."""
    finder = grounding_dino_finder(weights=folder, device="cpu")
    network: Any = finder._network
    seen = pixels_seen_by(network._model)
    images, prompts = photos_of_three_sizes(), [asking(*PHRASES)] * 3
    alone = [finder.find([image], prompts[:1], ALL)[0] for image in images]
    assert finder.find(images, prompts, ALL) == alone
    expected = torch.cat(seen[:3])
    seen.clear()
    monkeypatch.setattr(network, "questions_at_once", 8)
    together = finder.find(images, prompts, ALL)
    assert len(seen) == 1
    assert torch.equal(seen[0], expected)
    for found, found_alone in zip(together, alone, strict=True):
        assert_same_but_for_rounding(found, found_alone)


def test_another_image_or_phrase_gives_another_result(
    finder: GroundingDinoFinder, images: list[Image]
) -> None:
    one, mirrored = finder.find(images[:2], [asking("cat")] * 2, ALL)
    assert_differ(one, mirrored)
    assert_differ(one, finder.find(images[:1], [asking("a red chair")], ALL)[0])


def test_two_threads_do_not_mix(finder: GroundingDinoFinder, images: list[Image]) -> None:
    prompts = [asking("cat"), asking("dog", "cup")]
    assert_threads_do_not_mix(
        lambda index: finder.find([images[index]], [prompts[index]], ALL), pixels=1e-2
    )


def test_long_lists_are_looked_for_in_parts(
    finder: GroundingDinoFinder, images: list[Image]
) -> None:
    """48 tokens hold five phrases of eight letters: 2 + 5 * 9 = 47."""
    texts = [letter * 8 for letter in "abcdefgh"]
    found = finder.find(images[:1], [asking(*texts)], ALL)[0]
    parts = [finder.find(images[:1], [asking(*part)], ALL)[0] for part in (texts[:5], texts[5:])]
    expected = [
        hint
        for part, others in (parts, parts[::-1])
        for hint in part
        if not any(is_better(other, hint) for other in others)
    ]
    assert len(expected) < sum(map(len, parts))
    assert_same_but_for_rounding(found, sorted(expected, key=lambda hint: -(hint.score or 0)))
    assert {hint.label for hint in found} & set(texts[5:])
    assert {hint.label for hint in found} & set(texts[:5])


def is_better(other: Hint, hint: Hint) -> bool:
    """Whether it has nearly the same box, and a higher score."""
    boxes = torch.tensor([other.box_xyxy, hint.box_xyxy], dtype=torch.float64)
    overlap = float(box_iou(boxes[:1], boxes[1:])[0][0, 0])
    return overlap > 0.8 and (other.score or 0) > (hint.score or 0)


@pytest.mark.parametrize("text", ["St. Bernard?", "ST BERNARD", "st bernard"])
def test_stops_and_case_are_no_part_of_a_phrase(
    finder: GroundingDinoFinder, images: list[Image], text: str
) -> None:
    found = finder.find(images[:1], [asking(text, "a brown horse")], ALL)[0]
    plain = finder.find(images[:1], [asking("st bernard", "a brown horse")], ALL)[0]
    assert found == [
        replace(hint, label=text if hint.label == "st bernard" else hint.label) for hint in plain
    ]
    assert {hint.label for hint in found} == {text, "a brown horse"}


def test_labels_are_the_phrases_own(finder: GroundingDinoFinder, images: list[Image]) -> None:
    prompts = Prompts(phrases=(Phrase(text="café crème"), Phrase(text="cup", label="Tasse ☕")))
    found = finder.find([images[3]], [prompts], ALL)[0]
    assert {hint.label for hint in found} == {"café crème", "Tasse ☕"}


def test_equal_phrases_are_no_problem(finder: GroundingDinoFinder, images: list[Image]) -> None:
    found = finder.find(images[:1], [asking("cat", "cat")], ALL)[0]
    assert len(found) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("☕", "can read nothing of the phrase '☕'"),
        ("...?", "can read nothing"),
        ("long " * 12, "has 49 tokens, and the model reads 46 at once"),
    ],
)
def test_phrases_that_can_not_be_read(
    finder: GroundingDinoFinder, images: list[Image], text: str, message: str
) -> None:
    with pytest.raises(UnsupportedPrompt, match=message):
        finder.find(images[:1], [asking("cat", text)], ALL)


def test_without_phrases_there_is_nothing_to_find(
    finder: GroundingDinoFinder, images: list[Image]
) -> None:
    with pytest.raises(UnsupportedPrompt, match="--text"):
        finder.find(images[:2], [asking("cat"), Prompts()], ALL)


def test_negative_phrases_take_what_they_name(
    finder: GroundingDinoFinder, images: list[Image]
) -> None:
    both = finder.find(images[:1], [asking("cat", "cup")], ALL)[0]
    phrases = (Phrase(text="cat"), Phrase(text="cup", positive=False))
    left = finder.find(images[:1], [Prompts(phrases=phrases)], ALL)[0]
    assert 0 < len(left) < len(both)
    assert {hint.label for hint in left} == {"cat"}
    assert all(hint in both for hint in left)


def test_the_threshold_is_the_lowest_score(
    finder: GroundingDinoFinder, images: list[Image]
) -> None:
    found = finder.find(images[:1], [asking("cat")], ALL)[0]
    middle = float(np.median([hint.score or 0 for hint in found]))
    kept = finder.find(images[:1], [asking("cat")], GroundingDinoOptions(threshold=middle))[0]
    assert kept == [hint for hint in found if (hint.score or 0) > middle]
    assert 0 < len(kept) < len(found)


def test_in_halves_the_boxes_keep_their_places(
    finder: GroundingDinoFinder, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Boxes in bfloat16 would move by pixels; the network's inner products may be coarse."""
    full = finder.find(images[:1], [asking("cat")], ALL)[0]
    monkeypatch.setattr(torch_runtime, "dtype_on", lambda device: torch.bfloat16)
    halves = finder.find(images[:1], [asking("cat")], ALL)[0]
    assert np.median(distances(halves, full)) < 2
    assert finest_step(halves, beyond=256) < 1


def test_a_missing_weight_is_no_random_weight(folder: Path, tmp_path: Path) -> None:
    drop_a_weight(folder, tmp_path / "broken", "encoder.layers.0")
    with pytest.raises(MissingWeights, match="missing_keys"):
        grounding_dino_finder(weights=tmp_path / "broken", device="cpu")


def test_a_missing_tokenizer_is_named(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if "token" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(MissingWeights, match="tokenizer"):
        grounding_dino_finder(weights=tmp_path, device="cpu")
