"""The images of two sides of a comparison, by their names, and what one side lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from premask.datasets.comparison_side import LabeledImage, LabelSet
from premask.datasets.selection import NO_CLASS
from premask.errors import InvalidSetting
from premask.evaluation.objects import ObjectTable, TableBuilder
from premask.labels.image_names import steps_of
from premask.masks import Size

ImagePair = tuple[LabeledImage, LabeledImage]

AT_ONCE = 256
"""So many pairs are read together, which is much faster; no more are in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePairs:
    """Images of both sides by their `names`; their labels are read when they are asked for.

    Where one side has no classes at all, as in folders of masks, the other's are taken away.
    """

    ones: LabelSet
    others: LabelSet
    names: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[ImagePair]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[ImagePair]]:
        """All pairs, some at a time."""
        for first in range(0, len(self), AT_ONCE):
            yield self._loaded(self.names[first : first + AT_ONCE])

    def at(self, place: int) -> ImagePair:
        """One pair."""
        (pair,) = self._loaded([self.names[place]])
        return pair

    @property
    def labels(self) -> frozenset[str]:
        """The classes of the other side's objects."""
        return frozenset({NO_CLASS}) if self._are_level else self.others.labels

    @property
    def _are_level(self) -> bool:
        return frozenset({""}) in (self.ones.labels, self.others.labels)

    def _loaded(self, names: list[tuple[str, str]]) -> list[ImagePair]:
        ones = self.ones.load([name for name, _ in names])
        others = self.others.load([name for _, name in names])
        for image in (*ones, *others) if self._are_level else ():
            image.rows = [row._replace(label=NO_CLASS) for row in image.rows]
        return list(zip(ones, others, strict=True))


def pair_images(ones: LabelSet, others: LabelSet, *, common_only: bool = False) -> ImagePairs:
    """Each image of the other side, in its order, with this side's.

    Names are the same, or only their last three, two or one steps, or the last without suffix; in
    each way a name must mean one image alone. What only one side has is an error, unless only
    common ones are wanted.
    """
    partners = _partners(list(ones.sizes), list(others.sizes))
    missing = [name for name in others.sizes if name not in partners]
    known = set(partners.values())
    unknown = [name for name in ones.sizes if name not in known]
    if not partners:
        raise InvalidSetting(
            f"{ones.source} and {others.source} have no image in common: one has such as "
            f"{_some(ones.sizes)}, the other {_some(others.sizes)}."
        )
    if not common_only:
        _require_none(missing, ones.source, others.source)
        _require_none(unknown, others.source, ones.source)
    names = [(partners[name], name) for name in others.sizes if name in partners]
    for one, other in names:
        _require_same_size(one, ones.sizes[one], others.sizes[other])
    return ImagePairs(ones=ones, others=others, names=names)


def tables_of(
    pairs: Iterable[ImagePair], classes: dict[str, int]
) -> tuple[ObjectTable, ObjectTable]:
    """The objects of both sides; new labels get the next class."""
    ones, others = TableBuilder(classes), TableBuilder(classes)
    for place, (one, other) in enumerate(pairs):
        ones.add(place, one.rows)
        others.add(place, other.rows)
    return ones.table(), others.table()


def _partners(names: list[str], others: list[str]) -> dict[str, str]:
    """The name on this side for each name on the other side that has one."""
    partners: dict[str, str] = {}
    for key in _KEYS:
        taken = set(partners.values())
        here = _by_key((name for name in names if name not in taken), key)
        there = _by_key((name for name in others if name not in partners), key)
        for part, alike in there.items():
            if len(alike) == 1 and len(here.get(part, ())) == 1:
                partners[alike[0]] = here[part][0]
    return partners


def _last_steps(count: int) -> Callable[[str], str]:
    return lambda name: "/".join(steps_of(name)[-count:])


_KEYS: tuple[Callable[[str], str], ...] = (
    str,
    *map(_last_steps, (3, 2, 1)),
    lambda name: PurePosixPath(*steps_of(name)[-1:]).stem,
)


def _by_key(names: Iterable[str], key: Callable[[str], str]) -> Mapping[str, list[str]]:
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(key(name), []).append(name)
    return by_key


def _require_none(missing: list[str], source: str, other: str) -> None:
    if missing:
        images = "1 image" if len(missing) == 1 else f"{len(missing):,} images"
        raise InvalidSetting(
            f"{source} lacks {images} of {other}, such as {_some(missing)}. Label them, too, or "
            "leave out what only one side has, with --common."
        )


def _require_same_size(name: str, size_hw: Size, other_hw: Size) -> None:
    # Some formats, such as Label Studio's tasks without a region, don't tell the size.
    if size_hw != other_hw and (0, 0) not in (size_hw, other_hw):
        (height, width), (other_height, other_width) = size_hw, other_hw
        raise InvalidSetting(
            f"'{name}' has {width} x {height} pixels on one side and {other_width} x "
            f"{other_height} on the other. Was it turned upright, or scaled, on one side only?"
        )


def _some(names: Iterable[str]) -> str:
    shown = [f"'{name}'" for name, _ in zip(names, range(3), strict=False)]
    return ", ".join(shown) or "none"
