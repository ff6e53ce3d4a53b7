"""Thousands of COCO strings checked at once, which one by one takes longer than using them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.geometry import MAX_PIXELS
from premask.rle import Counts, needless_digits, string_to_differences

_CHARACTERS = 2**21
"""So many are looked at together; each takes about 50 bytes of memory."""


def are_canonical(texts: Sequence[bytes], pixels: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each text (n,) is what `counts_to_string` writes of a mask of so many pixels.

    One that is not may still be a mask: `Mask.from_rle` knows, and writes it anew.
    """
    flags = np.zeros(len(texts), np.bool_)
    # A text whose last number does not end would go on in the next one.
    whole = [place for place, text in enumerate(texts) if b"0" <= text[-1:] < b"P"]
    ends = np.fromiter(accumulate(len(texts[place]) for place in whole), np.int64, len(whole))
    bounds = np.flatnonzero(np.diff(ends // _CHARACTERS, append=-1)) + 1
    for first, last in pairwise([0, *bounds.tolist()]):
        chosen = whole[first:last]
        sizes = np.array([pixels[place] for place in chosen], np.int64)
        flags[chosen] = _checked([texts[place] for place in chosen], sizes)
    return flags


def _checked(texts: Sequence[bytes], pixels: Counts) -> NDArray[np.bool_]:
    joined, text_ends = b"".join(texts), np.cumsum([len(text) for text in texts])
    try:
        differences, ends = string_to_differences(joined)
    except InvalidMask:
        return np.zeros(len(texts), np.bool_)
    owners = np.searchsorted(text_ends, ends, side="right")
    firsts = np.searchsorted(owners, np.arange(len(texts)))
    places = np.arange(len(differences)) - firsts[owners]
    counts = _summed(differences, owners, places)
    flags: NDArray[np.bool_] = (
        (np.add.reduceat(counts, firsts) == pixels) & (pixels <= MAX_PIXELS) & (pixels > 0)
    )
    # Only the first run may be empty.
    flags[owners[(counts < 0) | (counts > MAX_PIXELS) | ((counts == 0) & (places > 0))]] = False
    flags[np.searchsorted(text_ends, needless_digits(joined), side="right")] = False
    return flags


def _summed(differences: Counts, owners: Counts, places: Counts) -> Counts:
    """Counts of the differences to the number before the last, text by text."""
    counts = differences.copy()
    for parity in (1, 0):
        chain = np.flatnonzero((places % 2 == parity) & (places > 0))
        sums = np.cumsum(differences[chain])
        starts = np.flatnonzero(np.diff(owners[chain], prepend=-1))
        before = np.concatenate(([0], sums))[starts]
        lengths = np.diff(starts, append=len(chain))
        counts[chain] = sums - np.repeat(before, lengths)
    return counts
