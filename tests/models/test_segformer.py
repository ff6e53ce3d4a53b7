"""SegFormer: the library's own class maps, as categories that a person picks by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from transformers import AutoModelForSemanticSegmentation, SegformerImageProcessor

from premask.errors import MissingWeights, UnknownCategory
from premask.images import Image
from premask.masks import Mask
from premask.models.families.segformer import SegformerFinder
from premask.models.options import SegformerOptions
from premask.models.parts import class_maps
from premask.models.parts.categories import wanted_classes
from premask.models.parts.class_maps import class_hints, class_map
from premask.prompts import Hint, Prompts
from tests.models.detector_checks import (
    assert_differ,
    assert_same,
    assert_same_but_for_rounding,
    assert_threads_do_not_mix,
    drop_a_weight,
    photos,
)
from tests.tiny_models import segformer as tiny

NAMES = dict(enumerate(tiny.NAMES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segformer")
    tiny.build(folder)
    return folder


@pytest.fixture(scope="module")
def finder(folder: Path) -> SegformerFinder:
    return SegformerFinder(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def found(finder: SegformerFinder, image: Image, *categories: str) -> list[Hint]:
    return finder.find([image], [Prompts()], SegformerOptions(categories=categories))[0]


def documented(folder: Path, image: Image) -> NDArray[np.int64]:
    """The class of each pixel as the library's own example gets it."""
    model = AutoModelForSemanticSegmentation.from_pretrained(folder)
    processor = SegformerImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        picture = PIL.Image.fromarray(image.rgb)
        outputs = model(**processor(images=picture, return_tensors="pt"))
    (numbers,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[image.size_hw])
    return np.asarray(numbers)


@pytest.mark.parametrize("index", range(5))
def test_masks_are_the_librarys_classes(
    folder: Path, finder: SegformerFinder, images: list[Image], index: int
) -> None:
    numbers = documented(folder, images[index])
    expected = [
        Hint(label=NAMES[number], box_xyxy=mask.box_xyxy, mask=mask)
        for number in np.unique(numbers).tolist()
        for mask in [Mask.from_array(numbers == number)]
        if NAMES[number] != "Background"
    ]
    assert len(expected) > 1
    assert_same(found(finder, images[index]), expected)


def test_every_pixel_has_one_class(finder: SegformerFinder, images: list[Image]) -> None:
    """The background is a class, too, if it is asked for by name."""
    hints = found(finder, images[2], *tiny.NAMES)
    masks = [hint.mask for hint in hints if hint.mask is not None]
    height, width = images[2].size_hw
    assert sum(mask.area for mask in masks) == height * width
    assert masks[0].union(*masks[1:]).area == height * width


def test_results_do_not_depend_on_the_batch(finder: SegformerFinder, images: list[Image]) -> None:
    together = finder.find(images, [Prompts()] * 5, SegformerOptions())
    for hints, image in zip(together, images, strict=True):
        assert_same(hints, found(finder, image))
    assert_differ(together[0], together[1])
    assert_threads_do_not_mix(lambda index: [found(finder, images[index])])


def test_a_batch_as_a_gpu_has_it_changes_no_more_than_rounding(
    finder: SegformerFinder, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [found(finder, image) for image in images]
    monkeypatch.setattr(finder, "_at_once", 3)
    together = finder.find(images, [Prompts()] * 5, SegformerOptions())
    for hints, expected in zip(together, alone, strict=True):
        assert_same_but_for_rounding(hints, expected)


def test_categories_are_picked_by_name_or_group(
    finder: SegformerFinder, images: list[Image]
) -> None:
    everything = found(finder, images[0])
    picked = found(finder, images[0], "HAIR", "shoes")
    assert [hint.label for hint in picked] == ["Hair", "Left-shoe", "Right-shoe"]
    assert_same(picked, [hint for hint in everything if hint in picked])


def test_an_unknown_category_is_told_the_nearest_one() -> None:
    with pytest.raises(UnknownCategory, match=r"no category 'Upper-cloths'.*'Upper-clothes'"):
        wanted_classes(["Upper-cloths"], NAMES)
    with pytest.raises(UnknownCategory, match="Did you mean 'shoes'"):
        wanted_classes(["shoe"], NAMES)
    # A group of which the checkpoint has no member.
    with pytest.raises(UnknownCategory, match="no category 'eyebrows'"):
        wanted_classes(["eyebrows"], NAMES)


def test_a_category_goes_before_a_group_of_its_name() -> None:
    names = {0: "Face", 1: "nose", 2: "skin"}
    assert wanted_classes(["face"], names) == {0}
    assert wanted_classes(["face"], {1: "nose", 2: "skin"}) == {1, 2}


def test_two_classes_of_one_name_are_both_meant() -> None:
    assert wanted_classes(["screen"], {0: "screen", 1: "wall", 2: "screen"}) == {0, 2}


def test_instances_are_connected_parts() -> None:
    numbers = np.zeros((6, 9), np.int32)
    numbers[1:3, 1:3] = numbers[3, 3] = numbers[1:5, 6:8] = 4
    numbers[0, 0] = 2
    names = {number: str(number) for number in range(5)}
    whole = class_hints(numbers, names, {2, 4})
    parts = class_hints(numbers, names, {4}, instances=True)
    assert [hint.box_xyxy for hint in whole] == [(0, 0, 1, 1), (1, 1, 8, 5)]
    assert [hint.box_xyxy for hint in parts] == [(1, 1, 4, 4), (6, 1, 8, 5)]
    masks = [hint.mask for hint in parts if hint.mask is not None]
    assert masks[0].union(masks[1]) == Mask.from_array(numbers == 4)
    assert all(hint.score is None for hint in parts)


def test_instances_are_an_option(finder: SegformerFinder, images: list[Image]) -> None:
    options = SegformerOptions(categories=("Hat",), instances=True)
    (parts,) = finder.find(images[:1], [Prompts()], options)
    (whole,) = found(finder, images[0], "Hat")
    assert len(parts) > 1
    assert whole.mask is not None
    assert sum(part.mask.area for part in parts if part.mask is not None) == whole.mask.area


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size_hw", [(70, 90), (7, 9), (1, 300), (13, 17)])
def test_classes_that_can_not_win_are_left_out_and_not_missed(
    size_hw: tuple[int, int], antialias: bool
) -> None:
    """Two that win, two that nearly do, and many that never do."""
    scores = torch.randn(40, 13, 17, generator=torch.Generator().manual_seed(0))
    scores[[7, 20]] += 4
    scores[[3, 33]] += 2.5
    full = F.interpolate(scores[None], size_hw, mode="bilinear", antialias=antialias)[0]
    numbers = class_map(scores, size_hw, antialias=antialias)
    np.testing.assert_array_equal(numbers, full.argmax(dim=0).numpy())
    assert len(np.unique(numbers)) > 1


def test_only_classes_that_may_win_are_enlarged(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    enlarged = class_maps.enlarged

    def noted(scores: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        looked_at.append(float(scores.max()))
        return enlarged(scores, *args, **options)

    monkeypatch.setattr(class_maps, "enlarged", noted)
    scores = torch.arange(20.0)[:, None, None] + torch.rand(20, 8, 8)
    class_map(scores, (30, 30))
    assert looked_at == [float(scores[19].max())]


def test_where_many_places_become_one_a_class_may_win_that_wins_nowhere_before() -> None:
    one, other = torch.full((2, 4), 5.0), torch.full((2, 4), 5.0)
    one[:, -1] = other[:, 0] = -50
    scores = torch.stack([one, other, torch.full((2, 4), 4.0)])
    assert class_map(scores, (2, 1), antialias=True).tolist() == [[2], [2]]


@pytest.mark.parametrize("shape", [(6, 1, 8), (6, 8, 1), (1, 3, 3)])
def test_maps_of_one_row_one_column_or_one_class(shape: tuple[int, int, int]) -> None:
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    full = F.interpolate(scores[None], (20, 30), mode="bilinear")[0]
    np.testing.assert_array_equal(class_map(scores, (20, 30)), full.argmax(dim=0).numpy())


def test_equal_classes_are_the_first_of_them() -> None:
    assert not class_map(torch.ones(5, 4, 4), (9, 9)).any()


def test_halves_are_close(
    folder: Path, finder: SegformerFinder, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = found(finder, images[0], *tiny.NAMES)
    monkeypatch.setattr(
        "premask.models.parts.torch_runtime.dtype_on", lambda device: torch.bfloat16
    )
    close = found(SegformerFinder(weights=folder, device="cpu"), images[0], *tiny.NAMES)
    same = [
        one.mask.intersection(other.mask).area
        for one in exact
        for other in close
        if one.label == other.label and one.mask and other.mask
    ]
    assert sum(same) > 0.95 * 512 * 512
    assert exact != close


def test_a_missing_weight_is_no_random_number(folder: Path, tmp_path: Path) -> None:
    drop_a_weight(folder, tmp_path / "broken", "classifier")
    with pytest.raises(MissingWeights, match="classifier"):
        SegformerFinder(weights=tmp_path / "broken", device="cpu")


def test_a_folder_without_a_processor_is_named(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(MissingWeights, match="lacks a file"):
        SegformerFinder(weights=tmp_path, device="cpu")
