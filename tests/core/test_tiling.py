"""An object comes out once, and whole, however the seams lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from premask.annotations import Annotation
from premask.geometry import Box
from premask.images import Image
from premask.masks import Mask
from premask.prompts import Prompts
from premask.recipes.recipe import recipe_of
from premask.recipes.tiling import Sighting, Tiling, look_in_tiles, merged, tiles
from premask.runs.pipeline import label

TILING = Tiling(side=100, overlap=0.25, whole=False)


def picture(*boxes: tuple[int, int, int, int], size_hw: tuple[int, int] = (300, 400)) -> Image:
    rgb = np.zeros((*size_hw, 3), np.uint8)
    for shade, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        rgb[y0:y1, x0:x1] = 50 * shade
    return Image.from_rgb(rgb, name="picture", digest="picture")


def bright_parts(
    images: Sequence[Image], prompts: Sequence[Prompts], *, masks: bool = True
) -> list[tuple[Annotation, ...]]:
    """A perfect model: each connected part of one brightness is one object."""
    return [tuple(_parts(image.rgb[..., 0], masks)) for image in images]


def _parts(shades: NDArray[np.uint8], masks: bool) -> list[Annotation]:
    found = []
    for shade in np.unique(shades[shades > 0]):
        parts, count = ndimage.label(shades == shade)
        for number in range(1, count + 1):
            mask = Mask.from_array(parts == number)
            found.append(
                Annotation(
                    label="part",
                    box_xyxy=mask.box_xyxy,
                    score=float(shade) / 255,
                    mask=mask if masks else None,
                )
            )
    return found


def boxes_only(images: Sequence[Image], prompts: Sequence[Prompts]) -> list[tuple[Annotation, ...]]:
    return bright_parts(images, prompts, masks=False)


def looked(image: Image, tiling: Tiling = TILING, *, masks: bool = True) -> list[Box]:
    look = bright_parts if masks else boxes_only
    return sorted(found.box_xyxy for found in look_in_tiles(image, Prompts(), tiling, look))


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 20, 20),  # in one tile
        (80, 10, 90, 20),  # in the overlap of two
        (60, 60, 140, 140),  # across four
        (5, 5, 395, 295),  # across all
        (0, 0, 400, 300),  # the whole image
        (98, 98, 101, 101),  # small, on a corner of the first tile
    ],
)
def test_an_object_comes_out_once_and_whole(box: tuple[int, int, int, int], masks: bool) -> None:
    assert looked(picture(box), masks=masks) == [box]


def test_the_mask_of_an_object_across_tiles_is_exact() -> None:
    image = picture((60, 60, 140, 140))
    (found,) = look_in_tiles(image, Prompts(), TILING, bright_parts)
    assert found.mask == Mask.from_array(image.rgb[..., 0] > 0)


def test_neighbors_stay_apart() -> None:
    boxes = [(60, 60, 95, 140), (95, 60, 140, 140)]
    assert looked(picture(*boxes)) == boxes


def test_the_closest_view_that_saw_all_of_it_shapes_the_object() -> None:
    size_hw, box = (100, 200), (10, 10, 30, 30)
    fine = np.zeros(size_hw, np.bool_)
    fine[10:30, 10:30] = True
    coarse = fine.copy()
    coarse[8:32, 8:32] = True
    sightings = [
        Sighting(annotation=_annotation(coarse, 0.9), view=(0, 0, 200, 100)),
        Sighting(annotation=_annotation(fine, 0.8), view=(0, 0, 100, 100)),
    ]
    (found,) = merged(sightings, size_hw)
    assert (found.box_xyxy, found.score) == (box, 0.8)


def test_a_part_seen_in_a_tile_does_not_swallow_the_whole() -> None:
    """A wheel is no car: where both were looked for, they cover different pixels."""
    car, wheel = np.zeros((100, 200), np.bool_), np.zeros((100, 200), np.bool_)
    car[20:90, 10:190] = True
    wheel[70:90, 20:40] = True
    sightings = [
        Sighting(annotation=_annotation(car, 0.9), view=(0, 0, 200, 100)),
        Sighting(annotation=_annotation(wheel, 0.8), view=(0, 0, 100, 100)),
    ]
    assert len(merged(sightings, (100, 200))) == 2


def test_two_objects_that_one_view_tells_apart_are_two() -> None:
    box = (10.0, 10.0, 30.0, 30.0)
    same = Annotation(label="x", box_xyxy=box)
    sightings = [Sighting(annotation=same, view=(0, 0, 100, 100))] * 2
    assert len(merged(sightings, (100, 100))) == 2


def test_the_views_cover_the_image_with_their_overlap() -> None:
    seen = np.zeros((333, 517), np.int64)
    views = list(tiles((333, 517), TILING))
    for x0, y0, x1, y1 in views:
        assert (x1 - x0, y1 - y0) == (100, 100)
        seen[y0:y1, x0:x1] += 1
    assert seen.min() == 1
    starts = sorted({view[0] for view in views})
    assert max(np.diff(starts)) <= 75


def test_a_small_image_is_seen_as_a_whole() -> None:
    assert list(tiles((60, 90), TILING)) == [(0, 0, 90, 60)]
    assert list(tiles((60, 90), Tiling(side=100, overlap=0, whole=True))) == [(0, 0, 90, 60)]


def _annotation(pixels: NDArray[np.bool_], score: float) -> Annotation:
    mask = Mask.from_array(pixels)
    return Annotation(label="thing", box_xyxy=mask.box_xyxy, score=score, mask=mask)


def test_a_small_face_in_a_large_photo_is_found_in_its_tile(astronaut: NDArray[np.uint8]) -> None:
    size, at = 190, (820, 610)
    face = np.asarray(PIL.Image.fromarray(astronaut).resize((size, size)))
    photo = np.full((1400, 1400, 3), 127, np.uint8)
    photo[at[1] : at[1] + size, at[0] : at[0] + size] = face
    recipe = recipe_of("faces")
    (without,) = label([photo], recipe)
    (within,) = label([photo], recipe.with_settings({"find.tile": 400}))
    assert without.annotations == ()
    (found,) = within.annotations
    x0, y0, x1, y1 = found.box_xyxy
    scale = size / 512
    assert 150 * scale < x0 - at[0] < x1 - at[0] < 300 * scale
    assert 40 * scale < y0 - at[1] < y1 - at[1] < 250 * scale
    assert found.mask is not None
    assert found.mask.size_hw == (1400, 1400)


SHAPES = {
    "disc": lambda u, v: u**2 + v**2 < 1,
    "diamond": lambda u, v: abs(u) + abs(v) < 1,
    "bar": lambda u, v: (abs(u) < 1) & (abs(v) < 0.2),
}


def shape(kind: str, x: float, y: float, size: float, turn: float) -> NDArray[np.bool_]:
    """One object of any kind in an image of 300 x 400."""
    down, across = np.mgrid[:300, :400]
    u = (across - x) * np.cos(turn) + (down - y) * np.sin(turn)
    v = (down - y) * np.cos(turn) - (across - x) * np.sin(turn)
    return np.asarray(SHAPES[kind](u / size, v / size), np.bool_)


def picture_of(*shapes: NDArray[np.bool_]) -> Image:
    bright = np.any(shapes, axis=0).astype(np.uint8) * 255
    return Image.from_rgb(np.stack([bright] * 3, axis=-1), name="shapes")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", list(SHAPES))
def test_the_box_of_an_object_of_any_shape_comes_out_once(kind: str, whole: bool) -> None:
    """The box of what a tile sees of it may be far from what the tile sees of the whole box."""
    tiling, random = Tiling(side=100, overlap=0.25, whole=whole), np.random.default_rng(0)
    for _ in range(12):
        x, y = random.uniform(0, 400), random.uniform(0, 300)
        pixels = shape(kind, x, y, random.uniform(8, 90), random.uniform(0, np.pi))
        rows, columns = np.nonzero(pixels)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert looked(picture_of(pixels), tiling, masks=False) == [box]


def test_round_neighbors_stay_two_where_a_view_tells_them_apart() -> None:
    """The smaller one lies in the box of the larger one, and a tile cuts it off."""
    random = np.random.default_rng(1)
    for _ in range(12):
        x, y = random.uniform(90, 310), random.uniform(90, 210)
        large = shape("disc", x, y, 80, 0)
        turn = random.choice([1, 3, 5, 7]) * np.pi / 4
        small = shape("disc", x + 95 * np.cos(turn), y + 95 * np.sin(turn), 12, 0)
        assert len(looked(picture_of(large, small), TILING, masks=False)) == 2
