"""Masks <-> single polygons through the middles of pixels, which is how Ultralytics draws them."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from premask import rle
from premask.errors import InvalidMask
from premask.geometry import IntBox
from premask.labels.borders import Border, Indices, rings
from premask.labels.coco_rle import LONGEST_OUTLINE
from premask.masks import Mask, Size

Points = NDArray[np.float64]

INSET = 1 / 64
"""How far inside its pixel a point at the edge of the mask's box is.

Ultralytics cuts the decimals off, so any point of a pixel stands for that pixel. At the edges of
the box the points are nearly on the edge, because the object's box is made of them, too.
"""

_CANVAS_PIXELS = 2**22
"""So many are walked at once; a mask that has more of them is alone."""

_FEWEST_POINTS = 3  # with two, a line of YOLO's texts would be one of a box


def masks_to_outlines(masks: Sequence[Mask]) -> list[Points]:
    """For each mask one polygon (n, 2) of x, y, of which `cv2.fillPoly` makes the mask.

    It runs into holes and around them. Parts are joined by lines, a pixel wide where they are
    drawn, along the shortest ways. A part that has fewer pixels than the line to it is left out. An
    empty mask has no point. Masks are walked together on a canvas, in half the time of one by one.
    """
    crops = [rle.counts_to_crop(mask.run_lengths, mask.size_hw) for mask in masks]
    outlines: list[Points] = []
    for group in _groups([(crop.shape[0], crop.shape[1]) for crop, _ in crops]):
        pixels, tops = _stacked([crops[place][0] for place in group])
        width, walks = pixels.shape[1], _walks_of_blocks(pixels, tops)
        for place, top, own in zip(group, tops, walks, strict=True):
            crop, corner_xy = crops[place]
            if not own:
                outlines.append(np.zeros((0, 2)))
                continue
            block = pixels[top - 1 : top + crop.shape[0] + 1]
            walk = own[0] if len(own) == 1 else _joined(own, block)
            row, column = np.divmod(walk, width)
            # The blank pixels around it moved all by one.
            corners = _corners(np.stack([column, row], axis=1) + np.subtract(corner_xy, 1))
            outlines.append(_spread(corners, masks[place].box_xyxy))
    return outlines


def outline_to_mask(points: Points, size_hw: Size) -> Mask:
    """The pixels that a polygon (n, 2) of x, y encloses, and those that it runs through."""
    height, width = rle.require_size(size_hw)
    if not np.isfinite(points).all():
        raise InvalidMask("a number of its polygon is not finite")
    xy = np.clip(points, 0, (width, height)).astype(np.int64)
    low, high = xy.min(axis=0), xy.max(axis=0) + 1
    edges = np.concatenate([xy, np.roll(xy, -1, axis=0)], axis=1) - np.tile(low, 2)
    if np.abs(edges[:, 2:] - edges[:, :2]).max(axis=1).sum() > LONGEST_OUTLINE:
        raise InvalidMask(f"its polygon is more than {LONGEST_OUTLINE:,} pixels around")
    shape = (int(high[1] - low[1]), int(high[0] - low[0]))
    drawn = _enclosed(edges, shape) | _touched(edges, shape)
    crop = drawn[: height - low[1], : width - low[0]]  # a point on the far edge has no pixel
    return Mask.from_crop(crop, (int(low[0]), int(low[1])), size_hw)


def _groups(shapes: Sequence[Size]) -> Iterator[list[int]]:
    """Places of shapes that share a canvas, as many as it has room for."""
    group: list[int] = []
    height = width = 0
    for place, (own_height, own_width) in enumerate(shapes):
        height, width = height + own_height, max(width, own_width)
        if group and height * width > _CANVAS_PIXELS:
            yield group
            group, height, width = [], own_height, own_width
        group.append(place)
    if group:
        yield group


def _stacked(crops: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], list[int]]:
    """Crops below each other, with blank pixels around each, and the row where each begins."""
    heights = [crop.shape[0] + 1 for crop in crops]
    width = max(crop.shape[1] for crop in crops)
    pixels = np.zeros((sum(heights) + 1, width + 2), np.bool_)
    tops = [1, *(1 + top for top in itertools.accumulate(heights[:-1]))]
    for crop, top in zip(crops, tops, strict=True):
        pixels[top : top + crop.shape[0], 1 : 1 + crop.shape[1]] = crop
    return pixels, tops


def _walks_of_blocks(pixels: NDArray[np.bool_], tops: Sequence[int]) -> list[list[Indices]]:
    """The walks of each block, counted from the blank row above it."""
    walks: list[list[Indices]] = [[] for _ in tops]
    if pixels.any():
        width = pixels.shape[1]
        for walk in _walks(Border.around(pixels), pixels):
            owner = bisect.bisect_right(tops, int(walk[0]) // width) - 1
            walks[owner].append(walk - (tops[owner] - 1) * width)
    return walks


def _walks(border: Border, pixels: NDArray[np.bool_]) -> list[Indices]:
    """For each part the pixels along its edge, from neighbor to neighbor, with its holes."""
    followers = border.followers(pixels)
    bottoms = border.upper_sides_of_holes(followers)
    tops = border.tops_above(bottoms)
    # Down into a hole, once around it, and up again; both ways lead through pixels of the mask.
    after = followers.copy()
    after[tops], after[bottoms] = followers[bottoms], followers[tops]
    across = np.arange(len(after))
    across[tops], across[bottoms] = bottoms, tops
    order, firsts = rings(after)
    steps = [border.pixel[order], border.pixel[across[order]]]
    # Where the outline bends inwards, the pixel in the bend keeps it from going askew: Ultralytics
    # puts further points between the corners, and what is askew becomes wider by them.
    steps.append(border.bends(followers)[across[order]])
    visited = np.stack(steps, axis=1)
    ends = np.cumsum((visited >= 0).sum(axis=1))
    return np.split(visited[visited >= 0], ends[firsts[1:] - 1])


def _joined(walks: list[Indices], pixels: NDArray[np.bool_]) -> Indices:
    """All walks as one, which goes from part to part and back."""
    parts = np.asarray(ndimage.label(pixels)[0])
    links = _links(parts)
    where = {pixel: (walk, place) for walk in walks for place, pixel in enumerate(walk.tolist())}
    largest = int(np.bincount(parts.ravel())[1:].argmax()) + 1
    start = next(int(walk[0]) for walk in walks if parts.flat[walk[0]] == largest)
    width = pixels.shape[1]

    def around(pixel: int) -> list[int]:
        walk, place = where[pixel]
        return [*np.roll(walk, -place).tolist(), pixel]

    def there_and_back(pixel: int, other: int) -> Iterator[int]:
        bend = _bend(pixel, other, width)
        return itertools.chain([bend], around(other), [bend, pixel])

    joined: list[int] = []
    under_way = [iter(around(start))]
    while under_way:
        for pixel in under_way[-1]:
            joined.append(pixel)
            if links.get(pixel):
                under_way.append(there_and_back(pixel, links[pixel].pop()))
                break
        else:
            under_way.pop()
    return np.array(joined, np.int64)


def _links(parts: NDArray[np.integer]) -> dict[int, list[int]]:
    """Which pixels of other parts each pixel leads to, from the largest part outwards.

    `parts` (height, width) numbers the parts from 1. The links are the edges of a shortest tree.
    """
    first, second, length = _neighbors(parts)
    flat, count = parts.ravel(), int(parts.max())
    tree = minimum_spanning_tree(
        coo_array((length, (flat[first] - 1, flat[second] - 1)), shape=(count, count)).tocsr()
    )
    areas = np.bincount(flat, minlength=count + 1)[1:]
    order, parent = breadth_first_order(tree, int(areas.argmax()), directed=False)
    ends, lengths = {}, {}
    for one, other, steps in zip(first.tolist(), second.tolist(), length.tolist(), strict=True):
        part, neighbor = int(flat[one]) - 1, int(flat[other]) - 1
        ends[part, neighbor], ends[neighbor, part] = (one, other), (other, one)
        lengths[part, neighbor] = lengths[neighbor, part] = steps
    gain = areas.astype(np.int64)
    links: dict[int, list[int]] = {}
    for part in order[:0:-1].tolist():  # from the leaves inwards
        here, there = ends[parent[part], part]
        gain[part] -= lengths[part, parent[part]] - 1
        if gain[part] >= 0:
            gain[parent[part]] += gain[part]
            links.setdefault(here, []).append(there)
    return links


def _neighbors(parts: NDArray[np.integer]) -> tuple[Indices, Indices, Indices]:
    """Pairs of pixels of neighboring parts, the closest ones of each two parts, and their distance.

    Two parts are neighbors if somewhere between them no other part is closer.
    """
    # The nearest pixel by steps along rows and columns is one at an edge. By other distances it may
    # be in the corner of a bend, where no walk comes by.
    nearest = ndimage.distance_transform_cdt(
        parts == 0, metric="taxicab", return_distances=False, return_indices=True
    )
    flat, width = parts.ravel(), parts.shape[1]
    closest = nearest[0].astype(np.int64) * width + nearest[1]
    found = []
    for one, other in (
        (closest[:, :-1], closest[:, 1:]),
        (closest[:-1], closest[1:]),
        (closest[:-1, :-1], closest[1:, 1:]),
        (closest[1:, :-1], closest[:-1, 1:]),
    ):
        apart = flat[one] != flat[other]
        found.append(np.stack([one[apart], other[apart]]))
    first, second = np.concatenate(found, axis=1)
    swapped = flat[first] > flat[second]
    first, second = np.where(swapped, second, first), np.where(swapped, first, second)
    length = _distance(first, second, width)
    order = np.lexsort((first, length, flat[second], flat[first]))
    first, second, length = first[order], second[order], length[order]
    # Of each two parts the first pair is the closest one.
    is_new = np.ones(len(first), np.bool_)
    is_new[1:] = (np.diff(flat[first]) != 0) | (np.diff(flat[second]) != 0)
    return first[is_new], second[is_new], length[is_new]


def _distance(pixel: Indices, other: Indices, width: int) -> Indices:
    """Steps to the right, left, up, down and askew from one pixel to the other."""
    rows = pixel // width - other // width
    columns = pixel % width - other % width
    longer: Indices = np.maximum(np.abs(rows), np.abs(columns))
    return longer


def _bend(pixel: int, other: int, width: int) -> int:
    """Where the way from a pixel to the other turns: first it goes askew, then straight on.

    On such ways there are the same pixels for whoever draws them, in both directions.
    """
    rows, columns = other // width - pixel // width, other % width - pixel % width
    askew = min(abs(rows), abs(columns))
    return pixel + askew * (int(np.sign(rows)) * width + int(np.sign(columns)))


def _corners(xy: Indices) -> Indices:
    """The points (n, 2) of a ring at which it turns."""
    moved = (xy != np.roll(xy, 1, axis=0)).any(axis=1)
    xy = xy[moved] if moved.any() else xy[:1]
    if len(xy) < _FEWEST_POINTS:
        return xy
    direction = np.sign(np.roll(xy, -1, axis=0) - xy)
    turns: Indices = xy[(direction != np.roll(direction, 1, axis=0)).any(axis=1)]
    return turns


def _spread(corners: Indices, box_xyxy: IntBox) -> Points:
    """Points in the middles of pixels, but at the edges of the box nearly on the edge."""
    points = np.resize(corners, (max(len(corners), _FEWEST_POINTS), 2)) + 0.5
    low, high = np.array(box_xyxy[:2]), np.array(box_xyxy[2:]) - 1
    at_low, at_high = points == low + 0.5, points == high + 0.5
    # What is one pixel wide has all of its points at both edges: one of them stays at the first.
    at_low[1:] &= ~at_high[1:]
    at_high &= ~at_low
    spread: Points = points + (0.5 - INSET) * (at_high.astype(int) - at_low)
    return spread


def _enclosed(edges: Indices, shape: Size) -> NDArray[np.bool_]:
    """Pixels whose middle is inside (x, y, x, y) edges: an odd number of them is to the left."""
    falling = edges[:, 1] > edges[:, 3]
    x0, y0, x1, y1 = np.where(falling[:, None], edges[:, [2, 3, 0, 1]], edges).T
    heights = y1 - y0
    edge = np.repeat(np.arange(len(edges)), heights)
    down = np.arange(len(edge)) - np.repeat(np.cumsum(heights) - heights, heights)
    x = np.ceil(x0[edge] + down * (x1 - x0)[edge] / np.maximum(heights[edge], 1)).astype(np.int64)
    crossings = np.bincount((y0[edge] + down) * shape[1] + x, minlength=shape[0] * shape[1])
    return (crossings.reshape(shape).cumsum(axis=1) & 1).astype(np.bool_)


def _touched(edges: Indices, shape: Size) -> NDArray[np.bool_]:
    """Pixels that the (x, y, x, y) edges run through."""
    touched = np.zeros(shape, np.bool_)
    step_xy = edges[:, 2:] - edges[:, :2]
    lengths = np.maximum(np.abs(step_xy).max(axis=1), 1)
    edge = np.repeat(np.arange(len(edges)), lengths)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    share = (along / lengths[edge])[:, None]
    x, y = np.rint(edges[edge, :2] + share * step_xy[edge]).astype(np.int64).T
    touched[y, x] = True
    return touched
