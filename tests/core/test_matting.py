"""The matte stage: what it may touch, and how the alpha follows the mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.images import Image
from premask.masks import Alpha, Mask
from premask.matting import matte_objects, matte_subjects, refine_subjects
from premask.models.pool import ModelPool
from premask.recipes import Matte
from premask.refine import Refine, grow

PHOTO = Image.from_rgb(np.full((60, 80, 3), 7, np.uint8), name="photo")
SETTINGS = Matte(model="u2netp", reach=0.1)


class Painter:
    """A matter that paints what it is told, whatever it sees, and remembers what it saw."""

    def __init__(self, alpha: Alpha | int) -> None:
        self.alpha = alpha
        self.seen: list[tuple[Image, Mask | None]] = []

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: Any
    ) -> list[Alpha]:
        self.seen += zip(images, masks, strict=True)
        return [np.full(image.size_hw, self.alpha, np.uint8) for image in images]


class PoolOf(ModelPool):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def get(self, name: str) -> Any:
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


def test_a_matte_stays_in_the_reach_of_its_own_object() -> None:
    one, other = square(10, 10, 30, 30), square(60, 40, 70, 50)
    matted = matte_objects(PHOTO, (thing(one), thing(other)), SETTINGS, PoolOf(Painter(200)))
    for annotation, mask, reach in zip(matted, (one, other), (2, 1), strict=True):
        allowed = grow(mask, reach)
        assert np.array_equal(alpha_of(annotation) == 200, allowed.to_array())
        assert annotation.mask == allowed
        assert annotation.box_xyxy == allowed.box_xyxy
        assert annotation.source == ("finder", "u2netp")


def test_the_model_sees_the_crop_and_the_mask_in_it() -> None:
    painter, mask = Painter(255), square(10, 10, 30, 30)
    matte_objects(PHOTO, (thing(mask),), SETTINGS, PoolOf(painter))
    ((image, own),) = painter.seen
    assert image.size_hw == (30, 30)
    assert own is not None
    assert own.box_xyxy == (5, 5, 25, 25)


def test_objects_without_a_mask_pass_and_equal_masks_are_matted_once() -> None:
    painter = Painter(255)
    box = Annotation(label="box", box_xyxy=(0, 0, 5, 5))
    empty = thing(Mask.empty(PHOTO.size_hw))
    twin = thing(square(1, 1, 9, 9))
    matted = matte_objects(PHOTO, (box, empty, twin, twin), SETTINGS, PoolOf(painter))
    assert matted[:2] == (box, empty)
    assert matted[2] == matted[3] != twin
    assert len(painter.seen) == 1


def subject(alpha: NDArray[np.uint8]) -> Annotation:
    ((found,),) = matte_subjects([PHOTO], SETTINGS, PoolOf(Painter(alpha)))
    return found


def test_no_alpha_is_no_subject() -> None:
    assert matte_subjects([PHOTO], SETTINGS, PoolOf(Painter(0))) == [()]


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
