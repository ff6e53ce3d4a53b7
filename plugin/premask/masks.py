"""Mask (a COCO RLE) and Matte (8-bit alpha): small values, whatever the size of the image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask as coco_mask

from premask.errors import InvalidMask
from premask.geometry import IntBox, box_slices
from premask.rle import (
    Counts,
    alpha_to_plane_counts,
    checked_counts,
    counts_to_crop,
    counts_to_string,
    crop_to_counts,
    edges_to_counts,
    is_shortest,
    map_to_counts,
    plane_counts_to_alpha,
    planes_box,
    require_size,
    string_to_counts,
)

Size = tuple[int, int]
Alpha = NDArray[np.uint8]
Pixel = TypeVar("Pixel", bound=np.generic)

HALF = 128
"""A pixel belongs to the mask of a matte if its alpha is at least this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """The pixels of one object in an image of `size_hw` = (height, width).

    `counts` is COCO's compressed run lengths. The same pixels always have the same counts, so masks
    can be compared and hashed. Make one with `from_array`, `from_crop` or `from_rle`, which see to
    that.
    """

    size_hw: Size
    counts: bytes

    @classmethod
    def from_array(cls, array: ArrayLike) -> Mask:
        """Pixels that are not 0, from an array (height, width) of any number type."""
        pixels = np.asarray(array)
        if pixels.ndim != 2:
            raise InvalidMask(f"A mask has two dimensions (height, width); got {pixels.shape}.")
        pixels = pixels if pixels.dtype == np.bool_ else pixels != 0
        rows, columns = _span(pixels, across=1), _span(pixels, across=0)
        size_hw = (pixels.shape[0], pixels.shape[1])
        return cls.from_crop(pixels[rows, columns], (columns.start, rows.start), size_hw)

    @classmethod
    def from_crop(cls, crop: NDArray[np.bool_], xy: tuple[int, int], size_hw: Size) -> Mask:
        """Pixels of `crop` (h, w) with its upper left corner at `xy`; nothing elsewhere."""
        _require_inside(crop, xy, size_hw)
        counts = crop_to_counts(crop, xy, size_hw)
        return cls(size_hw=size_hw, counts=counts_to_string(counts))

    @classmethod
    def from_edges(cls, edges: Counts, size_hw: Size) -> Mask:
        """Pixels between edges: where the 1s start and end down the columns, in order."""
        counts = edges_to_counts(edges, require_size(size_hw))
        return cls(size_hw=size_hw, counts=counts_to_string(counts))

    @classmethod
    def from_counts(cls, counts: ArrayLike, size_hw: Size) -> Mask:
        """Run lengths down the columns, beginning with 0s (COCO's uncompressed form)."""
        lengths = np.array(counts).reshape(-1)
        if lengths.size and lengths.dtype.kind not in "iu":
            raise InvalidMask(f"Run lengths are whole numbers; got {lengths.dtype}.")
        checked = checked_counts(lengths.astype(np.int64), size_hw)
        return cls(size_hw=size_hw, counts=counts_to_string(checked))

    @classmethod
    def from_rle(cls, data: Mapping[str, Any]) -> Mask:
        """A COCO dict, compressed or not: `{"size": [h, w], "counts": str | bytes | list}`."""
        try:
            height, width = (int(side) for side in data["size"])
            counts = data["counts"]
            if isinstance(counts, str):
                counts = counts.encode("ascii")
            if isinstance(counts, bytes):
                return cls._from_string(counts, (height, width))
            return cls.from_counts(counts, (height, width))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidMask(
                "This is no COCO RLE; it must be "
                f'{{"size": [height, width], "counts": "..."}} ({error}).'
            ) from error

    @classmethod
    def _from_string(cls, text: bytes, size_hw: Size) -> Mask:
        counts = string_to_counts(text)
        checked = checked_counts(counts, size_hw)
        # Other writers may pad a number with digits, or leave empty runs: then it is written anew.
        same = checked is counts and is_shortest(text)
        return cls(size_hw=size_hw, counts=text if same else counts_to_string(checked))

    @classmethod
    def empty(cls, size_hw: Size) -> Mask:
        return cls.from_counts([size_hw[0] * size_hw[1]], size_hw)

    @property
    def rle(self) -> dict[str, Any]:
        """COCO's dict with compressed counts, ready for JSON and for pycocotools.

        >>> Mask.from_array([[0, 1], [1, 1]]).rle
        {'size': [2, 2], 'counts': '13'}
        """
        return {"size": list(self.size_hw), "counts": self.counts.decode("ascii")}

    @property
    def packed(self) -> dict[str, Size | bytes]:
        """The form that pycocotools takes without decoding a text."""
        return {"size": self.size_hw, "counts": self.counts}

    @property
    def run_lengths(self) -> Counts:
        """COCO's uncompressed counts."""
        return string_to_counts(self.counts)

    @property
    def area(self) -> int:
        return int(coco_mask.area(self.packed))

    @property
    def box_xyxy(self) -> IntBox:
        """Tight box, upper bounds exclusive; (0, 0, 0, 0) when the mask is empty."""
        x, y, width, height = (int(side) for side in coco_mask.toBbox(self.packed))
        return x, y, x + width, y + height

    def crop(self, box_xyxy: IntBox | None = None) -> NDArray[np.bool_]:
        """Pixels (h, w) in a box, by default the tight one; beyond the image they are False."""
        own, (x, y) = counts_to_crop(self.run_lengths, self.size_hw)
        if box_xyxy is None:
            return own
        x0, y0, x1, y1 = box_xyxy
        return _placed(own, (x - x0, y - y0), (y1 - y0, x1 - x0))

    def to_array(self) -> NDArray[np.bool_]:
        """All pixels (height, width)."""
        return self.crop((0, 0, self.size_hw[1], self.size_hw[0]))

    def inverted(self) -> Mask:
        counts = self.run_lengths
        # Counts begin with a run of 0s. With an empty run in front, or without the one that is
        # there, every run of 0s becomes one of 1s and the other way round.
        flipped = counts[1:] if counts[0] == 0 else np.concatenate(([0], counts))
        return Mask(size_hw=self.size_hw, counts=counts_to_string(flipped))

    def union(self, *others: Mask) -> Mask:
        return self._merged(others, intersect=False)

    def intersection(self, *others: Mask) -> Mask:
        return self._merged(others, intersect=True)

    def difference(self, *others: Mask) -> Mask:
        """The mask's pixels that are in none of the others."""
        return self.intersection(*(other.inverted() for other in others))

    def iou(self, other: Mask) -> float:
        """Intersection over union, 0 to 1; 0 for two empty masks."""
        both = self.intersection(other).area
        return both / max(1, self.area + other.area - both)

    def shared(self, others: Sequence[Mask]) -> NDArray[np.int64]:
        """Number of pixels (n,) in common with each of n others; much faster than one by one."""
        self._require_same_size(others)
        # Against a crowd COCO divides the intersection by the area of the first mask alone, so what
        # is multiplied with that area is the intersection. One call does all of them.
        packed = [other.packed for other in others]
        shares = coco_mask.iou([self.packed], packed, [True] * len(others))
        return np.asarray(np.rint(np.reshape(shares, -1) * self.area), np.int64)

    def __repr__(self) -> str:
        x0, y0, x1, y1 = self.box_xyxy
        height, width = self.size_hw
        return f"Mask({self.area} px in ({x0}, {y0}, {x1}, {y1}) of {width} x {height})"

    def _merged(self, others: Sequence[Mask], *, intersect: bool) -> Mask:
        self._require_same_size(others)
        merged = coco_mask.merge([mask.packed for mask in (self, *others)], intersect)
        return Mask.from_rle(merged)

    def _require_same_size(self, others: Sequence[Mask]) -> None:
        if any(other.size_hw != self.size_hw for other in others):
            sizes = sorted({mask.size_hw for mask in (self, *others)})
            raise InvalidMask(f"These masks belong to images of different sizes: {sizes}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matte:
    """How much of each pixel belongs to the object: 0 to 255.

    It is kept as eight masks, one for each bit of the alpha, the lowest first: alpha is the sum of
    2**k * planes[k] (docs/adr/0004). That is small where edges are simple, and the same alpha
    always has the same planes. Make one with `from_array`, `from_crop` or `from_planes`.
    """

    planes: tuple[Mask, ...]

    @classmethod
    def from_array(cls, array: ArrayLike) -> Matte:
        """An array (height, width) of uint8."""
        alpha = np.asarray(array)
        if alpha.ndim != 2:
            raise InvalidMask(f"A matte has two dimensions (height, width); got {alpha.shape}.")
        rows, columns = _span(alpha, across=1), _span(alpha, across=0)
        size_hw = (alpha.shape[0], alpha.shape[1])
        return cls.from_crop(alpha[rows, columns], (columns.start, rows.start), size_hw)

    @classmethod
    def from_crop(cls, crop: Alpha, xy: tuple[int, int], size_hw: Size) -> Matte:
        """Alpha `crop` (h, w) of uint8 with its upper left corner at `xy`; 0 elsewhere."""
        if crop.dtype != np.uint8:
            raise InvalidMask(f"A matte is uint8, 0 to 255; got {crop.dtype}.")
        _require_inside(crop, xy, size_hw)
        planes = alpha_to_plane_counts(crop, xy, size_hw)
        return cls(
            planes=tuple(
                Mask(size_hw=size_hw, counts=counts_to_string(counts)) for counts in planes
            )
        )

    @classmethod
    def from_planes(cls, planes: Sequence[Mask]) -> Matte:
        """Eight masks of one size, the lowest bit first."""
        if len(planes) != 8 or len({plane.size_hw for plane in planes}) != 1:
            raise InvalidMask("A matte is eight bit planes of one size, the lowest bit first.")
        return cls(planes=tuple(planes))

    @property
    def size_hw(self) -> Size:
        return self.planes[0].size_hw

    @property
    def box_xyxy(self) -> IntBox:
        """Tight box of what is not 0, upper bounds exclusive; (0, 0, 0, 0) if everything is 0."""
        return planes_box([plane.run_lengths for plane in self.planes], self.size_hw)

    def crop(self, box_xyxy: IntBox | None = None) -> Alpha:
        """Alpha (h, w) in a box, by default the tight one; beyond the image it is 0."""
        counts = [plane.run_lengths for plane in self.planes]
        alpha, (x, y) = plane_counts_to_alpha(counts, self.size_hw)
        if box_xyxy is None:
            return alpha
        x0, y0, x1, y1 = box_xyxy
        return _placed(alpha, (x - x0, y - y0), (y1 - y0, x1 - x0))

    def to_array(self) -> Alpha:
        """Alpha of all pixels (height, width)."""
        return self.crop((0, 0, self.size_hw[1], self.size_hw[0]))

    def mask(self, threshold: int = HALF) -> Mask:
        """The pixels of at least this alpha."""
        if threshold == HALF:
            return self.planes[-1]  # the highest bit is set from 128 on
        return Mask.from_crop(self.crop() >= threshold, self.box_xyxy[:2], self.size_hw)

    def __repr__(self) -> str:
        x0, y0, x1, y1 = self.box_xyxy
        height, width = self.size_hw
        return f"Matte(({x0}, {y0}, {x1}, {y1}) of {width} x {height})"


def masks_by_number(
    numbers: NDArray[np.integer], wanted: Collection[int] | None = None
) -> dict[int, Mask]:
    """The mask of each wanted number in a map (height, width), by default of all, in their order.

    It takes one pass over the map, however many numbers there are.
    """
    size_hw = (numbers.shape[0], numbers.shape[1])
    return {
        number: Mask(size_hw=size_hw, counts=counts_to_string(counts))
        for number, counts in map_to_counts(numbers).items()
        if wanted is None or number in wanted
    }


def _require_inside(crop: NDArray[np.generic], xy: tuple[int, int], size_hw: Size) -> None:
    (x, y), (height, width) = xy, require_size(size_hw)
    if not (0 <= x <= width - crop.shape[1] and 0 <= y <= height - crop.shape[0]):
        raise InvalidMask(
            f"A crop of {crop.shape[1]} x {crop.shape[0]} at {xy} does not lie on an image of "
            f"{width} x {height}."
        )


def _span(array: NDArray[np.generic], *, across: int) -> slice:
    """From the first to the last row (across=1) or column (across=0) that is not all 0."""
    where = np.flatnonzero(array.any(axis=across))
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)


def _placed(crop: NDArray[Pixel], xy: tuple[int, int], shape: Size) -> NDArray[Pixel]:
    """A canvas of 0s with `crop` at `xy`, cut off where it sticks out."""
    canvas = np.zeros(shape, crop.dtype)
    (x, y), (height, width) = xy, crop.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, shape[1]), min(y + height, shape[0])
    if x0 < x1 and y0 < y1:
        canvas[box_slices((x0, y0, x1, y1))] = crop[y0 - y : y1 - y, x0 - x : x1 - x]
    return canvas
