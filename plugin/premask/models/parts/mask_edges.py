"""Where a mask begins and ends down the image's columns, from its logits and without its pixels.

A network's own mask is small, and to enlarge it makes nearly all pixels for nothing: between two
places of one sign, all have that sign. So only those pixels are computed where it changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from premask.models.parts.off_device import of_host, span
from premask.rle import Counts

Steps = Sequence[tuple[int, int]]
"""How places become pixels: each step enlarges them to so many, and keeps so many of those."""

Floats = NDArray[np.float64]

DOUBT = 2.0**-21
"""A sum below this share of the sizes that are summed may have another sign in torch, which rounds
by 2**-24, three times in each of two directions; for each step of enlarging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of pixels, as torch makes it from places: each is a sum of two neighbors.

    It is `before` times the value of the place `at`, and `after` times that of the next one.
    """

    at: NDArray[np.intp]
    before: Floats
    after: Floats

    def part(self, wanted: slice) -> _Line:
        """The wanted pixels alone, from no other places than theirs."""
        at = self.at[wanted]
        return _Line(at=at - at[0], before=self.before[wanted], after=self.after[wanted])

    def pixels(self, values: Floats) -> Floats:
        """All pixels (n, m) from the values (k, m) of their places."""
        pixels, following = values[self.at], values[self.at + 1]
        pixels *= self.before[:, None]
        following *= self.after[:, None]
        pixels += following
        return pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gaps:
    """The pixels between neighboring places, gap by gap: which is the first, and which there are.

    Before the first place and behind the last one there is a gap without pixels. `before` and
    `after` (gaps, most) make the sums of a `_Line`.
    """

    first: NDArray[np.intp]
    inside: NDArray[np.bool_]
    before: Floats
    after: Floats


def edges_from_logits(logits: NDArray[np.float32], down: Steps, across: Steps) -> Counts | None:
    """Where columns change between 0 and 1, in order, if values (h, w) above 0 are enlarged.

    It is None where pixels have to be made to know: a value is so near 0 that its sign is a matter
    of rounding, or the image has fewer rows than the network.
    """
    high = logits > 0
    rows, columns = np.asarray(high.any(axis=1)), np.asarray(high.any(axis=0))
    # The last step down is not taken: it is what the edges are found without.
    *steps_down, (height, _) = down
    (top, bottom), (left, right) = reached(rows, steps_down), reached(columns, across)
    if top >= bottom or left >= right:
        return np.zeros(0, np.int64)
    row_count = steps_down[-1][1] if steps_down else len(rows)
    gaps = _gaps(row_count, height)
    if gaps is None:
        return None
    # With a row more on each side, which is not above 0 any more.
    near = slice(max(0, top - 1), min(row_count, bottom + 1))
    rows_seen, lines_down = _lines(len(rows), steps_down, near)
    columns_seen, lines_across = _lines(len(columns), across, slice(left, right))
    seen = logits[rows_seen, columns_seen].astype(np.float64)
    values, share = _enlarged(seen, lines_down, lines_across), DOUBT * len(down)
    doubt = np.broadcast_to(share * max(seen.max(), -seen.min()), values.shape)
    edges = _edges_of_columns(values, near.start, gaps, doubt)
    if edges is None:
        # Rarely it takes the sizes of the very sums; to have those costs as much as the values.
        doubt = share * _enlarged(np.abs(seen), lines_down, lines_across)
        edges = _edges_of_columns(values, near.start, gaps, doubt)
    return None if edges is None else edges + left * height


def reached(wanted: NDArray[np.bool_], steps: Steps) -> tuple[int, int]:
    """The first row of the image that wanted rows (m) reach, and the one behind the last."""
    first, end = span(wanted)
    if first == end:
        return 0, 0
    start, stop, source = first + 0.5, end - 0.5, len(wanted)
    for length, kept in steps:
        # In bilinear enlarging a row contributes to those whose centers are less than one of its
        # heights away.
        start, stop = (start - 1) * length / source, (stop + 1) * length / source
        source = kept
    return max(0, math.floor(start)), min(math.ceil(stop), source)


def _enlarged(values: Floats, down: Sequence[_Line], across: Sequence[_Line]) -> Floats:
    """The columns of pixels of values (rows, columns)."""
    for line in down:
        values = line.pixels(values)
    values = np.ascontiguousarray(values.T)
    for line in across:
        values = line.pixels(values)
    return values


def _edges_of_columns(values: Floats, first: int, gaps: _Gaps, doubt: Floats) -> Counts | None:
    """Edges in columns, from values (columns, k) at places from the first one on; None in doubt."""
    count, height = values.shape[1], gaps.first[-1]
    high = np.zeros((len(values), count + 2), np.bool_)
    high[:, 1:-1] = values > 0
    column, gap = np.divmod(np.flatnonzero(high[:, 1:] != high[:, :-1]), count + 1)
    above, below = np.maximum(gap - 1, 0), np.minimum(gap, count - 1)
    upper, lower = values[column, above], values[column, below]
    unsure = np.maximum(doubt[column, above], doubt[column, below])[:, None]
    gap += first
    sums = upper[:, None] * gaps.before[gap] + lower[:, None] * gaps.after[gap]
    inside = gaps.inside[gap]
    if (np.abs(values) <= doubt).any() or (inside & (np.abs(sums) <= unsure)).any():
        return None
    like_upper = inside & ((sums > 0) == (upper > 0)[:, None])
    edges = column * height + gaps.first[gap] + np.count_nonzero(like_upper, axis=1)
    # Where a run ends and the next one begins, and around a run without pixels, there is no edge.
    same = edges[1:] == edges[:-1]
    alone = np.ones(len(edges), np.bool_)
    alone[1:] &= ~same
    alone[:-1] &= ~same
    return np.asarray(edges[alone])


def _lines(places: int, steps: Steps, wanted: slice) -> tuple[slice, list[_Line]]:
    """The places of which the wanted pixels are made, and the parts of the lines on the way."""
    whole = []
    for length, kept in steps:
        whole.append(_line(places, length))
        places = kept
    lines = []
    for line in reversed(whole):
        lines.append(line.part(wanted))
        wanted = slice(int(line.at[wanted.start]), int(line.at[wanted.stop - 1]) + 2)
    return wanted, lines[::-1]


@lru_cache(maxsize=64)
def _line(places: int, pixels: int) -> _Line:
    """How torch enlarges a line, asked of torch itself, as it computes that in full floats."""
    exact = (np.arange(pixels) + 0.5) * places / pixels - 0.5
    at = np.clip(np.floor(exact).astype(np.intp), 0, max(0, places - 2))
    is_even = torch.arange(places) % 2 == 0
    probes = torch.stack([is_even, ~is_even]).float()[:, None]
    even, odd = of_host(F.interpolate(probes, pixels, mode="linear", align_corners=False)[:, 0])
    before, after = np.where(at % 2 == 0, (even, odd), (odd, even)).astype(np.float64)
    return _Line(at=at, before=before, after=after)


@lru_cache(maxsize=64)
def _gaps(places: int, pixels: int) -> _Gaps | None:
    """The gaps of a line, or None if there are some without pixels."""
    if not 2 <= places <= pixels:
        return None
    line = _line(places, pixels)
    starts = np.searchsorted(line.at, np.arange(places))
    count = np.diff(starts)
    index = np.minimum(starts[:-1, None] + np.arange(count.max()), pixels - 1)
    inside = np.arange(count.max()) < count[:, None]
    beyond = ((1, 1), (0, 0))
    return _Gaps(
        first=np.concatenate(([0], starts)),
        inside=np.pad(inside, beyond),
        before=np.pad(np.where(inside, line.before[index], 0), beyond),
        after=np.pad(np.where(inside, line.after[index], 0), beyond),
    )
