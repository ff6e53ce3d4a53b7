"""SAM 3 against transformers' own call sequence, on a tiny checkpoint of the real architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    Sam3Model,
    Sam3Processor,
    Sam3TrackerVideoConfig,
    Sam3VideoConfig,
    Sam3VideoModel,
)

from premask.errors import MissingWeights, UnsupportedPrompt
from premask.images import Image
from premask.masks import Mask
from premask.models.families.sam3 import Sam3Finder, sam3_finder
from premask.models.options import Sam3Options
from premask.models.parts import promptable
from premask.models.parts.torch_runtime import TorchEmbedding
from premask.prompts import Exemplar, Hint, Phrase, Prompts
from tests.models.detector_checks import (
    asking,
    assert_differ,
    assert_on_image,
    assert_same,
    assert_threads_do_not_mix,
    drop_a_weight,
    photos,
)
from tests.tiny_models import sam3 as tiny

# The tiny models give scores around this one, so it keeps some of their 12 objects.
OPTIONS = Sam3Options(threshold=0.265, mask_threshold=0.4)
FACE, CUP = (170.0, 60.0, 280.0, 220.0), (60.0, 30.0, 250.0, 260.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam3")
    tiny.build(path)
    return path


@pytest.fixture(scope="module")
def finder(folder: Path) -> Sam3Finder:
    return sam3_finder(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def find(
    finder: Sam3Finder, image: Image, prompts: Prompts, options: Sam3Options = OPTIONS
) -> list[Hint]:
    return finder.find(finder.embed([image]), [prompts], options)[0]


def as_documented(folder: Path, image: Image, **inputs: Any) -> list[Hint]:
    """What transformers' documentation does for one phrase, or one set of boxes."""
    model = AutoModel.from_pretrained(folder).eval()
    processor = Sam3Processor.from_pretrained(folder)
    prepared = processor(
        images=image.rgb, input_data_format="channels_last", return_tensors="pt", **inputs
    )
    with torch.inference_mode():
        outputs = model(**prepared)
    (found,) = processor.post_process_instance_segmentation(
        outputs,
        threshold=OPTIONS.threshold,
        mask_threshold=OPTIONS.mask_threshold,
        target_sizes=prepared["original_sizes"].tolist(),
    )
    hints = [
        Hint(
            label=inputs.get("text", "exemplar"),
            box_xyxy=tuple(box.tolist()),
            score=float(score),
            mask=Mask.from_array(mask.numpy()),
        )
        for score, box, mask in zip(found["scores"], found["boxes"], found["masks"], strict=True)
    ]
    assert hints
    return sorted(hints, key=lambda hint: -(hint.score or 0))


def assert_alike(found: Sequence[Hint], expected: Sequence[Hint]) -> None:
    """Boxes to 0.001 pixels, scores to 0.00001, masks but for 2 pixels on their rims."""
    assert expected
    assert_same(found, expected, pixels=1e-3, score=1e-5, mask_pixels=2)


@pytest.mark.parametrize("index", range(5))
def test_a_phrase_is_found_as_documented(
    finder: Sam3Finder, folder: Path, images: list[Image], index: int
) -> None:
    found = find(finder, images[index], asking("a red cup"))
    expected = as_documented(folder, images[index], text="a red cup")
    assert_alike(found, expected)
    assert_on_image(found, images[index])


@pytest.mark.parametrize("words", [None, "cup"])
def test_exemplars_are_used_as_documented(
    finder: Sam3Finder, folder: Path, images: list[Image], words: str | None
) -> None:
    exemplars = (Exemplar(box_xyxy=CUP), Exemplar(box_xyxy=FACE, positive=False))
    phrases = (Phrase(text=words),) if words else ()
    found = find(finder, images[0], Prompts(phrases=phrases, exemplars=exemplars))
    inputs = {"input_boxes": [[list(CUP), list(FACE)]], "input_boxes_labels": [[1, 0]]}
    expected = as_documented(folder, images[0], **inputs, **({"text": words} if words else {}))
    assert_alike(found, expected)


def test_each_phrase_is_asked_for_itself(finder: Sam3Finder, images: list[Image]) -> None:
    """N phrases on one image are what N calls find, each with its own label."""
    prompts = Prompts(phrases=(Phrase(text="cup", label="mug"), Phrase(text="woman")))
    found = find(finder, images[0], prompts)
    mugs, women = ([hint for hint in found if hint.label == label] for label in ("mug", "woman"))
    assert len(mugs) + len(women) == len(found)
    alone = find(finder, images[0], Prompts(phrases=prompts.phrases[:1]))
    assert_alike(mugs, alone)
    assert_alike(women, find(finder, images[0], asking("woman")))
    assert [hint.score for hint in mugs] != [hint.score for hint in women]
    assert found == sorted(found, key=lambda hint: -(hint.score or 0))


def test_many_phrases_look_at_the_image_once(
    finder: Sam3Finder, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    network: Any = finder._network
    encoder = network._model.vision_encoder
    looked = encoder.forward

    def counted(*given: Any, **named: Any) -> Any:
        looks.append(1)
        return looked(*given, **named)

    monkeypatch.setattr(encoder, "forward", counted)
    find(finder, images[0], asking(*map(str, range(20))))
    assert len(looks) == 1


def test_results_do_not_depend_on_the_batch(finder: Sam3Finder, images: list[Image]) -> None:
    prompts = [
        asking("cup", "woman", "a very much longer phrase"),
        Prompts(exemplars=(Exemplar(box_xyxy=FACE, label="face"),)),
        asking("cat"),
        Prompts(
            phrases=(Phrase(text="cup"), Phrase(text="spoon")),
            exemplars=(
                Exemplar(box_xyxy=CUP, label="cup"),
                Exemplar(box_xyxy=FACE, label="cup", positive=False),
                Exemplar(box_xyxy=FACE, label="table"),
            ),
        ),
        asking("cup"),
    ]
    together = finder.find(finder.embed(images), prompts, OPTIONS)
    for image, asked, found in zip(images, prompts, together, strict=True):
        assert_alike(found, find(finder, image, asked))
    assert {hint.label for hint in together[3]} == {"cup", "spoon", "table"}


def test_image_words_and_exemplars_all_count(finder: Sam3Finder, images: list[Image]) -> None:
    def asked(image: Image, *exemplars: Exemplar, words: str = "cup") -> list[Hint]:
        prompts = Prompts(phrases=(Phrase(text=words),), exemplars=exemplars)
        return find(finder, image, prompts, Sam3Options(threshold=0.0))

    plain = asked(images[0])
    liked = asked(images[0], Exemplar(box_xyxy=CUP))
    assert_differ(plain, asked(images[1]))
    assert_differ(plain, asked(images[0], words="something else"))
    assert_differ(plain, liked)
    assert_differ(liked, asked(images[0], Exemplar(box_xyxy=FACE)))
    assert_differ(liked, asked(images[0], Exemplar(box_xyxy=CUP, positive=False)), pixels=0.05)


def test_an_embedding_survives_the_disk(finder: Sam3Finder, images: list[Image]) -> None:
    (fresh, other) = finder.embed(images[:2])
    restored = finder.restore(fresh.to_bytes())
    assert isinstance(restored, TorchEmbedding)
    prompts = [asking("cup", "woman")]
    (expected,) = finder.find([fresh], prompts, OPTIONS)
    assert finder.find([restored], prompts, OPTIONS) == [expected]
    assert_differ(expected, finder.find([other], prompts, OPTIONS)[0])
    with pytest.raises(ValueError, match="no embedding"):
        finder.restore(b"something else")


def test_negative_phrases_take_away(finder: Sam3Finder, images: list[Image]) -> None:
    phrases = (Phrase(text="cup"), Phrase(text="woman", positive=False))
    kept = find(finder, images[0], Prompts(phrases=phrases))
    alone = find(finder, images[0], Prompts(phrases=phrases[:1]))
    assert len(kept) < len(alone)
    assert {hint.label for hint in kept} <= {"cup"}
    assert all(any(hint.score == pytest.approx(one.score) for one in alone) for hint in kept)


def test_nothing_found_is_an_empty_result(finder: Sam3Finder, images: list[Image]) -> None:
    assert find(finder, images[0], asking("cup"), Sam3Options(threshold=0.99)) == []
    # No pixel is as likely as this, so the masks are empty.
    unlikely = Sam3Options(threshold=0.1, mask_threshold=1.0)
    assert find(finder, images[0], asking("cup"), unlikely) == []
    assert finder.embed([]) == []
    assert finder.find([], [], OPTIONS) == []


def test_two_threads_do_not_mix(finder: Sam3Finder, images: list[Image]) -> None:
    prompts = [asking("cup"), asking("woman")]
    assert_threads_do_not_mix(
        lambda index: finder.find(finder.embed([images[index]]), [prompts[index]], OPTIONS)
    )


@pytest.mark.parametrize(
    ("prompts", "reason"),
    [
        (Prompts(), "--text"),
        (asking("cup", " "), "without words"),
        (asking("cup", "x" * 40), "reads 32 at once"),
        (Prompts(phrases=(Phrase(text="x", positive=False),)), "Say what is wanted"),
        (Prompts(exemplars=(Exemplar(box_xyxy=(600, 0, 700, 9)),)), "covers no pixel"),
        (
            Prompts(
                phrases=(Phrase(text="cup"), Phrase(text="cat")),
                exemplars=(Exemplar(box_xyxy=CUP, positive=False),),
            ),
            "are negative",
        ),
    ],
)
def test_what_can_not_be_asked_is_refused(
    finder: Sam3Finder, images: list[Image], prompts: Prompts, reason: str
) -> None:
    with pytest.raises(UnsupportedPrompt, match=reason):
        find(finder, images[0], prompts)


def test_an_exemplar_may_stick_out(finder: Sam3Finder, images: list[Image]) -> None:
    inside, outside = (-0.0, 30.0, 512.0, 260.0), (-90.0, 30.0, 900.0, 260.0)
    one, other = (
        find(finder, images[0], Prompts(exemplars=(Exemplar(box_xyxy=box, label="x"),)))
        for box in (inside, outside)
    )
    assert_alike(one, other)


def test_the_folder_of_the_video_model_will_do(
    finder: Sam3Finder, folder: Path, images: list[Image], tmp_path: Path
) -> None:
    """SAM 3 is published as its video model, which holds the image model and a tracker."""
    save_video_model(folder, tmp_path)
    found = find(sam3_finder(weights=tmp_path, device="cpu"), images[0], asking("cup"))
    assert_alike(found, find(finder, images[0], asking("cup")))


def save_video_model(folder: Path, video_folder: Path) -> None:
    """The same weights among those of a tracker, under the names that the video model gives them.

    Of the tracker, which is large even when tiny, a weight stands for all.
    """
    from safetensors.torch import load_file, save_file

    config = Sam3VideoConfig(
        detector_config=Sam3Model.from_pretrained(folder).config.to_dict(),
        tracker_config=Sam3TrackerVideoConfig().to_dict(),
    )
    config.architectures = [Sam3VideoModel.__name__]
    config.save_pretrained(video_folder)
    weights = load_file(folder / "model.safetensors")
    named = {f"detector_model.{name}": value for name, value in weights.items()}
    trackers = {
        "tracker_model.no_memory_embedding": torch.ones(1, 1, 4),
        "tracker_neck.fpn_layers.0.proj1.bias": torch.ones(4),
    }
    save_file({**named, **trackers}, video_folder / "model.safetensors", {"format": "pt"})
    tiny.save_processor(video_folder)


def test_lite_text_is_asked_in_the_same_way(tmp_path: Path, images: list[Image]) -> None:
    tiny.build_lite_text(tmp_path)
    found = find(sam3_finder(weights=tmp_path, device="cpu"), images[0], asking("cup"))
    expected = as_documented(tmp_path, images[0], text="cup")
    assert_alike(found, expected)


def test_halves_change_little(
    folder: Path, finder: Sam3Finder, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the encoder runs in bfloat16: boxes move by less than a pixel or two of 512."""
    monkeypatch.setattr(promptable, "dtype_on", lambda device: torch.bfloat16)
    halves = sam3_finder(weights=folder, device="cpu")
    (embedding,) = halves.embed([images[0]])
    assert embedding.tensors["0"].dtype == torch.bfloat16
    all_of_them = Sam3Options(threshold=0.0)
    prompts = Prompts(phrases=(Phrase(text="cup"),), exemplars=(Exemplar(box_xyxy=CUP),))
    rough = find(halves, images[0], prompts, all_of_them)
    exact = find(finder, images[0], prompts, all_of_them)
    assert len(rough) == len(exact) == 12
    by_place = [
        sorted(hint.box_xyxy for hint in found if hint.box_xyxy) for found in (rough, exact)
    ]
    np.testing.assert_allclose(by_place[0], by_place[1], atol=6)
    scores = [sorted(hint.score or 0 for hint in found) for found in (rough, exact)]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.02)


def test_incomplete_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    drop_a_weight(folder, tmp_path / "part", "presence_head")
    with pytest.raises(MissingWeights, match="presence_head"):
        sam3_finder(weights=tmp_path / "part", device="cpu")
