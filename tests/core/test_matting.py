"""The matte stage: what it may touch, and how the alpha follows the mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.images import Image
from premask.masks import Alpha, Mask
from premask.models.parts.salient_subject import subject_hints
from premask.models.pool import ModelPool
from premask.recipes.matting import matte_objects, matte_subjects, refine_subjects
from premask.recipes.stage_settings import MatteStage
from premask.shaping.morphology import grow, shrink
from premask.shaping.refine import Refine

PHOTO = Image.from_rgb(np.full((60, 80, 3), 7, np.uint8), name="photo")
SETTINGS = MatteStage(model="u2netp", reach=0.1)


class Painter:
    """A matter that paints what it is told, whatever it sees, and remembers what it saw."""

    def __init__(self, alpha: Alpha | int) -> None:
        self.alpha = alpha
        self.seen: list[tuple[Image, Mask | None]] = []
        self.calls = 0

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: Any
    ) -> list[Alpha]:
        self.seen += zip(images, masks, strict=True)
        self.calls += 1
        return [np.full(image.size_hw, self.alpha, np.uint8) for image in images]


class PoolOf(ModelPool):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def load(self, name: str) -> object:
        return self.model


def square(x0: int, y0: int, x1: int, y1: int) -> Mask:
    pixels = np.zeros(PHOTO.size_hw, np.bool_)
    pixels[y0:y1, x0:x1] = True
    return Mask.from_array(pixels)


def thing(mask: Mask) -> Annotation:
    return Annotation(label="thing", box_xyxy=mask.box_xyxy, mask=mask, source=("finder",))


def alpha_of(annotation: Annotation) -> NDArray[np.uint8]:
    assert annotation.matte is not None
    return annotation.matte.to_array()


def matted_by(painter: Painter, *annotations: Annotation) -> tuple[Annotation, ...]:
    (matted,) = matte_objects([PHOTO], [annotations], SETTINGS, PoolOf(painter))
    return matted


def test_a_matte_stays_in_the_reach_of_its_own_object() -> None:
    one, other = square(10, 10, 30, 30), square(60, 40, 70, 50)
    matted = matted_by(Painter(200), thing(one), thing(other))
    for annotation, mask, reach in zip(matted, (one, other), (2, 1), strict=True):
        allowed, sure = grow(mask, reach), shrink(mask, reach)
        expected = np.where(allowed.to_array(), 200, 0)
        assert np.array_equal(alpha_of(annotation), np.where(sure.to_array(), 255, expected))
        assert annotation.mask == allowed
        assert annotation.box_xyxy == allowed.box_xyxy
        assert annotation.source == ("finder", "u2netp")


def test_a_model_that_sees_nothing_takes_no_more_than_the_edge() -> None:
    mask = square(10, 10, 30, 30)
    (matted,) = matted_by(Painter(0), thing(mask))
    assert matted.mask == shrink(mask, 2) == square(12, 12, 28, 28)


def test_a_reach_of_0_leaves_the_mask_as_it_is() -> None:
    mask, settings = square(10, 10, 30, 30), MatteStage(model="u2netp", reach=0)
    ((matted,),) = matte_objects([PHOTO], [(thing(mask),)], settings, PoolOf(Painter(99)))
    assert np.array_equal(alpha_of(matted), mask.to_array() * np.uint8(255))


def test_the_reach_is_never_cut_off_by_the_crop() -> None:
    mask, settings = square(30, 20, 40, 30), MatteStage(model="u2netp", reach=1)
    ((matted,),) = matte_objects([PHOTO], [(thing(mask),)], settings, PoolOf(Painter(255)))
    assert matted.mask == grow(mask, 10)


def test_the_model_sees_the_crop_and_the_mask_in_it() -> None:
    painter = Painter(255)
    matted_by(painter, thing(square(10, 10, 30, 30)))
    ((image, own),) = painter.seen
    assert image.size_hw == (30, 30)
    assert own is not None
    assert own.box_xyxy == (5, 5, 25, 25)


def test_objects_without_a_mask_pass_and_equal_masks_are_matted_once() -> None:
    painter = Painter(255)
    box = Annotation(label="box", box_xyxy=(0, 0, 5, 5))
    empty = thing(Mask.empty(PHOTO.size_hw))
    twin = thing(square(1, 1, 9, 9))
    matted = matted_by(painter, box, empty, twin, twin)
    assert matted[:2] == (box, empty)
    assert matted[2] == matted[3] != twin
    assert len(painter.seen) == 1


def test_the_objects_of_all_images_go_to_the_model_in_one_call() -> None:
    painter = Painter(255)
    found = [(thing(square(1, 1, 9, 9)),), (), (thing(square(30, 9, 50, 40)),) * 2]
    one, none, two = matte_objects([PHOTO] * 3, found, SETTINGS, PoolOf(painter))
    assert painter.calls == 1
    assert [annotation.mask for annotation in one + two] == [
        grow(square(1, 1, 9, 9), 1),
        *[grow(square(30, 9, 50, 40), 2)] * 2,
    ]
    assert none == ()


def subject(alpha: NDArray[np.uint8]) -> Annotation:
    ((found,),) = matte_subjects([PHOTO], SETTINGS, PoolOf(Painter(alpha)))
    return found


def test_no_alpha_is_no_subject() -> None:
    assert matte_subjects([PHOTO], SETTINGS, PoolOf(Painter(0))) == [()]


def test_a_subject_like_glass_is_kept() -> None:
    """It stays below the threshold all over."""
    alpha = np.zeros(PHOTO.size_hw, np.uint8)
    alpha[10:40, 10:40], alpha[5:10, 10:40] = 100, 30
    found = subject(alpha)
    assert found.mask == square(10, 10, 40, 40)
    assert found.box_xyxy == (10, 10, 40, 40)
    (refined,) = refine_subjects((found,), SETTINGS, Refine())
    assert np.array_equal(alpha_of(refined), alpha)
    # Where anything reaches it, the threshold decides.
    alpha[0, 0] = 128
    assert subject(alpha).mask == square(0, 0, 1, 1)


def test_a_subject_like_glass_is_found_for_other_stages_too() -> None:
    alpha = np.zeros(PHOTO.size_hw, np.uint8)
    alpha[10:40, 10:40], alpha[5:10, 10:40] = 100, 30
    (hint,) = subject_hints(alpha)
    assert (hint.mask, hint.box_xyxy) == (square(10, 10, 40, 40), (10, 10, 40, 40))
    alpha[0, 0] = 128
    (hint,) = subject_hints(alpha)
    assert hint.mask == square(0, 0, 1, 1)
    assert subject_hints(np.full((8, 8), 12, np.uint8)) == []
    assert len(subject_hints(np.full((8, 8), 13, np.uint8))) == 1


def test_what_networks_see_in_every_image_is_no_subject() -> None:
    assert matte_subjects([PHOTO], SETTINGS, PoolOf(Painter(12))) == [()]
    assert len(matte_subjects([PHOTO], SETTINGS, PoolOf(Painter(13)))[0]) == 1


def soft_square_and_speck() -> NDArray[np.uint8]:
    alpha = np.zeros(PHOTO.size_hw, np.uint8)
    alpha[10:40, 10:40] = 90
    alpha[11:39, 11:39] = 255
    alpha[20, 20] = 0
    alpha[49:54, 69:74] = 60
    alpha[50:53, 70:73] = 220
    return alpha


def test_the_alpha_follows_the_refined_mask() -> None:
    before = soft_square_and_speck()
    settings = Refine(largest_part=True, fill_holes=1)
    (refined,) = refine_subjects((subject(before),), SETTINGS, settings)
    expected = before.copy()
    expected[49:54, 69:74] = 0
    expected[20, 20] = 255
    assert np.array_equal(alpha_of(refined), expected)
    assert refined.mask == square(11, 11, 39, 39)


def test_an_unrefined_subject_keeps_its_alpha() -> None:
    found = subject(soft_square_and_speck())
    assert refine_subjects((found,), SETTINGS, Refine()) == (found,)


def test_a_grown_mask_is_opaque_and_a_shrunk_one_ends() -> None:
    found = subject(soft_square_and_speck())
    for pixels in (3, -3):
        (refined,) = refine_subjects((found,), SETTINGS, Refine(grow=pixels))
        assert refined.matte is not None
        assert refined.mask == refined.matte.mask()
        assert refined.mask.area != (found.mask.area if found.mask else 0)
