"""Numbers of objects: COCO's AP of boxes, masks and edges, and what is right at one point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from premask.datasets.comparison_result import Row
from premask.datasets.image_pairs import ImagePairs
from premask.datasets.measured_pairs import MeasuredPairs, measured_pairs
from premask.evaluation.average_precision import (
    THRESHOLDS,
    AveragePrecision,
    average_precision,
)
from premask.evaluation.comparison import ComparedTables, compare_tables
from premask.evaluation.objects import Flags, Floats
from premask.evaluation.overlaps import BOX, MASK, Overlaps, at_edges
from premask.evaluation.thresholds import best_thresholds

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


def score_objects(
    pairs: ImagePairs,
    classes: dict[str, int],
    *,
    iou: float,
    boundaries: bool,
    on_image: Callable[[], None] | None = None,
) -> ObjectScores:
    """Compare masks where all objects have one, and boxes always; new labels get the next class."""
    least = min(iou, float(THRESHOLDS[0]))
    measured = measured_pairs(
        pairs, classes, by=(MASK, BOX), least=least, edges=boundaries, on_image=on_image
    )
    found, true, names = measured.ones, measured.others, list(classes)
    met = _named_overlaps(measured, least)
    main = next(iter(met))
    precision: dict[str, AveragePrecision] = {}
    if len(found) and found.all_have_scores:
        for name, overlapping in met.items():
            precision[name] = average_precision(found, true, overlapping, len(names))
    hits = met[main].only(met[main].ious >= iou)
    kept: Flags = np.ones(len(found), np.bool_)
    thresholds: Floats = np.full(len(names), np.nan)
    if precision:
        thresholds = best_thresholds(found, true, hits, len(names), iou)
        kept = found.scores >= thresholds[found.classes]
    compared = compare_tables(found.only(kept), true, hits.of_found(kept))
    numbers = {name: of.summary() for name, of in precision.items()}
    numbers["at one point"] = _at_one_point(compared) | _edge_mean(measured, compared, kept)
    rows = _class_rows(compared, names, thresholds, precision.get(main))
    return ObjectScores(numbers=numbers, classes=rows, notes=_notes(measured), compared=compared)


def _named_overlaps(measured: MeasuredPairs, least: float) -> dict[str, Overlaps]:
    """The pairs of masks first, where all objects have one."""
    named = {"masks": MASK, "boxes": BOX}
    met = {name: measured.overlaps[by] for name, by in named.items() if by in measured.overlaps}
    if measured.edges is not None:
        met["boundaries"] = at_edges(met["masks"], measured.edges, least)
    return met


def _notes(measured: MeasuredPairs) -> list[str]:
    notes, found = [], measured.ones
    sides = zip(("found", "true"), (found, measured.others), measured.unmasked, strict=True)
    for name, table, missing in sides:
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


def _edge_mean(measured: MeasuredPairs, compared: ComparedTables, kept: Flags) -> dict[str, float]:
    """The mean boundary IoU of the pairs that agree."""
    if measured.edges is None:
        return {}
    places = np.flatnonzero(kept)
    pairs = measured.overlaps[MASK]
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
