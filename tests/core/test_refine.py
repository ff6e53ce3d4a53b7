from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.masks import Mask, Matte
from premask.shaping.morphology import (
    clipped,
    closed,
    drop_small_parts,
    feathered,
    fill_holes,
    grow,
    largest_part,
    opened,
    parts,
    shrink,
    smoothed,
    without_overlaps,
)
from premask.shaping.refine import Refine, refine

Pixels = NDArray[np.bool_]

RADII = (1, 2, 3, 5, 14)


def disc(radius: int) -> Pixels:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(rows**2 + columns**2 <= radius**2)


def drawn(*rows: str) -> Mask:
    return Mask.from_array([[character == "#" for character in row] for row in rows])


def square(x0: int, y0: int, x1: int, y1: int, size_hw: tuple[int, int] = (20, 20)) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0), size_hw)


def object_of(mask: Mask | None, score: float | None = None) -> Annotation:
    box = (3.0, 3.0, 9.0, 9.0) if mask is None else mask.box_xyxy
    return Annotation(label="thing", box_xyxy=box, score=score, mask=mask)


def refined_mask(mask: Mask, settings: Refine) -> Mask:
    (annotation,) = refine([object_of(mask)], settings)
    assert annotation.mask is not None
    return annotation.mask


def adversarial_masks() -> dict[str, Pixels]:
    chance = np.random.default_rng(7)
    size = (37, 53)
    masks = {
        "empty": np.zeros(size, np.bool_),
        "full": np.ones(size, np.bool_),
        "sparse": chance.random(size) < 0.01,
        "noise": chance.random(size) < 0.5,
        "dense": chance.random(size) < 0.98,
    }
    for name, (row, column) in {
        "one pixel": (17, 20),
        "first pixel": (0, 0),
        "last pixel": (36, 52),
        "left border": (17, 0),
        "lower border": (36, 20),
    }.items():
        masks[name] = np.zeros(size, np.bool_)
        masks[name][row, column] = True
    masks["frame"] = np.ones(size, np.bool_)
    masks["frame"][4:-4, 4:-4] = False
    masks["inner"] = ~masks["frame"]
    masks["blobs"] = ndimage.gaussian_filter(chance.random(size), 3) > 0.5
    masks["spotted"] = masks["blobs"] ^ (chance.random(size) < 0.05)
    masks["one row"] = chance.random((1, 40)) < 0.4
    masks["one column"] = chance.random((40, 1)) < 0.4
    return masks


ADVERSARIAL = adversarial_masks()

small_masks = arrays(
    np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.booleans()
).map(Mask.from_array)


def is_inside(mask: Mask, other: Mask) -> bool:
    return mask.intersection(other) == mask


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_each_disc_operation_agrees_with_brute_force(name: str, radius: int) -> None:
    pixels, element = ADVERSARIAL[name], disc(radius)
    padded = np.pad(pixels, radius)
    inner = (slice(radius, -radius),) * 2
    eroded = ndimage.binary_erosion(pixels, element, border_value=1)
    expected = {
        grow: ndimage.binary_dilation(pixels, element),
        shrink: eroded,
        opened: ndimage.binary_dilation(eroded, element),
        closed: ndimage.binary_erosion(
            ndimage.binary_dilation(padded, element), element, border_value=1
        )[inner],
    }
    mask = Mask.from_array(pixels)
    for operation, wanted in expected.items():
        assert operation(mask, radius) == Mask.from_array(wanted), operation.__name__


@pytest.mark.parametrize(
    ("pixels", "expected"), [(1, (6, 6, 14, 14)), (4, (3, 3, 17, 17)), (-2, (9, 9, 11, 11))]
)
def test_growing_by_n_moves_each_edge_by_n_pixels(
    pixels: int, expected: tuple[int, int, int, int]
) -> None:
    assert grow(square(7, 7, 13, 13), pixels).box_xyxy == expected


def test_growing_by_500_is_500_pixels_and_not_its_square() -> None:
    grown = grow(square(1500, 700, 1501, 701, (1400, 3000)), 500)
    assert grown.box_xyxy == (1000, 200, 2001, 1201)
    assert grown.area == disc(500).sum()


@pytest.mark.parametrize("radius", [1, 37])
@pytest.mark.parametrize("side", [89, 90, 91, 125, 126, 127, 32728, 32729, 32730, 32767, 40000])
def test_no_size_is_too_large_for_the_numbers(side: int, radius: int) -> None:
    pixels = np.ones((side, 3), np.bool_)
    pixels[0, 0] = pixels[side // 2, 1] = False
    near_background = ndimage.distance_transform_edt(pixels) <= radius
    for upright in (True, False):
        mask = Mask.from_array(pixels if upright else pixels.T)
        expected = Mask.from_array(near_background if upright else near_background.T)
        assert shrink(mask, radius) == expected.inverted()


def test_closing_does_not_weld_an_object_to_the_border() -> None:
    near_the_border = square(3, 3, 10, 10)
    assert closed(near_the_border, 5) == near_the_border


def test_shrinking_leaves_the_image_border_alone() -> None:
    assert shrink(square(0, 5, 20, 20), 3) == square(0, 8, 20, 20)


def test_fill_holes_goes_by_size() -> None:
    mask = drawn(
        "##########",
        "#.####..##",
        "########..",
        "###...####",
        "###...####",
        "##########",
    )
    filled = drawn(
        "##########",
        "######..##",
        "########..",
        "###...####",
        "###...####",
        "##########",
    )
    assert fill_holes(mask, 1) == filled
    assert fill_holes(mask, 5).area == 60 - 4 - 6 + 2
    assert fill_holes(mask, 6).area == 60 - 2
    assert fill_holes(mask).area == 60 - 2
    assert fill_holes(mask, 0) == mask


def test_a_hole_behind_a_diagonal_line_is_closed() -> None:
    diamond = drawn(".#.", "#.#", ".#.")
    assert fill_holes(diamond) == drawn(".#.", "###", ".#.")
    assert parts(diamond) == [diamond]


def test_background_at_the_border_is_no_hole() -> None:
    assert fill_holes(drawn("##.##", "#...#", "#####")) == drawn("##.##", "#...#", "#####")


def test_parts_come_topmost_first() -> None:
    mask = drawn(
        "....#.",
        "#...#.",
        "#.....",
        "...#..",
    )
    assert [part.box_xyxy for part in parts(mask)] == [(4, 0, 5, 2), (0, 1, 1, 3), (3, 3, 4, 4)]


def test_small_parts_are_dropped_and_the_largest_kept() -> None:
    mask = drawn(
        "##.#.",
        "##...",
        "....#",
        "...#.",
    )
    assert drop_small_parts(mask, 2) == drawn("##...", "##...", "....#", "...#.")
    assert drop_small_parts(mask, 3) == drawn("##...", "##...", ".....", ".....")
    assert largest_part(mask) == drawn("##...", "##...", ".....", ".....")


def test_of_parts_of_one_size_the_topmost_is_the_largest() -> None:
    assert largest_part(drawn("....", ".#.#", "....", "#...")) == drawn(
        "....", ".#..", "....", "...."
    )


@pytest.mark.parametrize("pixels", [1, 2, 7, 20])
def test_smoothing_keeps_straight_edges_in_place(pixels: int) -> None:
    rows, columns = np.mgrid[:60, :80]
    for half in (rows < 31, columns >= 17, rows + columns <= 60):
        smooth = smoothed(Mask.from_array(half), pixels).to_array()
        middle = (slice(20, 40), slice(20, 60))
        assert np.array_equal(smooth[middle], half[middle])
    assert smoothed(Mask.from_array(rows < 31), pixels) == Mask.from_array(rows < 31)


@pytest.mark.parametrize("radius", [1, 3, 6])
@pytest.mark.parametrize("name", ["spotted", "blobs", "inner", "one row"])
def test_smoothing_is_a_vote_with_gaussian_weights(name: str, radius: int) -> None:
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / (radius / 2)) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    vote = ndimage.correlate(ADVERSARIAL[name].astype(float), kernel, mode="nearest")
    assert np.abs(vote - 0.5).min() > 1e-5, "a tie proves nothing"
    assert smoothed(Mask.from_array(ADVERSARIAL[name]), radius) == Mask.from_array(vote > 0.5)


def test_smoothing_drops_specks_and_fills_pinholes() -> None:
    pixels = square(20, 20, 60, 60, (80, 80)).to_array()
    pixels[40, 40] = False
    pixels[5, 5] = True
    smooth = smoothed(Mask.from_array(pixels), 3).to_array()
    assert smooth[40, 40]
    assert not smooth[5, 5]
    assert not smooth[20, 20]  # a corner is rounded off
    assert smooth[20, 40]


def test_clipping_drops_what_the_box_does_not_touch() -> None:
    assert clipped(square(2, 2, 18, 18), (4.5, 6.0, 9.1, 30.0)) == square(4, 6, 10, 18)


def test_a_contested_pixel_goes_to_the_first_in_order() -> None:
    left, right, all_over = square(0, 0, 8, 8), square(4, 0, 12, 8), square(0, 0, 20, 20)
    disjoint = without_overlaps([all_over, left, right], [1, 2, 0])
    assert disjoint == [all_over.difference(left, right), left, square(8, 0, 12, 8)]


def test_masks_of_different_images_can_not_contest() -> None:
    with pytest.raises(InvalidMask, match="one image at a time"):
        without_overlaps([square(0, 0, 1, 1), square(0, 0, 1, 1, (5, 5))], [0, 1])


@pytest.mark.parametrize("pixels", [0.0, 0.5, 1.0, 4.0, 9.5, 500.0])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_mask_of_a_feathered_edge_is_the_mask(name: str, pixels: float) -> None:
    mask = Mask.from_array(ADVERSARIAL[name])
    assert feathered(mask, pixels).mask() == mask


def test_a_feathered_edge_is_a_ramp_of_its_width() -> None:
    alpha = feathered(square(0, 0, 10, 20), 4).to_array()[10]
    assert alpha.tolist() == [255] * 8 + [223, 159, 96, 32] + [0] * 8
    assert feathered(square(0, 0, 10, 20), 0) == Matte.from_array(
        square(0, 0, 10, 20).to_array() * np.uint8(255)
    )


def test_the_border_of_the_image_is_no_edge() -> None:
    assert feathered(square(0, 0, 20, 20), 9).to_array().min() == 255


def test_a_feathered_edge_does_not_end_at_the_box() -> None:
    mask = square(9, 9, 10, 10, (19, 19))
    rows, columns = np.ogrid[-9:10, -9:10]
    distance = np.sqrt(rows**2 + columns**2)
    ramp = np.rint(255 * np.clip(0.5 - (distance - 0.5) / 10, 0, 1)).astype(np.uint8)
    ramp[9, 9] = round(255 * (0.5 + 0.5 / 10))
    assert np.array_equal(feathered(mask, 10).to_array(), ramp)


@hypothesis_settings(deadline=None)
@given(small_masks, st.integers(0, 6), st.integers(0, 6))
def test_growing_twice_stays_within_growing_once(mask: Mask, one: int, two: int) -> None:
    assert is_inside(grow(grow(mask, one), two), grow(mask, one + two))
    assert is_inside(mask, grow(mask, one))


@hypothesis_settings(deadline=None)
@given(small_masks, st.integers(0, 8))
def test_shrinking_is_growing_the_background(mask: Mask, pixels: int) -> None:
    assert shrink(mask, pixels) == grow(mask.inverted(), pixels).inverted() == grow(mask, -pixels)


@hypothesis_settings(deadline=None)
@given(small_masks, st.integers(0, 6))
def test_opening_and_closing_twice_is_doing_it_once(mask: Mask, pixels: int) -> None:
    for operation, bigger in ((opened, False), (closed, True)):
        once = operation(mask, pixels)
        assert operation(once, pixels) == once
        assert is_inside(mask, once) if bigger else is_inside(once, mask)


@hypothesis_settings(deadline=None)
@given(small_masks)
def test_filling_leaves_no_hole(mask: Mask) -> None:
    filled = fill_holes(mask)
    assert filled == Mask.from_array(ndimage.binary_fill_holes(mask.to_array()))
    assert fill_holes(filled) == filled


@hypothesis_settings(deadline=None)
@given(small_masks)
def test_parts_are_the_mask_taken_apart(mask: Mask) -> None:
    pieces = parts(mask)
    assert sum(piece.area for piece in pieces) == mask.area
    assert Mask.empty(mask.size_hw).union(*pieces) == mask
    assert all(parts(piece) == [piece] for piece in pieces)
    assert all(
        not grow(piece, 1).iou(other) for piece in pieces for other in pieces if piece != other
    )


@hypothesis_settings(deadline=None)
@given(small_masks, st.integers(0, 9))
def test_dropping_parts_agrees_with_the_parts(mask: Mask, pixels: int) -> None:
    pieces, nothing = parts(mask), Mask.empty(mask.size_hw)
    large = [piece for piece in pieces if piece.area >= pixels]
    assert drop_small_parts(mask, pixels) == nothing.union(*large)
    largest = max(pieces, key=lambda piece: piece.area, default=nothing)
    assert largest_part(mask) == largest


@hypothesis_settings(deadline=None)
@given(st.lists(arrays(np.bool_, (9, 9)).map(Mask.from_array), max_size=5))
def test_disjoint_masks_share_the_union(masks: list[Mask]) -> None:
    disjoint = without_overlaps(masks, range(len(masks))[::-1])
    nothing = Mask.empty((9, 9))
    assert nothing.union(*disjoint) == nothing.union(*masks)
    assert sum(mask.area for mask in disjoint) == nothing.union(*disjoint).area
    assert disjoint[-1:] == masks[-1:]


SPOTTED = Mask.from_array(ADVERSARIAL["spotted"])


@pytest.mark.parametrize(
    ("settings", "operation"),
    [
        (Refine(fill_holes=3), lambda mask: fill_holes(mask, 3)),
        (Refine(min_part=9), lambda mask: drop_small_parts(mask, 9)),
        (Refine(largest_part=True), largest_part),
        (Refine(opening=2), lambda mask: opened(mask, 2)),
        (Refine(closing=2), lambda mask: closed(mask, 2)),
        (Refine(smooth=3), lambda mask: smoothed(mask, 3)),
        (Refine(grow=4), lambda mask: grow(mask, 4)),
        (Refine(grow=-1), lambda mask: shrink(mask, 1)),
        (Refine(invert=True), Mask.inverted),
    ],
)
def test_a_setting_is_its_function(settings: Refine, operation: Callable[[Mask], Mask]) -> None:
    expected = operation(SPOTTED)
    (annotation,) = refine([object_of(SPOTTED)], settings)
    assert annotation.mask == expected != SPOTTED
    assert annotation.box_xyxy == expected.box_xyxy


def test_settings_apply_in_the_order_of_the_fields() -> None:
    settings = Refine(
        fill_holes=5,
        min_part=4,
        opening=1,
        closing=3,
        smooth=2,
        grow=3,
        inside_box=True,
        invert=True,
    )
    found = Annotation(label="thing", box_xyxy=(5, 5, 40, 30), mask=SPOTTED)
    expected = drop_small_parts(fill_holes(SPOTTED, 5), 4)
    expected = closed(opened(expected, 1), 3)
    expected = clipped(grow(smoothed(expected, 2), 3), found.box_xyxy)
    assert refine([found], settings)[0].mask == expected.inverted()


def test_holes_are_filled_before_small_parts_are_dropped() -> None:
    ring = drawn("###.", "#.#.", "###.", "....")
    assert refined_mask(ring, Refine(fill_holes=1, min_part=9)).area == 9


def test_inverting_is_not_undone() -> None:
    mask = square(3, 3, 9, 9)
    assert refined_mask(mask, Refine(invert=True)) == mask.inverted()
    assert mask.inverted().inverted() == mask


def test_inside_box_is_the_box_that_was_found() -> None:
    found = Annotation(label="a", box_xyxy=(5, 5, 8, 8), mask=square(6, 6, 18, 18))
    (annotation,) = refine([found], Refine(grow=2, inside_box=True))
    assert annotation.mask == clipped(grow(square(6, 6, 18, 18), 2), (5, 5, 8, 8))
    assert annotation.box_xyxy == annotation.mask.box_xyxy


@pytest.mark.parametrize(
    ("overlaps", "areas"),
    [
        ("keep", [100, 25, 64]),
        ("score", [100 - 25 - 20, 25 - 5, 64]),
        ("area", [100 - 25 - 20, 25, 64 - 5]),
        ("order", [100, 0, 64 - 25]),
    ],
)
def test_overlap_priority(overlaps: str, areas: list[int]) -> None:
    large, small = square(0, 0, 10, 10), square(1, 5, 6, 10)
    middle = square(5, 5, 13, 13)
    objects = [object_of(large), object_of(small, 0.5), object_of(middle, 0.9)]
    settings = Refine(overlaps=overlaps, drop_empty=False)
    refined = refine([object_of(None), *objects], settings)
    assert refined[0] == object_of(None)
    masks = [found.mask for found in refined[1:]]
    assert [mask.area for mask in masks if mask is not None] == areas


def test_equal_scores_contest_in_order() -> None:
    first, second = square(0, 0, 6, 6), square(3, 0, 9, 6)
    refined = refine([object_of(first, 0.5), object_of(second, 0.5)], Refine(overlaps="score"))
    assert [found.mask for found in refined] == [first, square(6, 0, 9, 6)]


def test_nothing_set_changes_nothing() -> None:
    matte = feathered(SPOTTED, 3)
    soft = Annotation(label="soft", box_xyxy=SPOTTED.box_xyxy, mask=SPOTTED, matte=matte)
    objects = (soft, object_of(square(3, 3, 9, 9)), object_of(None))
    refined = refine(objects, Refine())
    assert all(after is before for after, before in zip(refined, objects, strict=True))


def test_what_a_setting_does_not_change_stays_the_same_object() -> None:
    loose = Annotation(label="loose", box_xyxy=(1, 1, 15, 15), mask=square(3, 3, 9, 9))
    settings = Refine(fill_holes=9, largest_part=True, overlaps="order", inside_box=True)
    assert refine([loose], settings)[0] is loose


def test_a_box_without_a_mask_passes() -> None:
    box = object_of(None)
    settings = Refine(grow=3, invert=True, overlaps="score", feather=2)
    assert refine([box], settings)[0] is box


def test_an_empty_object_is_dropped_unless_asked_to_stay() -> None:
    speck = object_of(square(3, 3, 4, 4))
    assert refine([speck], Refine(min_part=5)) == ()
    (kept,) = refine([speck], Refine(min_part=5, drop_empty=False))
    assert kept.mask == Mask.empty((20, 20))
    assert kept.box_xyxy == (0, 0, 0, 0)


def test_nothing_fails_on_an_empty_mask() -> None:
    nothing = object_of(Mask.empty((7, 5)))
    settings = Refine(
        fill_holes=4,
        min_part=4,
        largest_part=True,
        opening=2,
        closing=2,
        smooth=2,
        grow=2,
        inside_box=True,
        overlaps="area",
        drop_empty=False,
        feather=3,
    )
    (annotation,) = refine([nothing], settings)
    assert annotation.mask == Mask.empty((7, 5))
    assert annotation.matte is not None
    assert not annotation.matte.crop().size
    assert parts(Mask.empty((7, 5))) == []


def test_feathering_adds_a_matte_and_keeps_the_mask() -> None:
    found = object_of(SPOTTED)
    (annotation,) = refine([found], Refine(feather=3))
    assert (annotation.mask, annotation.box_xyxy) == (SPOTTED, found.box_xyxy)
    assert annotation.matte == feathered(SPOTTED, 3)


def test_a_matte_that_no_longer_agrees_with_its_mask_is_dropped() -> None:
    mask = square(3, 3, 9, 9)
    soft = Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask, matte=feathered(mask, 3))
    assert refine([soft], Refine(grow=1))[0].matte is None
