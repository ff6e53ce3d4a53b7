from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from premask.errors import MissingWeights, UnsupportedPrompt
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline, Restorer, Reusable
from premask.models.options import NoOptions
from premask.models.parts import promptable
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import PromptableSegmenter
from premask.models.parts.sam_prompts import prompt_of
from premask.prompts import Hint
from tests.models.detector_checks import drop_a_weight
from tests.models.promptable_checkpoints import (
    BESIDE,
    BOX,
    CLICK,
    TIES,
    TINY,
    assert_same,
    boxed,
    click,
    clicked,
    every_kind,
    load,
    outline,
    photos,
    pixels_apart,
    rough,
)

CANVAS = Canvas(side=128, size_hw=(300, 450))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {family: tmp_path_factory.mktemp(family) for family in TINY}
    for family, folder in folders.items():
        TINY[family].build(folder)
    return folders


@pytest.fixture(scope="module")
def segmenters(folders: dict[str, Path]) -> dict[str, PromptableSegmenter]:
    return {family: load(family, folder) for family, folder in folders.items()}


@pytest.fixture(params=TINY)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def segmenter(segmenters: dict[str, PromptableSegmenter], family: str) -> PromptableSegmenter:
    return segmenters[family]


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def logits(segmenter: PromptableSegmenter, image: Image, hint: Hint) -> torch.Tensor:
    """The network's own logits, before a mask is made of them."""
    canvas = segmenter._network.canvas(image.size_hw)
    prompt = prompt_of(hint, canvas, segmenter._network.low_side)
    assert prompt is not None
    embeddings = segmenter.embed([image])
    return segmenter._decoded(embeddings, [prompt], multimask=True, options=NoOptions())[0]


# --- whatever the family


def test_results_do_not_depend_on_their_batch(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    hints = [every_kind(images[0].size_hw), [], every_kind(images[2].size_hw)[:3]]
    together = segmenter.segment(segmenter.embed(images), hints, NoOptions())
    assert [len(outlines) for outlines in together] == [10, 0, 3]
    for image, hints_of_one, outlines in zip(images, hints, together, strict=True):
        alone = [outline(segmenter, image, [hint])[0] for hint in hints_of_one]
        assert_same(outlines, alone)
        assert_same(outline(segmenter, image, hints_of_one), alone)


def test_results_do_not_depend_on_how_many_objects_go_at_once(
    segmenter: PromptableSegmenter, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = [every_kind(image.size_hw) for image in images[:2]]
    embeddings = segmenter.embed(images[:2])
    few = segmenter.segment(embeddings, hints, NoOptions())
    monkeypatch.setattr(segmenter, "_objects_at_once", 64)
    for outlines, expected in zip(
        segmenter.segment(embeddings, hints, NoOptions()), few, strict=True
    ):
        assert_same(outlines, expected)


def test_another_prompt_or_image_gives_another_mask(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    """Without this, a network that ignores its input would pass the other tests."""
    masks = [
        outlined.mask for outlined in outline(segmenter, images[0], every_kind(images[0].size_hw))
    ]
    assert all(
        pixels_apart(one, other) > 10 * TIES for one, other in itertools.combinations(masks, 2)
    )
    one, other = (logits(segmenter, image, boxed()) for image in images[:2])
    assert (one - other).abs().max() > 1e-3


def test_a_negative_point_is_no_positive_one(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    both = [clicked(click(*CLICK), click(*BESIDE, positive=sign)) for sign in (True, False)]
    yes, no = outline(segmenter, images[0], both)
    assert pixels_apart(yes.mask, no.mask) > 10 * TIES


@pytest.mark.parametrize(("at_once", "batches"), [(None, [1, 1, 1]), (2, [2, 1])])
def test_an_image_is_encoded_once_whatever_is_asked(
    segmenter: PromptableSegmenter,
    images: list[Image],
    at_once: int | None,
    batches: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One by one on a CPU, where others wait; several at once on a GPU."""
    if at_once is not None:
        monkeypatch.setattr(segmenter, "_images_at_once", at_once)
    encode, seen = segmenter._network.encode, list[int]()

    def counted(pixels: torch.Tensor) -> Any:
        seen.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(segmenter._network, "encode", counted)
    embeddings = segmenter.embed(images)
    for _ in range(2):
        segmenter.segment(embeddings, [[clicked(click(*CLICK))]] * 3, NoOptions())
    assert seen == batches


def test_two_threads_do_not_mix(segmenter: PromptableSegmenter, images: list[Image]) -> None:
    expected = [outline(segmenter, image, [boxed()]) for image in images[:2]]
    results: dict[tuple[int, int], list[Outline]] = {}

    def work(index: int) -> None:
        for turn in range(3):
            results[index, turn] = outline(segmenter, images[index], [boxed()])

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for (index, _), outlines in results.items():
        assert_same(outlines, expected[index])


def test_an_embedding_comes_back_from_its_bytes(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    assert isinstance(segmenter, Restorer)
    fresh, wrong = segmenter.embed(images[:2])
    assert isinstance(fresh, Reusable)
    kept = segmenter.restore(fresh.to_bytes())
    hints = every_kind(images[0].size_hw)
    assert_same(
        segmenter.segment([kept], [hints], NoOptions())[0],
        segmenter.segment([fresh], [hints], NoOptions())[0],
    )
    one, other = (
        segmenter.segment([embedding], [hints[:1]], NoOptions())[0][0].mask.to_array().mean()
        for embedding in (kept, replace(wrong, size_hw=kept.size_hw))
    )
    assert abs(one - other) > 1e-3
    with pytest.raises(ValueError, match="no embedding"):
        segmenter.restore(b"something else")


def test_an_embedding_does_not_keep_its_batch_in_memory(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    for embedding in segmenter.embed(images):
        held = sum(values.untyped_storage().nbytes() for values in embedding.tensors.values())
        assert held == embedding.nbytes


def test_halves_in_the_encoder_leave_the_prompts_exact(
    folders: dict[str, Path],
    segmenter: PromptableSegmenter,
    images: list[Image],
    family: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promptable, "dtype_on", lambda _: torch.bfloat16)
    halves = load(family, folders[family])
    (embedding,) = halves.embed(images[:1])
    assert torch.bfloat16 in {values.dtype for values in embedding.tensors.values()}
    hints = [boxed(), clicked(click(*CLICK)), clicked(click(CLICK[0] + 0.25, CLICK[1]))]
    outlines, expected = (outline(loaded, images[0], hints) for loaded in (halves, segmenter))
    for one, other in zip(outlines, expected, strict=True):
        assert one.mask.iou(other.mask) > 0.9
        assert one.score == pytest.approx(other.score, abs=0.02)
    # In bfloat16 these two clicks would be the same: there, 51.3 + 0.07 is 51.25 again.
    assert outlines[1].score != outlines[2].score


def test_a_missing_weight_is_an_error(
    folders: dict[str, Path], family: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    drop_a_weight(folders[family], broken, "mask_decoder")
    with pytest.raises(MissingWeights, match=r"missing_keys: .*mask_decoder"):
        load(family, broken)


# --- hints that are not what they should be


def test_where_is_it_has_to_be_said(segmenter: PromptableSegmenter, images: list[Image]) -> None:
    for hint in (Hint(label="x"), clicked(click(*BESIDE, positive=False))):
        with pytest.raises(UnsupportedPrompt, match="add a positive point, a box or a mask"):
            outline(segmenter, images[0], [boxed(), hint])


def test_a_box_or_a_mask_of_no_pixel_gives_an_empty_mask(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    size_hw = images[0].size_hw
    nothing = Outline(mask=Mask.empty(size_hw))
    hints = [
        boxed((-50, -50, 0, -1)),
        boxed(),
        boxed((100, 100, 100, 200)),
        Hint(label="", mask=Mask.empty(size_hw)),
    ]
    outlines = outline(segmenter, images[0], hints)
    assert [outlines[0], outlines[2], outlines[3]] == [nothing] * 3
    assert_same(outlines[1:2], outline(segmenter, images[0], [boxed()]))


def test_a_box_is_clipped_to_the_image(segmenter: PromptableSegmenter, images: list[Image]) -> None:
    height, width = images[0].size_hw
    beyond, within = boxed((-30, 50, 2000, 1000)), boxed((0, 50, width, height))
    assert_same(outline(segmenter, images[0], [beyond]), outline(segmenter, images[0], [within]))


@pytest.mark.parametrize("point", [(-1, 5), (5, -0.5), (451, 5), (5, 301)])
def test_a_point_beside_the_image_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(UnsupportedPrompt, match="not on the image of 450 x 300 pixels"):
        prompt_of(clicked(click(*point)), CANVAS, 32)


def test_a_mask_of_another_image_is_refused() -> None:
    with pytest.raises(UnsupportedPrompt, match=r"\(200, 450\), but the image \(300, 450\)"):
        prompt_of(Hint(label="", mask=rough((200, 450))), CANVAS, 32)


# --- what a hint means


def test_coordinates_are_those_of_the_square() -> None:
    prompt = prompt_of(boxed((45, 30, 450, 300), click(225, 150)), CANVAS, 32)
    assert prompt is not None
    np.testing.assert_allclose(prompt.points_xy, [(64, 64)])
    assert prompt.box_xyxy == pytest.approx((12.8, 12.8, 128, 128))
    padded = replace(CANVAS, covered_hw=(85, 128))
    prompt = prompt_of(clicked(click(225, 150), click(0, 0, False)), padded, 32)
    assert prompt is not None
    np.testing.assert_allclose(prompt.points_xy, [(64, 42.5), (0, 0)])
    assert prompt.labels == (1, 0)


def test_a_rough_mask_brings_its_box_unless_a_click_may_go_beyond_it() -> None:
    mask = rough((300, 450))
    alone = prompt_of(Hint(label="", mask=mask), CANVAS, 32)
    refused = prompt_of(Hint(label="", mask=mask, points=(click(9, 9, False),)), CANVAS, 32)
    extended = prompt_of(Hint(label="", mask=mask, points=(click(9, 9),)), CANVAS, 32)
    boxed_too = prompt_of(Hint(label="", mask=mask, box_xyxy=BOX), CANVAS, 32)
    assert alone is not None
    assert refused is not None
    assert extended is not None
    assert boxed_too is not None
    assert [prompt.kind for prompt in (alone, refused, extended, boxed_too)] == [
        (0, True, True),
        (1, True, True),
        (1, False, True),
        (0, True, True),
    ]
    x0, y0, x1, y1 = mask.box_xyxy
    across, down = CANVAS.scale_xy
    assert alone.box_xyxy == refused.box_xyxy == (x0 * across, y0 * down, x1 * across, y1 * down)
    assert boxed_too.box_xyxy != alone.box_xyxy


def test_only_a_click_alone_is_ambiguous() -> None:
    mask = rough((300, 450))
    prompts = [prompt_of(hint, CANVAS, 32) for hint in every_kind((300, 450))]
    prompts.append(prompt_of(Hint(label="", mask=mask, points=(click(9, 9),)), CANVAS, 32))
    assert [prompt is not None and prompt.is_ambiguous for prompt in prompts] == [
        index in (0, 5) for index in range(11)
    ]
