from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import Florence2ForConditionalGeneration, Florence2Processor

from premask.errors import MissingWeights, UnsupportedPrompt
from premask.images import Image
from premask.labels.coco_rle import mask_from_segmentation
from premask.models.families.florence2 import answers as florence2_answers
from premask.models.families.florence2.answers import (
    Region,
    asked_phrase,
    boxes_in,
    outlines_in,
    region_hints,
    regions_in,
)
from premask.models.families.florence2.finder import TASKS, Florence2Finder, florence2_finder
from premask.models.options import Florence2Options
from premask.models.parts import torch_runtime
from premask.prompts import Hint, Phrase, Prompts
from premask.settings import settings_of
from tests.models.detector_checks import (
    Found,
    asking,
    assert_differ,
    assert_on_image,
    assert_same,
    assert_threads_do_not_mix,
    drop_a_weight,
    photos,
)
from tests.tiny_models import florence2

Library = tuple[Florence2Processor, Florence2ForConditionalGeneration]

GROUNDING = Florence2Options(max_tokens=64, beams=2)
VOCABULARY = replace(GROUNDING, task="open-vocabulary-detection")
REFERRING = replace(GROUNDING, task="referring-expression-segmentation")
OBJECTS = replace(GROUNDING, task="object-detection")
CAPTIONS = replace(GROUNDING, task="dense-region-captions")
WITH_PHRASES = [GROUNDING, VOCABULARY, REFERRING]

CATS = "two cats<loc_10><loc_20><loc_300><loc_400><loc_500><loc_0><loc_999><loc_999>"
SQUARE = "<loc_0><loc_0><loc_9><loc_0><loc_9><loc_9><loc_0><loc_9>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("florence2")
    florence2.build(folder)
    return folder


@pytest.fixture(scope="module")
def finder(folder: Path) -> Florence2Finder:
    return florence2_finder(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    model = Florence2ForConditionalGeneration.from_pretrained(folder).eval()
    return Florence2Processor.from_pretrained(folder), model


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def find(
    finder: Florence2Finder,
    images: list[Image],
    prompts: list[Prompts],
    options: Florence2Options = GROUNDING,
) -> Found:
    return finder.find(finder.embed(images), prompts, options)


def documented(
    library: Library, image: Image, options: Florence2Options, words: str
) -> dict[str, Any]:
    """transformers' own sequence, one image and one text at a time."""
    processor, model = library
    task = TASKS[options.task].token
    picture = PIL.Image.fromarray(image.rgb)
    inputs = processor(images=picture, text=task + words, return_tensors="pt")
    with torch.no_grad():
        written = model.generate(
            **inputs, max_new_tokens=options.max_tokens, num_beams=options.beams, do_sample=False
        )
    text = processor.batch_decode(written, skip_special_tokens=False)[0]
    answer = processor.post_process_generation(text, task=task, image_size=image.size_hw[::-1])
    result: dict[str, Any] = answer[task]
    return result


def real_boxes(result: dict[str, Any], boxes: str, labels: str) -> list[tuple[str, list[int]]]:
    """What the library found, but for boxes that are inside out, and for words that are none.

    The library takes the end of a place's token for words, or for the beginning of words.
    """
    words = [re.sub(r"^loc_\d+>", "", label) for label in result[labels]]
    return [
        (label, box)
        for box, label in zip(result[boxes], words, strict=True)
        if box[0] < box[2] and box[1] < box[3] and label
    ]


@pytest.mark.parametrize(
    ("options", "index", "words", "keys"),
    [
        (OBJECTS, 0, "", ("bboxes", "labels")),
        (OBJECTS, 3, "", ("bboxes", "labels")),
        (CAPTIONS, 1, "", ("bboxes", "labels")),
        (GROUNDING, 0, "cats. helmet", ("bboxes", "labels")),
        (GROUNDING, 2, "cats. helmet", ("bboxes", "labels")),
        (VOCABULARY, 2, "helmet", ("bboxes", "bboxes_labels")),
    ],
)
def test_boxes_are_those_of_the_library(
    finder: Florence2Finder,
    library: Library,
    images: list[Image],
    options: Florence2Options,
    index: int,
    words: str,
    keys: tuple[str, str],
) -> None:
    """The library cuts corners down to whole pixels; ours are the middles of their bins."""
    expected = real_boxes(documented(library, images[index], options, words), *keys)
    prompts = asking(*words.split(". ")) if words else Prompts()
    found = find(finder, [images[index]], [prompts], options)[0]
    assert expected
    assert [np.floor(hint.box_xyxy or ()).tolist() for hint in found] == [
        box for _, box in expected
    ]
    if not words:
        assert [hint.label for hint in found] == [label for label, _ in expected]
    assert all(hint.score is None for hint in found)


@pytest.mark.parametrize("index", [0, 3])
def test_outlines_are_those_of_the_library(
    finder: Florence2Finder,
    library: Library,
    images: list[Image],
    monkeypatch: pytest.MonkeyPatch,
    index: int,
) -> None:
    """With the library's whole pixels the masks are equal, too."""
    pixels = florence2_answers._pixels
    monkeypatch.setattr(florence2_answers, "_pixels", lambda *ring: np.floor(pixels(*ring)))
    image = images[index]
    result = documented(library, image, REFERRING, "helmet")
    masks = [
        mask_from_segmentation([ring for ring in rings if len(ring) >= 6], image.size_hw)
        for rings in result["polygons"]
    ]
    found = find(finder, [image], [asking("helmet")], REFERRING)[0]
    assert [hint.mask for hint in found] == [mask for mask in masks if mask.area]
    assert {hint.label for hint in found} == {"helmet"}
    assert all(hint.box_xyxy == hint.mask.box_xyxy for hint in found if hint.mask)


@pytest.mark.parametrize("options", WITH_PHRASES)
def test_images_of_all_sizes_with_all_phrases_whatever_the_batch(
    finder: Florence2Finder, images: list[Image], options: Florence2Options
) -> None:
    """The last two prompts are of one length, so their images share a batch."""
    some = [images[0], images[2], images[4]]
    prompts = [asking("a red chair"), asking("cats", "helmet"), asking("cats", "helmet")]
    together = find(finder, some, prompts, options)
    assert sum(map(len, together)) > 1
    for image, asked, found in zip(some, prompts, together, strict=True):
        assert_same(found, find(finder, [image], [asked], options)[0])
        assert_on_image(found, image)


def test_what_there_is_whatever_the_batch(finder: Florence2Finder, images: list[Image]) -> None:
    together = find(finder, images[:3], [Prompts()] * 3, OBJECTS)
    assert_differ(together[0], together[1])
    for image, found in zip(images[:3], together, strict=True):
        assert_same(found, find(finder, [image], [Prompts()], OBJECTS)[0])


def test_another_image_or_phrase_gives_another_result(
    finder: Florence2Finder, images: list[Image]
) -> None:
    one, mirrored = find(finder, images[:2], [asking("helmet")] * 2, REFERRING)
    other = find(finder, images[:1], [asking("cup")], REFERRING)[0]
    assert one[0].mask not in (mirrored[0].mask, other[0].mask)


def test_two_threads_do_not_mix(finder: Florence2Finder, images: list[Image]) -> None:
    prompts = [asking("cats"), asking("a cup", "b")]
    short = replace(REFERRING, max_tokens=16)
    assert_threads_do_not_mix(lambda index: find(finder, [images[index]], [prompts[index]], short))


def test_an_embedding_can_be_kept(finder: Florence2Finder, images: list[Image]) -> None:
    embedding, other = finder.embed(images[:2])
    restored = finder.restore(embedding.to_bytes())
    found = finder.find([embedding, restored, other], [Prompts()] * 3, OBJECTS)
    assert found[0] == found[1]
    assert_differ(found[0], found[2])


class Canned:
    """Stands for the network: remembers what was asked, and answers the same to all."""

    def __init__(self, finder: Florence2Finder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.answer = CATS
        monkeypatch.setattr(finder._network, "ask", self)

    def __call__(self, questions: Sequence[Any], options: Florence2Options) -> list[str]:
        self.asked += [[phrase.text for phrase in question.phrases] for question in questions]
        return [self.answer for _ in questions]


@pytest.fixture
def canned(finder: Florence2Finder, monkeypatch: pytest.MonkeyPatch) -> Canned:
    return Canned(finder, monkeypatch)


@pytest.mark.parametrize("options", [VOCABULARY, REFERRING])
def test_phrases_are_asked_one_by_one(
    finder: Florence2Finder, images: list[Image], canned: Canned, options: Florence2Options
) -> None:
    phrases = (Phrase(text="helmet"), Phrase(text="cup", label="Tasse ☕"))
    canned.answer = f"<poly>{SQUARE}</poly>"
    found = find(finder, images[:1], [Prompts(phrases=phrases)], options)[0]
    labels = [hint.label for hint in found]
    assert sorted(canned.asked) == [["cup"], ["helmet"]]
    assert labels == ["helmet", "Tasse ☕"]


def test_long_lists_are_grounded_in_parts(
    finder: Florence2Finder, images: list[Image], canned: Canned
) -> None:
    """Of 128 tokens the image takes 5, and the task 38: each phrase of ten letters takes 12."""
    texts = [letter * 10 for letter in "abcdefghij"]
    find(finder, images[:1], [asking(*texts)])
    assert canned.asked == [texts[:7], texts[7:]]


def test_each_grounded_region_gets_its_own_phrase(
    finder: Florence2Finder, images: list[Image], canned: Canned
) -> None:
    phrases = (Phrase(text="A Café"), Phrase(text="two cats", label="Katzen"))
    canned.answer = "a café<loc_0><loc_0><loc_9><loc_9>" + CATS
    found = find(finder, images[:1], [Prompts(phrases=phrases)])[0]
    assert [hint.label for hint in found] == ["A Café", "Katzen", "Katzen"]


@pytest.mark.parametrize("options", WITH_PHRASES)
def test_a_phrase_that_is_too_long(
    finder: Florence2Finder, images: list[Image], options: Florence2Options
) -> None:
    with pytest.raises(UnsupportedPrompt, match="has 102 tokens, and the model reads"):
        find(finder, images[:1], [asking("cat", "a" * 100)], options)


@pytest.mark.parametrize("options", WITH_PHRASES)
def test_tasks_with_phrases_need_some(
    finder: Florence2Finder, images: list[Image], options: Florence2Options
) -> None:
    with pytest.raises(UnsupportedPrompt, match="--text"):
        find(finder, images[:1], [Prompts()], options)


@pytest.mark.parametrize("options", [OBJECTS, CAPTIONS])
def test_tasks_without_phrases_take_none(
    finder: Florence2Finder, images: list[Image], options: Florence2Options
) -> None:
    with pytest.raises(UnsupportedPrompt, match="set the task to phrase-grounding"):
        find(finder, images[:1], [asking("cat")], options)


def test_negative_phrases_take_what_they_name(
    finder: Florence2Finder, images: list[Image], canned: Canned
) -> None:
    phrases = (Phrase(text="a dog"), Phrase(text="two cats", positive=False))
    canned.answer = "a dog<loc_0><loc_0><loc_9><loc_9><loc_10><loc_20><loc_300><loc_400>" + CATS
    found = find(finder, images[:1], [Prompts(phrases=phrases)])[0]
    assert [hint.box_xyxy for hint in found] == [pytest.approx((0.256, 0.256, 4.864, 4.864))]


@pytest.mark.parametrize(
    ("keep", "places"), [((), [0, 1, 2]), (("0", "2"), [0, 2]), (("a dog",), [0]), (("x",), [])]
)
def test_regions_to_keep(
    finder: Florence2Finder,
    images: list[Image],
    canned: Canned,
    keep: tuple[str, ...],
    places: list[int],
) -> None:
    canned.answer = "a dog<loc_0><loc_0><loc_9><loc_9>" + CATS
    every = find(finder, images[:1], [Prompts()], OBJECTS)[0]
    found = find(finder, images[:1], [Prompts()], replace(OBJECTS, keep=keep))[0]
    assert found == [every[place] for place in places]


def test_answers_are_as_long_as_allowed(finder: Florence2Finder, images: list[Image]) -> None:
    def answer(options: Florence2Options) -> list[Hint]:
        return find(finder, [images[3]], [Prompts()], options)[0]

    long = replace(OBJECTS, max_tokens=90)
    assert 0 < len(answer(OBJECTS)) < len(answer(long))
    assert answer(replace(long, beams=1)) != answer(long)


def test_in_halves_it_still_answers(
    folder: Path,
    finder: Florence2Finder,
    images: list[Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_runtime, "dtype_on", lambda device: torch.bfloat16)
    halved = florence2_finder(weights=folder, device="cpu")
    (embedding,) = halved.embed(images[:1])
    (found,) = halved.find([embedding], [asking("helmet")], REFERRING)
    features = embedding.tensors["features"]
    assert features.dtype == torch.bfloat16
    (full,) = finder.embed(images[:1])
    torch.testing.assert_close(features.float(), full.tensors["features"], rtol=0, atol=0.2)
    assert found
    assert_on_image(found, images[0])


def test_a_missing_weight_is_no_random_weight(folder: Path, tmp_path: Path) -> None:
    drop_a_weight(folder, tmp_path / "broken", "image_projection")
    with pytest.raises(MissingWeights, match="missing_keys"):
        florence2_finder(weights=tmp_path / "broken", device="cpu")


def test_every_task_of_the_settings_is_known() -> None:
    assert settings_of(Florence2Options)["task"].choices == tuple(TASKS)


def test_boxes_of_an_answer() -> None:
    assert boxes_in(f"</s><s>{CATS}a café<loc_1><loc_2><loc_3><loc_4><loc_5></s><pad>") == [
        Region(words="two cats", rings=((10, 20, 300, 400),)),
        Region(words="two cats", rings=((500, 0, 999, 999),)),
        Region(words="a café", rings=((1, 2, 3, 4),)),
    ]


@pytest.mark.parametrize("answer", ["", "</s>", "a cat", "cat<loc_1><loc_2>", "<loc_1>" * 4])
def test_answers_without_boxes(answer: str) -> None:
    assert boxes_in(answer) == []


def test_outlines_of_an_answer() -> None:
    """Two parts of one thing, then another thing; what has two points is no polygon."""
    first = "<poly><loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><sep>" + "<loc_7>" * 7 + "</poly>"
    second = "<poly><loc_1><loc_2><loc_3><loc_4><sep>" + "<loc_8>" * 6 + "</poly>"
    third = "<poly><loc_1><loc_2><loc_3><loc_4></poly>"
    assert outlines_in(f"</s>{first}{second}{third}</s>") == [
        Region(words="", rings=((1, 2, 3, 4, 5, 6), (7, 7, 7, 7, 7, 7))),
        Region(words="", rings=((8, 8, 8, 8, 8, 8),)),
    ]


def test_outlines_without_brackets() -> None:
    assert outlines_in("<loc_1>" * 6 + "<sep>" + "<loc_2>" * 8) == [
        Region(words="", rings=((1,) * 6, (2,) * 8))
    ]


def test_open_vocabulary_answers_are_boxes_or_outlines() -> None:
    assert regions_in(CATS) == boxes_in(CATS)
    outline = "cat<poly>" + "<loc_1>" * 6 + "</poly>"
    assert regions_in(outline) == [Region(words="cat", rings=((1,) * 6,))]


def test_places_are_the_middle_of_their_bins() -> None:
    region = Region(words="cat", rings=((100, 200, 999, 999),))
    (hint,) = region_hints(region, "cat", (500, 2000))
    assert hint.box_xyxy == pytest.approx((201, 100.25, 1999, 499.75))


def test_an_outline_of_two_parts_is_one_mask() -> None:
    square, other = (0, 0, 100, 0, 100, 100, 0, 100), (500, 500, 600, 500, 600, 600, 500, 600)
    (hint,) = region_hints(Region(words="", rings=(square, other)), "cat", (1000, 1000))
    assert hint.mask is not None
    assert hint.mask.area == 2 * 100 * 100
    assert hint.box_xyxy == hint.mask.box_xyxy == (1, 1, 601, 601)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("A Cat", "a cat"),
        ("a café", "a café crème"),
        ("creme", "a café crème"),
        ("cafe creme.", "a café crème"),
        ("hat", "a man with a hat"),
        ("a hat", "a man with a hat"),
        ("a kat", "a cat"),
        ("a cat", "a cat"),
        ("猫", "猫"),
        ("", "a cat on a mat"),
    ],
)
def test_the_phrase_behind_the_models_words(words: str, expected: str) -> None:
    texts = ("a cat on a mat", "a cat", "a man with a hat", "a café crème", "猫")
    phrases = [Phrase(text=text) for text in texts]
    assert asked_phrase(words, phrases).text == expected
