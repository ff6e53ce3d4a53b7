"""COCO's run lengths: a boolean crop <-> counts <-> the compressed string.

`counts` are the lengths of alternating runs of 0 and 1 down the columns of the whole image,
beginning with 0s. Here only the first run may be empty, so two masks have the same pixels exactly
when they have the same counts. What all of this costs depends on the size of the object's box and
not on that of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask.errors import InvalidMask
from premask.geometry import MAX_PIXELS, hull

Counts = NDArray[np.int64]

# COCO writes a number in digits of five bits, the lowest first, one a character from "0" on. The
# sixth bit says that more digits follow; the highest bit of the last digit is the number's sign.
_FIRST_CHARACTER = ord("0")
_MORE = 0x20
_SIGN = 0x10
_LONGEST_NUMBER = 7  # 7 x 5 bits hold any difference of two 32-bit counts


def crop_to_counts(
    crop: NDArray[np.bool_], xy: tuple[int, int], size_hw: tuple[int, int]
) -> Counts:
    """Run lengths of an image that is `crop` (h, w) with its corner at `xy`, and 0 elsewhere."""
    if crop.flags.f_contiguous:
        # The columns lie one behind the other already, and so do their edges.
        edges, _ = _edges_of_columns(crop.T.view(np.uint8), xy, size_hw)
        return edges_to_counts(edges, size_hw)
    # Sorting the few edges is faster than transposing the many pixels.
    return edges_to_counts(np.sort(_edges_of_rows(crop.view(np.uint8), xy, size_hw)), size_hw)


def edges_to_counts(edges: Counts, size_hw: tuple[int, int]) -> Counts:
    """Run lengths of the whole image, from where its 1s start and end, in order."""
    # A run that reaches the image's lower edge may go on at the top of the next column: one run.
    joined = edges[2::2] == edges[1:-1:2]
    if joined.any():
        alone = np.ones(len(edges), np.bool_)
        alone[2::2] = alone[1:-1:2] = ~joined
        edges = edges[alone]
    bounds = np.empty(len(edges) + 2, np.int64)
    bounds[0], bounds[1:-1], bounds[-1] = 0, edges, size_hw[0] * size_hw[1]
    counts = np.diff(bounds)
    return counts[:-1] if counts[-1] == 0 else counts


def alpha_to_plane_counts(
    alpha: NDArray[np.uint8], xy: tuple[int, int], size_hw: tuple[int, int]
) -> list[Counts]:
    """Run lengths of all eight bits of `alpha` (h, w), the lowest first."""
    # Soft edges have so many places where bits change that sorting those would take longer.
    edges, flips = _edges_of_columns(np.ascontiguousarray(alpha.T), xy, size_hw)
    bits = (flips & (1 << bit) != 0 for bit in range(8))
    # It takes two thirds of the time of `edges[bit]`.
    return [edges_to_counts(np.compress(bit, edges), size_hw) for bit in bits]


def map_to_counts(numbers: NDArray[np.integer]) -> dict[int, Counts]:
    """Run lengths of the pixels of every number in a map (height, width), in ascending order."""
    size_hw = (numbers.shape[0], numbers.shape[1])
    starts = _run_starts(numbers)
    columns, rows = np.divmod(starts, size_hw[0])
    values, spans = numbers[rows, columns], np.stack([starts, np.append(starts[1:], numbers.size)])
    order = np.argsort(values, kind="stable")
    found, first = np.unique(values[order], return_index=True)
    return {
        int(number): edges_to_counts(spans[:, runs].T.ravel(), size_hw)
        for number, runs in zip(found, np.split(order, first[1:]), strict=True)
    }


def plane_counts_to_alpha(
    planes: Sequence[Counts], size_hw: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Undo `alpha_to_plane_counts`: alpha (h, w) on its tight box, and the box's corner (x, y)."""
    x0, y0, x1, y1 = planes_box(planes, size_hw)
    crop_height = y1 - y0
    flips = np.zeros((x1 - x0) * crop_height + 1, np.uint8)
    for bit, counts in enumerate(planes):
        starts, ends = _runs(counts)
        flips[_inside(starts, size_hw[0], crop_height, (x0, y0))] ^= np.uint8(1 << bit)
        flips[_inside(ends - 1, size_hw[0], crop_height, (x0, y0)) + 1] ^= np.uint8(1 << bit)
    alpha: NDArray[np.uint8] = np.bitwise_xor.accumulate(flips[:-1])
    return alpha.reshape(x1 - x0, crop_height).T, (x0, y0)


def planes_box(planes: Sequence[Counts], size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """Tight box of all 1s of all planes, like `counts_to_box`."""
    return hull(counts_to_box(counts, size_hw) for counts in planes)


def counts_to_box(counts: Counts, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """Tight box (x0, y0, x1, y1) of the 1s, upper bounds exclusive; all 0 when there are none."""
    starts, ends = _runs(counts)
    if not len(starts):
        return 0, 0, 0, 0
    height = size_hw[0]
    first_column, top = np.divmod(starts, height)
    last_column, bottom = np.divmod(ends - 1, height)
    x0, x1 = int(first_column[0]), int(last_column[-1]) + 1
    if np.any(first_column != last_column):
        return x0, 0, x1, height
    return x0, int(top.min()), x1, int(bottom.max()) + 1


def counts_to_crop(
    counts: Counts, size_hw: tuple[int, int]
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The 1s as a boolean crop (h, w) of their tight box, and its upper left corner (x, y)."""
    x0, y0, x1, y1 = counts_to_box(counts, size_hw)
    height, crop_height = size_hw[0], y1 - y0
    starts, ends = _runs(counts)
    bounds = np.zeros(2 * len(starts) + 2, np.int64)
    bounds[1:-1:2] = _inside(starts, height, crop_height, (x0, y0))
    bounds[2:-1:2] = _inside(ends - 1, height, crop_height, (x0, y0)) + 1
    bounds[-1] = (x1 - x0) * crop_height
    values = np.arange(len(bounds) - 1) % 2 == 1
    return np.repeat(values, np.diff(bounds)).reshape(x1 - x0, crop_height).T, (x0, y0)


def counts_to_string(counts: Counts) -> bytes:
    """COCO's compressed form: differences to the run before last, five bits a character."""
    # The string doesn't hold the size, so any will do. numpy would take twenty times as long for
    # short strings.
    text: bytes = coco_mask.frPyObjects({"size": [0, 0], "counts": counts}, 0, 0)["counts"]
    return text


def string_to_counts(text: bytes) -> Counts:
    """Undo `counts_to_string`; `checked_counts` tells whether the result makes sense."""
    counts, _ = string_to_differences(text)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def string_to_differences(text: bytes) -> tuple[Counts, Counts]:
    """The numbers as they are written, and the place of each one's last digit.

    From the third number on, that is the difference to the number before the last.
    """
    values = np.frombuffer(text, np.uint8) - np.uint8(_FIRST_CHARACTER)
    if not len(values):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if values.max() > 63:
        raise InvalidMask("This RLE is no COCO string: it has characters outside '0' to 'o'.")
    ends = np.flatnonzero((values & _MORE) == 0)
    if not len(ends) or ends[-1] != len(values) - 1:
        raise InvalidMask("This RLE is cut off: its last number does not end.")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > _LONGEST_NUMBER:
        raise InvalidMask("This RLE has a number of more than 35 bits: it is no COCO string.")
    numbers = _numbers(values, ends - lengths + 1, lengths)
    negative = np.flatnonzero(values[ends] & _SIGN)
    numbers[negative] -= np.int64(1) << (5 * lengths[negative])
    return numbers, ends


def is_shortest(text: bytes) -> bool:
    """Whether `counts_to_string` would write the same: no number has more digits than it needs."""
    return not len(needless_digits(text))


def needless_digits(text: bytes) -> Counts:
    """The places of last digits that say no more than the sign before them."""
    values = np.frombuffer(text, np.uint8) - np.uint8(_FIRST_CHARACTER)
    last = np.flatnonzero((values[1:] & _MORE == 0) & (values[:-1] & _MORE != 0)) + 1
    sign_before = values[last - 1] & _SIGN != 0
    needless: Counts = last[values[last] == np.where(sign_before, 0x1F, 0)]
    return needless


def require_size(size_hw: tuple[int, int]) -> tuple[int, int]:
    """The size itself, or `InvalidMask` when no mask can have it."""
    height, width = size_hw
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise InvalidMask(
            f"This mask is for an image of {width} x {height} pixels; "
            f"the size must be at least 1 x 1 and at most {MAX_PIXELS:,} pixels."
        )
    return size_hw


def checked_counts(counts: Counts, size_hw: tuple[int, int]) -> Counts:
    """Canonical counts, or `InvalidMask` when they don't fill an image of this size exactly."""
    height, width = require_size(size_hw)
    if len(counts) and counts.min() < 0:
        raise InvalidMask(f"This RLE has a run of {counts.min()} pixels; runs can't be negative.")
    if (len(counts) and counts.max() > MAX_PIXELS) or counts.sum() != height * width:
        raise InvalidMask(
            f"This RLE covers {counts.sum()} pixels, but an image of {width} x {height} has "
            f"{height * width}. It was cut off, or belongs to an image of another size."
        )
    return counts if (counts[1:] > 0).all() else _merged(counts)


def _edges_of_rows(
    values: NDArray[np.uint8], xy: tuple[int, int], size_hw: tuple[int, int]
) -> Counts:
    """Where the image's columns change, in no order, from rows (h, w) of 0 and 1."""
    height, crop_width = require_size(size_hw)[0], max(1, values.shape[1])
    flips = np.zeros((values.shape[0] + 1, values.shape[1]), np.uint8)
    flips[:-1] = values
    flips[1:] ^= values
    # Of booleans, numpy finds them twice as fast.
    row, column = np.divmod(np.flatnonzero(flips != 0), crop_width)
    return np.asarray((column + xy[0]) * height + row + xy[1])


def _edges_of_columns(
    columns: NDArray[np.uint8], xy: tuple[int, int], size_hw: tuple[int, int]
) -> tuple[Counts, NDArray[np.uint8]]:
    """Where columns (w, h) of the image change, in order, and which bits change there."""
    height = require_size(size_hw)[0]
    flips = np.zeros((columns.shape[0], columns.shape[1] + 1), np.uint8)
    flips[:, :-1] = columns
    flips[:, 1:] ^= columns
    where = np.flatnonzero(flips != 0)
    # Each column of the image is so much longer than one of the flips.
    longer = height - flips.shape[1]
    positions: Counts = where + (where // flips.shape[1]) * longer
    return positions + (xy[0] * height + xy[1]), flips.ravel()[where]


def _run_starts(numbers: NDArray[np.integer]) -> Counts:
    """Where the number changes down the columns, and where a column begins, in order."""
    height, width = require_size((numbers.shape[0], numbers.shape[1]))
    changes = np.ones((height, width), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=changes[1:])
    rows, columns = np.divmod(np.flatnonzero(changes), width)
    return np.sort(columns * height + rows)


def _runs(counts: Counts) -> tuple[Counts, Counts]:
    """First position of each run of 1s, and the position after its last."""
    bounds = np.cumsum(counts)
    return bounds[0 : len(counts) - 1 : 2], bounds[1::2]


def _inside(positions: Counts, height: int, crop_height: int, xy: tuple[int, int]) -> Counts:
    """Positions in the image's columns -> positions in the crop's columns."""
    if crop_height == height:
        return positions - xy[0] * height
    column, row = np.divmod(positions, height)
    inside: Counts = (column - xy[0]) * crop_height + row - xy[1]
    return inside


def _numbers(digits: NDArray[np.uint8], starts: Counts, lengths: Counts) -> Counts:
    """Numbers from their digits of five bits, the lowest first."""
    digits = digits & np.uint8(0x1F)
    numbers = digits[starts].astype(np.int64)
    for position in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > position)
        numbers[longer] += digits[starts[longer] + position].astype(np.int64) << (5 * position)
    return numbers


def _merged(counts: Counts) -> Counts:
    """Drop empty runs, and join the two that they kept apart."""
    filled = counts > 0
    values: Counts = (np.arange(len(counts)) % 2)[filled]
    lengths = counts[filled]
    first = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    merged: Counts = np.add.reduceat(lengths, first)
    return np.concatenate((np.zeros(values[0], np.int64), merged))
