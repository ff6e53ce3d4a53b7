from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import Owlv2ForObjectDetection, Owlv2Processor

from premask.errors import MissingWeights, UnsupportedPrompt
from premask.images import Image
from premask.models.families import owlv2 as adapter
from premask.models.families.owlv2 import Owlv2Finder, owlv2_finder
from premask.models.options import Owlv2Options
from premask.models.parts import torch_runtime
from premask.models.parts.detections import hints_of
from premask.prompts import Exemplar, Hint, Phrase, Prompts
from tests.models.detector_checks import (
    Found,
    asking,
    assert_differ,
    assert_on_image,
    assert_same,
    assert_same_but_for_rounding,
    assert_threads_do_not_mix,
    distances,
    drop_a_weight,
    photos,
)
from tests.tiny_models import owlv2

ALL = Owlv2Options(threshold=0, exemplar_threshold=0)
PHRASES = ("a woman", "Helmet", "cup")
FACE = Exemplar(box_xyxy=(170, 60, 280, 220))
HELMET = Exemplar(box_xyxy=(350, 240, 500, 420), label="helmet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("owlv2")
    owlv2.build(folder)
    return folder


@pytest.fixture(scope="module")
def finder(folder: Path) -> Owlv2Finder:
    return owlv2_finder(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def library(folder: Path) -> tuple[Owlv2Processor, Owlv2ForObjectDetection]:
    model = Owlv2ForObjectDetection.from_pretrained(folder).eval()
    return Owlv2Processor.from_pretrained(folder), model


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def model_of(finder: Owlv2Finder) -> Any:
    network: Any = finder._network
    return network._model


def find(
    finder: Owlv2Finder, images: list[Image], prompts: list[Prompts], options: Owlv2Options = ALL
) -> Found:
    return finder.find(finder.embed(images), prompts, options)


@pytest.mark.parametrize("index", [0, 2, 3])
def test_parity_with_the_library(
    finder: Owlv2Finder,
    library: tuple[Owlv2Processor, Owlv2ForObjectDetection],
    images: list[Image],
    index: int,
) -> None:
    processor, model = library
    image = images[index]
    picture = PIL.Image.fromarray(image.rgb)
    inputs = processor(images=picture, text=[list(PHRASES)], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    result = processor.post_process_grounded_object_detection(
        outputs, threshold=0.2, target_sizes=[image.size_hw]
    )[0]
    labels = [PHRASES[label] for label in result["labels"].tolist()]
    expected = hints_of(result["boxes"].numpy(), result["scores"].numpy(), labels, image.size_hw)
    found = find(finder, [image], [asking(*PHRASES)], Owlv2Options(threshold=0.2))[0]
    assert len(found) > 5
    assert len(set(labels)) > 1
    assert_same(found, expected, pixels=1e-3, score=1e-5)


def test_parity_with_the_library_for_an_exemplar(
    finder: Owlv2Finder,
    library: tuple[Owlv2Processor, Owlv2ForObjectDetection],
    images: list[Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library takes the box that looks most like an object; asked for that box, we agree."""
    monkeypatch.setattr(adapter, "NEARLY", 1.0)
    processor, model = library
    image = images[0]
    pixels = processor(images=PIL.Image.fromarray(image.rgb), return_tensors="pt").pixel_values
    with torch.no_grad():
        outputs = model.image_guided_detection(pixel_values=pixels, query_pixel_values=pixels)
        features = outputs.query_image_embeds.flatten(1, 2)
        best = int(model.objectness_predictor(features).argmax())
    result = processor.post_process_image_guided_detection(
        outputs, threshold=0.3, target_sizes=torch.tensor([image.size_hw])
    )[0]
    x, y, width, height = (outputs.query_pred_boxes[0, best] * 512).tolist()
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    prompts = Prompts(exemplars=(Exemplar(box_xyxy=box, label="like this"),))
    found = find(finder, [image], [prompts], Owlv2Options(exemplar_threshold=0.3))[0]
    # The library stretches its scores so that the best is 1, and drops the faintest.
    kept = [hint for hint in found if (hint.score or 0) > 0.1 * (found[0].score or 0)]
    scores = np.array([hint.score for hint in kept])
    boxes = result["boxes"][result["scores"].argsort(descending=True)].numpy()
    expected = hints_of(boxes, scores, ["like this"] * len(boxes), image.size_hw)
    assert len(kept) > 5
    assert_same(kept, expected, pixels=1e-3)


def test_images_of_all_sizes_with_all_prompts_whatever_the_batch(
    finder: Owlv2Finder, images: list[Image]
) -> None:
    prompts = [
        asking(*PHRASES),
        Prompts(exemplars=(HELMET,)),
        asking("cat"),
        Prompts(phrases=(Phrase(text="cup"),), exemplars=(HELMET,)),
        asking("x"),
    ]
    together = find(finder, images, prompts)
    for image, asked, found in zip(images, prompts, together, strict=True):
        assert_same_but_for_rounding(found, find(finder, [image], [asked])[0])
        assert_on_image(found, image)


@pytest.mark.parametrize("prompts", [asking("cat"), Prompts(exemplars=(HELMET,))])
def test_another_image_gives_another_result(
    finder: Owlv2Finder, images: list[Image], prompts: Prompts
) -> None:
    one, mirrored = find(finder, images[:2], [prompts] * 2)
    assert_differ(one, mirrored)


def test_another_phrase_gives_other_scores(finder: Owlv2Finder, images: list[Image]) -> None:
    one, other = find(finder, [images[0]] * 2, [asking("cat"), asking("a red chair")])
    assert abs((one[0].score or 0) - (other[0].score or 0)) > 1e-3


def test_two_threads_do_not_mix(finder: Owlv2Finder, images: list[Image]) -> None:
    prompts = [asking("cat"), asking("dog", "cup")]
    assert_threads_do_not_mix(
        lambda index: find(finder, [images[index]], [prompts[index]]), pixels=1e-2
    )


def test_one_look_serves_any_number_of_phrases(
    finder: Owlv2Finder, folder: Path, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of many phrases is the best of their best, however they are cut into batches."""
    texts = [f"thing {number}" for number in range(20)]
    embeddings = finder.embed(images[:1])
    at_once = finder.find(embeddings, [asking(*texts)], ALL)[0]
    monkeypatch.setattr(adapter, "PHRASES_AT_ONCE", 3)
    in_batches = owlv2_finder(weights=folder, device="cpu")  # one that has kept no phrase yet
    monkeypatch.setattr(model_of(in_batches), "image_embedder", None)
    assert_same_but_for_rounding(in_batches.find(embeddings, [asking(*texts)], ALL)[0], at_once)
    assert len({hint.label for hint in at_once}) > 2


def test_an_embedding_can_be_kept(finder: Owlv2Finder, images: list[Image]) -> None:
    embedding, other = finder.embed(images[:2])
    restored = finder.restore(embedding.to_bytes())
    found = finder.find([embedding, restored, other], [asking("cat")] * 3, ALL)
    assert found[0] == found[1]
    assert_differ(found[0], found[2])
    assert embedding.nbytes == 6 * 6 * 32 * 4


def test_labels_are_the_phrases_own(finder: Owlv2Finder, images: list[Image]) -> None:
    phrases = (Phrase(text="Café. Crème?"), Phrase(text="☕", label="Tasse"))
    found = find(finder, [images[3]], [Prompts(phrases=phrases)])[0]
    assert {hint.label for hint in found} == {"Café. Crème?", "Tasse"}


def test_another_exemplar_gives_other_scores(finder: Owlv2Finder, images: list[Image]) -> None:
    prompts = [Prompts(exemplars=(exemplar,)) for exemplar in (HELMET, FACE)]
    one, other = find(finder, [images[0]] * 2, prompts)
    assert {hint.label for hint in one} == {"helmet"}
    assert abs((one[0].score or 0) - (other[0].score or 0)) > 1e-3


@pytest.mark.parametrize("negative", ["phrase", "exemplar"])
def test_negative_prompts_take_what_they_find(
    finder: Owlv2Finder, images: list[Image], negative: str
) -> None:
    wanted = Prompts(phrases=(Phrase(text="Helmet"),), exemplars=(HELMET,))
    person = Phrase(text="a woman", positive=False)
    face = replace(FACE, positive=False)
    unwanted = (
        replace(wanted, phrases=(*wanted.phrases, person))
        if negative == "phrase"
        else replace(wanted, exemplars=(HELMET, face))
    )
    left, everything = find(finder, [images[0]] * 2, [unwanted, wanted])
    assert 0 < len(left) < len(everything)
    assert {hint.label for hint in left} <= {"Helmet", "helmet"}


def test_finds_of_exemplars_that_overlap_are_one_but_for_those_of_a_negative_one() -> None:
    """Boxes 0 and 1 share an IoU of 1/3, as do 0 and 2."""
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.6, 0.5, 0.2, 0.2], [0.4, 0.5, 0.2, 0.2]])
    finds = adapter.Scored(
        boxes=boxes, scores=torch.tensor([0.9, 0.8, 0.7]), askers=torch.tensor([0, 0, 1])
    )
    left = adapter.distinct(finds, (HELMET, replace(FACE, positive=False)), first=5)
    assert left.scores.tolist() == pytest.approx([0.9, 0.7])
    assert left.askers.tolist() == [5, 6]


def test_an_exemplar_where_nothing_is_seen(finder: Owlv2Finder, images: list[Image]) -> None:
    beside = Exemplar(box_xyxy=(5000, 5000, 5010, 5010))
    with pytest.raises(UnsupportedPrompt, match="draw it around one whole object"):
        find(finder, images[:1], [Prompts(exemplars=(beside,))])


def test_a_phrase_that_is_too_long(finder: Owlv2Finder, images: list[Image]) -> None:
    """14 letters fit between the first and the last token."""
    assert find(finder, images[:1], [asking("a" * 14)])[0]
    with pytest.raises(UnsupportedPrompt, match="has 17 tokens, and the model reads 16 at once"):
        find(finder, images[:1], [asking("cat", "a" * 15)])


def test_without_prompts_there_is_nothing_to_find(finder: Owlv2Finder, images: list[Image]) -> None:
    with pytest.raises(UnsupportedPrompt, match="--text"):
        find(finder, images[:1], [Prompts()])


def test_each_kind_of_prompt_has_its_threshold(finder: Owlv2Finder, images: list[Image]) -> None:
    prompts = Prompts(phrases=(Phrase(text="cat"),), exemplars=(HELMET,))

    def lowest(options: Owlv2Options) -> dict[str, float]:
        hints = find(finder, images[:1], [prompts], options)[0]
        return {hint.label: hint.score or 0 for hint in sorted(hints, key=_descending)}

    assert lowest(Owlv2Options(threshold=0.6, exemplar_threshold=0)) == pytest.approx(
        {"cat": 0.6, "helmet": 0.2}, abs=0.2
    )
    assert lowest(Owlv2Options(threshold=0.6, exemplar_threshold=1)).keys() == {"cat"}


def _descending(hint: Hint) -> float:
    return -(hint.score or 0)


def test_in_halves_the_boxes_keep_their_places(
    folder: Path, finder: Owlv2Finder, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the features are halved: boxes in bfloat16 would lie on a grid of 2 pixels here."""
    full = find(finder, images[:1], [asking("cat")])[0]
    for module in (torch_runtime, adapter):
        monkeypatch.setattr(module, "dtype_on", lambda device: torch.bfloat16)
    halved = owlv2_finder(weights=folder, device="cpu")
    (embedding,) = halved.embed(images[:1])
    assert embedding.tensors["features"].dtype == torch.bfloat16
    halves = halved.find([halved.restore(embedding.to_bytes())], [asking("cat")], ALL)[0]
    assert distances(halves, full).max() < 3


def test_a_missing_weight_is_no_random_weight(folder: Path, tmp_path: Path) -> None:
    drop_a_weight(folder, tmp_path / "broken", "box_head")
    with pytest.raises(MissingWeights, match="missing_keys"):
        owlv2_finder(weights=tmp_path / "broken", device="cpu")
