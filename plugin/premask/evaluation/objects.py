"""The objects of many images as one table, of which numbers are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import box_area
from premask.masks import Mask

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]


class TableRow(NamedTuple):
    """One object; its box and area are what its file says, which may differ from the mask's."""

    label: str
    score: float | None
    box_xywh: tuple[float, float, float, float]
    area: float
    crowd: bool
    mask: Mask | None

    @classmethod
    def of(cls, annotation: Annotation) -> TableRow:
        mask, (x0, y0, x1, y1) = annotation.mask, annotation.box_xyxy
        area = box_area(annotation.box_xyxy) if mask is None else mask.area
        box = x0, y0, x1 - x0, y1 - y0
        return cls(annotation.label, annotation.score, box, area, annotation.crowd, mask)

    def annotation(self) -> Annotation:
        """The object as it is drawn."""
        x, y, width, height = self.box_xywh
        return Annotation(
            label=self.label,
            box_xyxy=(x, y, x + width, y + height),
            score=self.score,
            mask=self.mask,
            crowd=self.crowd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTable:
    """n objects; those of an image stand together, and the images in order.

    `images` and `classes` (n,) are places in lists that both sides of a comparison share. Boxes
    (n, 4) and areas (n,) are in pixels. A score (n,) is NaN where no model gave one. `places` (n,)
    are those among the objects of the image. `masks` are empty once they were let go of.
    """

    images: Places
    places: Places
    classes: Places
    scores: Floats
    boxes_xywh: Floats
    areas: Floats
    crowds: Flags
    masks: Sequence[Mask | None]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def unmasked(self) -> int:
        """How many have no mask."""
        return sum(mask is None for mask in self.masks)

    @property
    def all_have_scores(self) -> bool:
        return not bool(np.isnan(self.scores).any())

    def bounds(self, images: int) -> Places:
        """The objects of image k are those from bounds[k] up to bounds[k + 1]."""
        return np.searchsorted(self.images, np.arange(images + 1))

    def only(self, chosen: Flags) -> ObjectTable:
        """The chosen objects (n,), in their order."""
        return ObjectTable(
            images=self.images[chosen],
            places=self.places[chosen],
            classes=self.classes[chosen],
            scores=self.scores[chosen],
            boxes_xywh=self.boxes_xywh[chosen],
            areas=self.areas[chosen],
            crowds=self.crowds[chosen],
            masks=[self.masks[place] for place in np.flatnonzero(chosen)] if self.masks else (),
        )

    def without_masks(self) -> ObjectTable:
        """The numbers alone, which take 80 bytes for each object."""
        return replace(self, masks=())


def joined_tables(tables: Sequence[ObjectTable], images: Sequence[int]) -> ObjectTable:
    """Several tables without masks as one; each has so many images of its own."""
    firsts = np.cumsum([0, *images])
    places = [table.images + first for table, first in zip(tables, firsts, strict=False)]
    return ObjectTable(
        images=np.concatenate(places),
        places=np.concatenate([table.places for table in tables]),
        classes=np.concatenate([table.classes for table in tables]),
        scores=np.concatenate([table.scores for table in tables]),
        boxes_xywh=np.concatenate([table.boxes_xywh for table in tables]),
        areas=np.concatenate([table.areas for table in tables]),
        crowds=np.concatenate([table.crowds for table in tables]),
        masks=(),
    )


@dataclass(slots=True)
class TableBuilder:
    """Takes the objects of one image after the other; new labels get the next class."""

    classes: dict[str, int]
    _rows: list[TableRow] = field(default_factory=list)
    _images: list[int] = field(default_factory=list)

    def add(self, image: int, rows: Sequence[TableRow]) -> None:
        for row in rows:
            self.classes.setdefault(row.label, len(self.classes))
        self._rows += rows
        self._images += [image] * len(rows)

    def table(self) -> ObjectTable:
        """All that was added, image by image."""
        order = np.argsort(np.array(self._images, np.int64), kind="stable").tolist()
        rows = [self._rows[place] for place in order]
        images = np.array([self._images[place] for place in order], np.int64)
        scores = [np.nan if row.score is None else row.score for row in rows]
        return ObjectTable(
            images=images,
            places=np.arange(len(rows)) - np.searchsorted(images, images),
            classes=np.array([self.classes[row.label] for row in rows], np.int64),
            scores=np.array(scores, np.float64),
            boxes_xywh=np.array([row.box_xywh for row in rows], np.float64).reshape(-1, 4),
            areas=np.array([row.area for row in rows], np.float64),
            crowds=np.array([row.crowd for row in rows], np.bool_),
            masks=[row.mask for row in rows],
        )
