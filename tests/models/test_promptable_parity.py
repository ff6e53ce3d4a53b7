"""Our results are those of the call sequences that transformers documents, in every family."""

from __future__ import annotations

from pathlib import Path

import pytest

from premask.images import Image
from premask.models.options import SamHqOptions
from premask.models.parts.mask_logits import logits_from_mask
from premask.models.parts.promptable import PromptableSegmenter
from premask.prompts import Hint
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
    load,
    outline,
    photos,
    pixels_apart,
    rough,
)
from tests.models.promptable_library import CLASSES, Library


@pytest.fixture(params=CLASSES, scope="module")
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(family)
    TINY[family].build(folder)
    return folder


@pytest.fixture(scope="module")
def ours(family: str, folder: Path) -> PromptableSegmenter:
    return load(family, folder)


@pytest.fixture(scope="module")
def library(family: str, folder: Path) -> Library:
    return Library(family, folder)


@pytest.fixture(params=[0, 1, 2], scope="module")
def image(request: pytest.FixtureRequest) -> Image:
    """A wide photo, a wider one, and a tall one."""
    return photos()[int(request.param)]


def test_a_click_gives_the_best_of_three(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    expected = library.outlines(image, True, input_points=[[[[*CLICK]]]], input_labels=[[[1]]])
    assert_same(outline(ours, image, [clicked(click(*CLICK))]), expected)


def test_clicks_give_the_best_of_three_each(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    points, labels = [[[[*CLICK]], [[*BESIDE]]]], [[[1], [1]]]
    expected = library.outlines(image, True, input_points=points, input_labels=labels)
    hints = [clicked(click(*CLICK)), clicked(click(*BESIDE))]
    assert_same(outline(ours, image, hints), expected)


def test_several_points_give_one_mask(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    points, labels = [[[[*CLICK], [*BESIDE]]]], [[[1, 0]]]
    expected = library.outlines(image, False, input_points=points, input_labels=labels)
    hint = clicked(click(*CLICK), click(*BESIDE, positive=False))
    assert_same(outline(ours, image, [hint]), expected)


def test_ragged_points_give_what_each_object_gives_alone(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    """The library would pad them, which its network sees; we never pad."""
    objects = [[[*CLICK], [*BESIDE]], [[*CLICK], [*BESIDE], [100.0, 100.0]]]
    expected = [
        library.outlines(image, False, input_points=[[points]], input_labels=[[[1] * len(points)]])[
            0
        ]
        for points in objects
    ]
    hints = [clicked(*(click(x, y) for x, y in points)) for points in objects]
    assert_same(outline(ours, image, hints), expected)


def test_boxes_give_a_mask_each(ours: PromptableSegmenter, library: Library, image: Image) -> None:
    boxes = [list(BOX), [10.0, 20.0, 100.0, 90.0], [33.0, 5.0, 290.0, 280.5]]
    expected = library.outlines(image, False, input_boxes=[boxes])
    assert_same(outline(ours, image, [boxed((a, b, c, d)) for a, b, c, d in boxes]), expected)


def test_a_box_goes_with_points(ours: PromptableSegmenter, library: Library, image: Image) -> None:
    expected = library.outlines(
        image,
        False,
        input_boxes=[[list(BOX)]],
        input_points=[[[[*CLICK], [*BESIDE]]]],
        input_labels=[[[1, 0]]],
    )
    hint = boxed(BOX, click(*CLICK), click(*BESIDE, positive=False))
    assert_same(outline(ours, image, [hint]), expected)


def test_a_rough_mask_goes_in_as_logits_with_its_box(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    mask = rough(image.size_hw)
    network = ours._network
    low = logits_from_mask(mask, network.canvas(image.size_hw), network.low_side)
    box_xyxy = [float(side) for side in mask.box_xyxy]
    expected = library.outlines(image, False, low[None, None], input_boxes=[[box_xyxy]])
    assert_same(outline(ours, image, [Hint(label="", mask=mask)]), expected)


def test_hq_token_only_leaves_sams_own_mask_out(tmp_path: Path) -> None:
    TINY["sam-hq"].build(tmp_path)
    ours, library, image = load("sam-hq", tmp_path), Library("sam-hq", tmp_path), photos()[0]
    expected = library.outlines(image, False, input_boxes=[[list(BOX)]], hq_token_only=True)
    (alone,) = outline(ours, image, [boxed()], SamHqOptions(hq_token_only=True))
    assert_same([alone], expected)
    (added,) = outline(ours, image, [boxed()], SamHqOptions())
    assert pixels_apart(added.mask, alone.mask) > 10 * TIES
