"""Images that are there twice: byte by byte, or nearly, as after scaling or saving anew."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import PIL.Image

from premask.annotations import Labeled
from premask.errors import UnreadableImage
from premask.images import read_image

Groups = list[list[str]]

_FEW_BITS = 4
"""So many of 64 may differ. Where no more are set, a surface is flat, and all such look alike."""

_GRID = 32
"""Labels that are nearly the same have boxes in the same of so many columns and rows."""


def similar_images(
    paths: Mapping[str, Path], on_image: Callable[[], None] | None = None
) -> tuple[Groups, Groups]:
    """Names of images with the same bytes, and of those that look the same otherwise."""
    same: dict[bytes, list[str]] = defaultdict(list)
    hashes: dict[str, int] = {}
    for name, path in paths.items():
        try:
            digest = hashlib.sha256(path.read_bytes()).digest()
            if digest not in same:
                hashes[name] = difference_hash(read_image(path, name).rgb)
            same[digest].append(name)
        except (OSError, UnreadableImage):
            pass  # whoever checks labels with their images names it
        if on_image is not None:
            on_image()
    return _several(same.values()), near_groups(hashes)


def similar_labels(labeled: Iterable[Labeled]) -> tuple[Groups, Groups]:
    """Names of images with the very same objects, and of those with nearly the same ones."""
    same: dict[bytes, list[str]] = defaultdict(list)
    near: dict[bytes, list[str]] = defaultdict(list)
    for one in labeled:
        if not one.annotations:
            continue
        size_hw = one.image.size_hw
        exact = {(a.label, a.mask.counts if a.mask else a.box_xyxy) for a in one.annotations}
        rough = {(a.label, _cells(a.box_xyxy, size_hw)) for a in one.annotations}
        key = _digest(size_hw, *exact)
        if key not in same and len(rough) > 1:
            near[_digest(*rough)].append(one.image.name)
        same[key].append(one.image.name)
    return _several(same.values()), _several(near.values())


def difference_hash(rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """64 bits: whether each of 8 x 8 cells is lighter than the one on its right."""
    gray = PIL.Image.fromarray(rgb).convert("L").resize((9, 8), PIL.Image.Resampling.BOX)
    pixels = np.asarray(gray, np.int16)
    bits = np.packbits(pixels[:, 1:] < pixels[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def near_groups(hashes: Mapping[str, int]) -> Groups:
    """Names whose hashes differ in a few bits from that of another one in the group.

    Of five parts of a hash one has to be the same, if four bits differ: only those are compared.
    """
    group_of = {name: name for name in hashes}
    parts: dict[tuple[int, int], list[str]] = defaultdict(list)
    for name, bits in hashes.items():
        if _FEW_BITS < bits.bit_count() < 64 - _FEW_BITS:
            for part in range(_FEW_BITS + 1):
                parts[part, bits >> (13 * part) & 0x1FFF].append(name)
    for alike in parts.values():
        for one, other in combinations(alike, 2):
            if (hashes[one] ^ hashes[other]).bit_count() <= _FEW_BITS:
                group_of[_first(group_of, other)] = _first(group_of, one)
    groups: dict[str, list[str]] = defaultdict(list)
    for name in hashes:
        groups[_first(group_of, name)].append(name)
    return _several(groups.values())


def _first(group_of: dict[str, str], name: str) -> str:
    while group_of[name] != name:
        name = group_of[name]
    return name


def _digest(*parts: object) -> bytes:
    """A hash of things in any order: of a million masks the pixels have no room."""
    return hashlib.sha256("\n".join(sorted(map(repr, parts))).encode()).digest()


def _several(groups: Iterable[list[str]]) -> Groups:
    return [names for names in groups if len(names) > 1]


def _cells(box_xyxy: Sequence[float], size_hw: tuple[int, int]) -> tuple[int, ...]:
    height, width = (max(1, side) for side in size_hw)
    x0, y0, x1, y1 = box_xyxy
    shares = (x0 / width, y0 / height, x1 / width, y1 / height)
    return tuple(round(share * _GRID) for share in shares)
