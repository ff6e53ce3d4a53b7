"""Numbers of objects: COCO's AP of boxes, masks and edges, and what is right at one point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from premask.evaluation.average_precision import (
    THRESHOLDS,
    AveragePrecision,
    average_precision,
)
from premask.evaluation.comparison import ComparedTables, compare_tables
from premask.evaluation.objects import Flags, Floats, ObjectTable
from premask.evaluation.overlaps import BOX, MASK, Overlaps, at_edges, edge_ious, overlaps
from premask.evaluation.thresholds import best_thresholds

Row = dict[str, Any]

SIZE_NAMES = {"APs": "small", "APm": "medium", "APl": "large"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScores:
    """Groups of numbers, a row for each class, and who was found in the place of whom.

    Where there are scores, `compared` are the objects from each class's best threshold on.
    """

    numbers: dict[str, dict[str, float]]
    classes: list[Row]
    notes: list[str]
    compared: ComparedTables


@dataclass(slots=True, kw_only=True)
class _Measured:
    """Pairs that overlap, by what is compared; and COCO's numbers, where there are scores."""

    pairs: dict[str, Overlaps] = field(default_factory=dict)
    precision: dict[str, AveragePrecision] = field(default_factory=dict)
    edges: Floats | None = None


def score_objects(
    found: ObjectTable,
    true: ObjectTable,
    classes: Sequence[str],
    *,
    iou: float,
    boundaries: bool,
    on_image: Callable[[], None] | None = None,
) -> ObjectScores:
    """Compare masks where all objects have one, and boxes always."""
    measured, notes = _Measured(), _notes(found, true)
    by_mask = bool(len(found) and len(true)) and found.all_have_masks and true.all_have_masks
    least = min(iou, float(THRESHOLDS[0]))
    for name, by in (("masks", MASK), ("boxes", BOX))[0 if by_mask else 1 :]:
        counts = on_image if by == (MASK if by_mask else BOX) else None
        measured.pairs[name] = overlaps(found, true, by=by, least=least, on_image=counts)
    main = next(iter(measured.pairs))
    if boundaries and by_mask:
        measured.edges = edge_ious(measured.pairs["masks"], found, true)
        measured.pairs["boundaries"] = at_edges(measured.pairs["masks"], measured.edges, least)
    if len(found) and found.all_have_scores:
        for name, pairs in measured.pairs.items():
            measured.precision[name] = average_precision(found, true, pairs, len(classes))
    pairs = measured.pairs[main].only(measured.pairs[main].ious >= iou)
    kept: Flags = np.ones(len(found), np.bool_)
    thresholds: Floats = np.full(len(classes), np.nan)
    if measured.precision:
        thresholds = best_thresholds(found, true, pairs, len(classes), iou)
        kept = found.scores >= thresholds[found.classes]
    compared = compare_tables(found.only(kept), true, pairs.of_found(kept))
    numbers = {name: of.summary() for name, of in measured.precision.items()}
    numbers["at one point"] = _at_one_point(compared) | _edge_mean(measured, compared, kept)
    rows = _class_rows(compared, classes, thresholds, measured.precision.get(main))
    return ObjectScores(numbers=numbers, classes=rows, notes=notes, compared=compared)


def _notes(found: ObjectTable, true: ObjectTable) -> list[str]:
    notes = []
    for name, table in (("found", found), ("true", true)):
        missing = sum(mask is None for mask in table.masks)
        if missing:
            objects = f"{missing:,} of {len(table):,} {name} objects"
            notes.append(f"{objects} have no mask: only boxes are compared.")
    unscored = int(np.isnan(found.scores).sum())
    if unscored:
        notes.append(
            f"{unscored:,} of {len(found):,} found objects have no score, which AP needs. So there "
            "is only precision and recall of all of them."
        )
    return notes


def _at_one_point(compared: ComparedTables) -> dict[str, float]:
    hits = compared.same_class
    found = int((~compared.ignored).sum())
    true = int((~compared.others.crowds).sum())
    return {**_rates(int(hits.sum()), found, true), "mean IoU": _mean(compared.ious[hits])}


def _rates(hits: int, found: int, true: int) -> dict[str, float]:
    """Precision, recall and F1; -1 for what has nothing to be a share of."""
    return {
        "precision": hits / found if found else -1.0,
        "recall": hits / true if true else -1.0,
        "F1": 2 * hits / (found + true) if found + true else -1.0,
    }


def _edge_mean(measured: _Measured, compared: ComparedTables, kept: Flags) -> dict[str, float]:
    """The mean boundary IoU of the pairs that agree."""
    if measured.edges is None:
        return {}
    places = np.flatnonzero(kept)
    pairs = measured.pairs["masks"]
    couples = zip(pairs.found.tolist(), pairs.true.tolist(), strict=True)
    by_pair = dict(zip(couples, measured.edges.tolist(), strict=True))
    edges = [
        by_pair[int(places[place]), int(compared.partners[place])]
        for place in np.flatnonzero(compared.same_class).tolist()
    ]
    return {"mean boundary IoU": _mean(np.array(edges))}


def _class_rows(
    compared: ComparedTables,
    classes: Sequence[str],
    thresholds: Floats,
    precision: AveragePrecision | None,
) -> list[Row]:
    """A row for each class that is found or true; AP is of masks where they are compared."""
    rows: list[Row] = []
    hits, counted = compared.same_class, ~compared.ignored
    for place, name in enumerate(classes):
        of_class = compared.ones.classes == place
        true = int(((compared.others.classes == place) & ~compared.others.crowds).sum())
        found, right = int((of_class & counted).sum()), of_class & hits
        if not found and not true and np.isnan(thresholds[place]):
            continue
        row: Row = {"class": name, "true": true, "found": found, "hits": int(right.sum())}
        row |= _rates(row["hits"], found, true)
        row["mean IoU"] = _mean(compared.ious[right])
        if precision is not None:
            row["threshold"] = float(thresholds[place])
            row |= _class_precision(precision, place)
        rows.append(row)
    return rows


def _class_precision(precision: AveragePrecision, place: int) -> Row:
    sizes = {name: precision.of_class(place, size=size) for name, size in SIZE_NAMES.items()}
    at = [precision.of_class(place, threshold=float(threshold)) for threshold in THRESHOLDS]
    return {
        "AP": precision.of_class(place),
        "AP50": at[0],
        "AP75": at[5],
        **sizes,
        "AP by IoU": dict(zip((f"{threshold:.2f}" for threshold in THRESHOLDS), at, strict=True)),
    }


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else -1.0
