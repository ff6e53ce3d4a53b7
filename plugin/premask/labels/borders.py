"""The sides of pixels at which a mask ends, and the rings in which they follow one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

# The sides of a pixel in the order in which they are walked: top, right, bottom, left.
_TOP, _BOTTOM, _SIDES = 0, 2, 4
_OUT_XY = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])
_START_XY = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """The sides of pixels at which a mask ends: the numbers of pixels, and which side of them.

    An outline goes from side to side with the mask on its right hand, so it turns around a hole the
    other way than around a part. The sides are sorted by side, then by pixel, and the `followers`
    that lead from one to the next are indices into that order.
    """

    pixel: Indices
    side: Indices
    width: int

    @classmethod
    def around(cls, pixels: NDArray[np.bool_]) -> Border:
        """All sides of pixels (height, width), none of which is at the array's own edge."""
        flat, width = pixels.ravel(), pixels.shape[1]
        found = [np.flatnonzero(flat & ~np.roll(flat, -step)) for step in _OUT_XY @ (1, width)]
        side = np.repeat(np.arange(_SIDES), [len(pixel) for pixel in found])
        return cls(pixel=np.concatenate(found), side=side, width=width)

    def followers(self, pixels: NDArray[np.bool_]) -> Indices:
        """For each side the next one of its outline."""
        flat, out = pixels.ravel(), _OUT_XY @ (1, self.width)
        ahead = self.pixel + out[(self.side + 1) % _SIDES]
        corner = ahead + out[self.side]
        # Pixels that share nothing but a corner are two parts, so there the outline turns right.
        turns_right = ~flat[ahead]
        turns_left = ~turns_right & flat[corner]
        pixel = np.select([turns_right, turns_left], [self.pixel, corner], ahead)
        return self._index(self.side + turns_right - turns_left.astype(np.int64), pixel)

    def bends(self, followers: Indices) -> Indices:
        """The pixel between each side's and its follower's where those meet askew, or -1."""
        turns_left = (self.side - self.side[followers]) % _SIDES == 1
        ahead = self.pixel + (_OUT_XY @ (1, self.width))[(self.side + 1) % _SIDES]
        return np.where(turns_left, ahead, -1)

    def opened(self, followers: Indices) -> Indices:
        """Followers that lead into every hole, around it, and back: one ring for each part."""
        after, before = followers.copy(), np.argsort(followers)
        bottoms = self.upper_sides_of_holes(followers)
        for bottom, top in zip(bottoms, self.tops_above(bottoms), strict=True):
            entry, inside = before[top], after[bottom]
            after[entry], before[inside] = inside, entry
            after[bottom], before[top] = top, bottom
        return after

    def outlines_xy(self, followers: Indices, offset_xy: Indices) -> list[Indices]:
        """The corners (n, 2) of each ring."""
        order, firsts = rings(followers)
        following = followers[order]
        end, start = self._starts_xy(order, 1), self._starts_xy(following, 0)
        bridge = (end != start).any(axis=1)
        turn = self.side[order] != self.side[following]
        is_corner = np.stack([turn | bridge, bridge], axis=1)
        corners = np.stack([end, start], axis=1)[is_corner] + offset_xy
        ends = np.cumsum(is_corner.sum(axis=1))[np.append(firsts[1:], len(order)) - 1]
        return np.split(corners, ends)[:-1]

    def _index(self, side: Indices, pixel: Indices) -> Indices:
        """The indices of these sides."""
        stride = self.pixel.max() + 1
        keys: Indices = self.side * stride + self.pixel
        wanted: Indices = side % _SIDES * stride + pixel
        return np.searchsorted(keys, wanted)

    def upper_sides_of_holes(self, followers: Indices) -> Indices:
        """For each hole the lower side of the first pixel above it."""
        order, firsts = rings(followers)
        row = self.pixel // self.width
        height = np.select([self.side == _TOP, self.side == _BOTTOM], [-row, row + 1])
        upper = np.where(self.side == _BOTTOM, self.pixel, self.pixel.max())
        is_hole = np.add.reduceat(height[order], firsts) < 0
        pixel = np.minimum.reduceat(upper[order], firsts)[is_hole]
        return self._index(np.full(len(pixel), _BOTTOM), pixel)

    def tops_above(self, bottoms: Indices) -> Indices:
        """For each of these sides the first upper side on the way up through the mask."""
        tops = np.flatnonzero(self.side == _TOP)
        tops = tops[np.argsort(self._down_the_columns(tops))]
        below = np.searchsorted(
            self._down_the_columns(tops), self._down_the_columns(bottoms), side="right"
        )
        return tops[below - 1]

    def _down_the_columns(self, sides: Indices) -> Indices:
        row, column = np.divmod(self.pixel[sides], self.width)
        positions: Indices = column * self.pixel.max() + row
        return positions

    def _starts_xy(self, sides: Indices, turn: int) -> Indices:
        """Where the sides start, or (turn=1) end."""
        row, column = np.divmod(self.pixel[sides], self.width)
        corner = _START_XY[(self.side[sides] + turn) % _SIDES]
        xy: Indices = np.stack([column, row], axis=1) + corner
        return xy


def rings(followers: Indices) -> tuple[Indices, Indices]:
    """All indices, ring by ring, and where in them each ring begins."""
    after, seen = followers.tolist(), bytearray(len(followers))
    order: list[int] = []
    firsts = []
    for first in range(len(after)):
        if not seen[first]:
            firsts.append(len(order))
        index = first
        while not seen[index]:
            seen[index] = True
            order.append(index)
            index = after[index]
    return np.array(order, np.int64), np.array(firsts, np.int64)
