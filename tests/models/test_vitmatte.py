"""ViTMatte: the library's own steps within the band, and exactly the mask beyond it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from transformers import VitMatteForImageMatting, VitMatteImageProcessor

from premask.errors import MissingWeights, UnsupportedPrompt
from premask.images import Image
from premask.masks import Mask
from premask.models.families.vitmatte import VitMatteMatter
from premask.models.families.vitmatte import _shrunk as shrunk
from premask.models.options import VitMatteOptions
from premask.models.parts.trimap import core
from tests.models.detector_checks import drop_a_weight, photos
from tests.tiny_models import vitmatte as tiny

BAND = VitMatteOptions(band_pixels=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vitmatte")
    tiny.build(folder)
    return folder


@pytest.fixture(scope="module")
def matter(folder: Path) -> VitMatteMatter:
    return VitMatteMatter(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def disc(size_hw: tuple[int, int], center_xy: tuple[int, int], radius: float) -> Mask:
    y, x = np.ogrid[: size_hw[0], : size_hw[1]]
    return Mask.from_array((x - center_xy[0]) ** 2 + (y - center_xy[1]) ** 2 <= radius**2)


def trimap_of(mask: NDArray[np.bool_], radius: float) -> NDArray[np.uint8]:
    trimap = np.full(mask.shape, 128, np.uint8)
    trimap[core(mask, radius)], trimap[core(~mask, radius)] = 255, 0
    return trimap


def documented(
    folder: Path, rgb: NDArray[np.uint8], trimap: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Alpha (h, w), 0 to 1, as the library's own example gets it, without the padding."""
    model = VitMatteForImageMatting.from_pretrained(folder)
    processor = VitMatteImageProcessor.from_pretrained(folder)
    pictures = PIL.Image.fromarray(rgb), PIL.Image.fromarray(trimap)
    inputs = processor(images=pictures[0], trimaps=pictures[1], return_tensors="pt")
    with torch.no_grad():
        alphas = model(**inputs).alphas
    return np.asarray(alphas[0, 0, : rgb.shape[0], : rgb.shape[1]])


@pytest.mark.parametrize("center_xy", [(250, 260), (480, 500)])
def test_the_band_is_what_the_library_says(
    folder: Path, matter: VitMatteMatter, images: list[Image], center_xy: tuple[int, int]
) -> None:
    """On a crop around the object, with odd sides, and at the image's corner."""
    mask = disc((512, 512), center_xy, 60)
    (alpha,) = matter.matte(images[:1], [mask], BAND)
    x0, y0, x1, y1 = mask.box_xyxy
    margin = max(math.ceil(0.15 * max(x1 - x0, y1 - y0)), 2 * 12 + 2)
    x0, y0, x1, y1 = x0 - margin, y0 - margin, min(512, x1 + margin), min(512, y1 + margin)
    view = slice(y0, y1), slice(x0, x1)
    trimap = trimap_of(mask.to_array()[view], 12)
    expected = documented(folder, np.ascontiguousarray(images[0].rgb[view]), trimap)
    unknown = trimap == 128
    assert expected[unknown].std() > 0.03
    np.testing.assert_allclose(alpha[view][unknown], expected[unknown] * 255, atol=0.51)


def test_beyond_the_band_alpha_is_the_mask(matter: VitMatteMatter, images: list[Image]) -> None:
    mask = disc((512, 512), (250, 260), 60)
    (alpha,) = matter.matte(images[:1], [mask], BAND)
    pixels = mask.to_array()
    inside, outside = core(pixels, 12), core(~pixels, 12)
    assert set(np.unique(alpha[inside])) == {255}
    assert set(np.unique(alpha[outside])) == {0}
    soft = alpha[~(inside | outside)]
    assert ((soft > 0) & (soft < 255)).any()


@pytest.mark.parametrize("longest_side", [64, 100])
def test_large_objects_are_seen_smaller_and_stay_exact_beyond_the_band(
    folder: Path, matter: VitMatteMatter, images: list[Image], longest_side: int
) -> None:
    mask = disc((512, 512), (250, 260), 100)
    options = VitMatteOptions(band_pixels=20, longest_side=longest_side)
    (alpha,) = matter.matte(images[:1], [mask], options)
    (whole,) = matter.matte(images[:1], [mask], VitMatteOptions(band_pixels=20))
    pixels = mask.to_array()
    inside, outside = core(pixels, 20), core(~pixels, 20)
    assert set(np.unique(alpha[inside])) == {255}
    assert set(np.unique(alpha[outside])) == {0}
    assert not np.array_equal(alpha, whole)
    assert ((alpha > 0) & (alpha < 255)).any()


def test_what_hides_something_unknown_is_unknown() -> None:
    trimap = np.zeros((12, 12), np.uint8)
    trimap[:, 6:], trimap[4, 4], trimap[9, 10] = 255, 128, 128
    _, small = shrunk(np.zeros((12, 12, 3), np.uint8), trimap, 6)
    for y, x in np.ndindex(6, 6):
        hidden = np.unique(trimap[2 * y : 2 * y + 2, 2 * x : 2 * x + 2])
        assert small[y, x] == 128 or hidden.tolist() == [small[y, x]]
    assert {0, 128, 255} == set(np.unique(small))


def test_the_band_may_be_wider_than_the_object(matter: VitMatteMatter, images: list[Image]) -> None:
    (alpha,) = matter.matte(images[:1], [disc((512, 512), (250, 260), 6)], BAND)
    distance = np.hypot(*(np.mgrid[:512, :512] - np.array([260, 250])[:, None, None]))
    assert (alpha[(distance > 14) & (distance < 17)] > 0).all()
    assert not alpha[distance > 6 + 12 + 1].any()


def test_the_band_can_follow_the_objects_size(matter: VitMatteMatter, images: list[Image]) -> None:
    small, large = disc((512, 512), (250, 260), 20), disc((512, 512), (250, 260), 80)
    widths = []
    for mask in (small, large):
        (alpha,) = matter.matte(images[:1], [mask], VitMatteOptions(band=0.1))
        across = alpha[260]
        widths.append(int(((across > 0) & (across < 255)).sum()))
    # A tenth of the square root of the area, on both sides of two edges.
    assert widths == pytest.approx([4 * 3.5, 4 * 14], abs=4)


def test_different_sizes_in_one_batch_do_not_mix(
    matter: VitMatteMatter, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU has it: crops that are padded to one size share the network."""
    masks = [disc(image.size_hw, (120, 100), 30 + 5 * index) for index, image in enumerate(images)]
    masks[1] = Mask.empty(images[1].size_hw)
    masks[3] = masks[3].union(masks[3].inverted())
    monkeypatch.setattr(matter, "_at_once", 3)
    together = matter.matte(images, masks, BAND)
    monkeypatch.setattr(matter, "_at_once", 1)
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        (alone,) = matter.matte([image], [mask], BAND)
        np.testing.assert_allclose(together[index].astype(int), alone, atol=1)
        assert alone.shape == image.size_hw
    assert not together[1].any()
    assert (together[3] == 255).all()


def test_another_image_gives_another_edge(matter: VitMatteMatter, images: list[Image]) -> None:
    mask = disc((512, 512), (250, 260), 60)
    one, other = matter.matte(images[:2], [mask, mask], BAND)
    assert not np.array_equal(one, other)


def test_without_a_mask_there_is_no_edge(matter: VitMatteMatter, images: list[Image]) -> None:
    with pytest.raises(UnsupportedPrompt, match="softens the edge of a mask, and there is none"):
        matter.matte(images[:1], [None], BAND)


def test_a_missing_weight_is_no_random_number(folder: Path, tmp_path: Path) -> None:
    drop_a_weight(folder, tmp_path / "broken", "matting_head")
    with pytest.raises(MissingWeights, match="matting_head"):
        VitMatteMatter(weights=tmp_path / "broken", device="cpu")
