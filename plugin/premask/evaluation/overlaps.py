"""IoUs of what was found with what is true, image by image: of boxes, of masks, of masks' edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask.evaluation.metrics import boundary, boundary_width
from premask.evaluation.objects import Flags, Floats, ObjectTable, Places
from premask.masks import Mask

BOX, MASK, EITHER = "box", "mask", "either"
"""What is compared; `EITHER` is masks where both objects have one, and boxes otherwise."""


class Overlaps(NamedTuple):
    """Pairs of places in two tables, and the IoU of each; pairs without one are left out."""

    found: Places
    true: Places
    ious: Floats

    def only(self, chosen: Flags) -> Overlaps:
        return Overlaps(self.found[chosen], self.true[chosen], self.ious[chosen])

    def of_found(self, chosen: Flags) -> Overlaps:
        """The pairs with places in a table of only the chosen found objects (n,)."""
        kept = self.only(chosen[self.found])
        return kept._replace(found=(np.cumsum(chosen) - 1)[kept.found])


NO_OVERLAPS = Overlaps(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))


def overlaps(
    found: ObjectTable, true: ObjectTable, *, by: str = MASK, least: float = 0.5
) -> Overlaps:
    """All pairs in the same image whose IoU is at least the least, of any classes.

    As COCO has it, a crowd's IoU is the share of the found object that lies in the crowd.
    """
    count = 1 + int(max(found.images.max(initial=-1), true.images.max(initial=-1)))
    found_bounds, true_bounds = found.bounds(count).tolist(), true.bounds(count).tolist()
    parts = [NO_OVERLAPS]
    for image in range(count):
        first, last = found_bounds[image], found_bounds[image + 1]
        true_first, true_last = true_bounds[image], true_bounds[image + 1]
        if first == last or true_first == true_last:
            continue
        ious = _ious(found, true, slice(first, last), slice(true_first, true_last), by)
        rows, columns = np.nonzero(ious >= least)
        parts.append(Overlaps(rows + first, columns + true_first, ious[rows, columns]))
    return joined(parts)


def _ious(found: ObjectTable, true: ObjectTable, ones: slice, others: slice, by: str) -> Floats:
    crowds = true.crowds[others].tolist()
    masks, truths = found.masks[ones], true.masks[others]
    if by == MASK or (by == EITHER and None not in masks and None not in truths):
        return mask_ious(masks, truths, crowds)
    of_boxes = np.asarray(coco_mask.iou(found.boxes_xywh[ones], true.boxes_xywh[others], crowds))
    if by == BOX:
        return of_boxes
    masked = [mask is not None for mask in masks]
    both = np.outer(masked, [mask is not None for mask in truths])
    return np.where(both, mask_ious(masks, truths, crowds), of_boxes)


def mask_ious(
    masks: Sequence[Mask | None], truths: Sequence[Mask | None], crowds: Sequence[bool] = ()
) -> NDArray[np.float64]:
    """IoU (n, m) of n masks with m true ones, in one call; 0 where there is no mask.

    Where the true one is a crowd, it is the share of the other one that lies in it.
    """
    ious = np.zeros((len(masks), len(truths)))
    rows = [place for place, mask in enumerate(masks) if mask is not None]
    columns = [place for place, mask in enumerate(truths) if mask is not None]
    if rows and columns:
        packed = [mask.packed for mask in masks if mask is not None]
        true_packed = [mask.packed for mask in truths if mask is not None]
        are_crowds = [bool(crowds and crowds[place]) for place in columns]
        ious[np.ix_(rows, columns)] = coco_mask.iou(packed, true_packed, are_crowds)
    return ious


def joined(parts: Sequence[Overlaps]) -> Overlaps:
    """All pairs of one part or more."""
    return Overlaps(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def edge_ious(pairs: Overlaps, found: ObjectTable, true: ObjectTable) -> Floats:
    """The boundary IoU (Cheng et al., 2021) of each pair of masks; 1 for a crowd."""
    found_edges, true_edges = _edges(found, pairs.found), _edges(true, pairs.true)
    couples = zip(pairs.found.tolist(), pairs.true.tolist(), strict=True)
    ious = [
        1.0
        if true.crowds[other]
        else float(mask_ious([found_edges[one]], [true_edges[other]])[0, 0])
        for one, other in couples
    ]
    return np.array(ious, np.float64)


def at_edges(pairs: Overlaps, ious_of_edges: Floats, least: float = 0.5) -> Overlaps:
    """What boundary AP counts by: the lesser of the IoUs of two masks and of their edges."""
    lesser = np.minimum(pairs.ious, ious_of_edges)
    return Overlaps(pairs.found, pairs.true, lesser).only(lesser >= least)


def _edges(table: ObjectTable, places: Places) -> dict[int, Mask]:
    edges = {}
    for place in np.unique(places).tolist():
        mask = table.masks[place]
        assert mask is not None
        edges[place] = boundary(mask, boundary_width(mask.size_hw))
    return edges
