"""What an annotation says about the regions that were proposed: taken over, corrected, deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml_backend.server.proposals import Proposal, ShownRegion, shown_regions
from ml_backend.studio.protocol import Json
from premask.evaluation.comparison import compare_tables
from premask.evaluation.objects import ObjectTable, TableBuilder, TableRow
from premask.evaluation.overlaps import EITHER, overlaps

ACCEPTED, CORRECTED, DELETED, ADDED = VERDICTS = ("accepted", "corrected", "deleted", "added")

UNCHANGED = 0.95
"""The IoU with what was proposed from which on a region counts as accepted: a correction that
anybody would see changes more, and a box that was nudged by a pixel less."""

SAME_OBJECT = 0.5
"""The IoU from which on a region that somebody drew anew is a correction of one that they deleted.
"""

SMALLEST = 1e-9
"""Of an IoU: above 0."""

LABELS_OF_AN_ANNOTATION = 200
OTHERS = "(others)"
"""Labels beyond this number are counted together: anybody who can send an event can make up
names."""


class Judged(NamedTuple):
    """How often one verdict was given on proposals of a recipe with a label."""

    recipe: str
    label: str
    verdict: str
    times: int


class Partner(NamedTuple):
    """The proposal that a region was, by its id, and their IoU; None where no shapes are known."""

    proposal: str
    iou: float | None


def judged(annotation: Json, proposed: Mapping[str, Proposal]) -> list[Judged]:
    """Count verdicts on what was proposed to the person who made this annotation.

    Label Studio keeps the ids of regions, and says where they come from: "prediction",
    "prediction-changed" or "manual". An accepted suggestion of a click says "manual".
    """
    if annotation.get("was_cancelled"):
        return []  # Somebody skipped the task, and says nothing of what is in it.
    shown = shown_regions(annotation.get("result"))
    regions = list({region.identifier: region for region in shown}.values())
    started = bool(annotation.get("parent_prediction"))
    saw_these = started and not any(_is_from_elsewhere(region, proposed) for region in regions)
    partners = _partners(regions, proposed, redrawn=saw_these)
    counts: Counter[tuple[str, str, str]] = Counter()
    missed_by = _recipe_of_task(proposed) if started else ""
    for region, partner in zip(regions, partners, strict=True):
        if partner is None:
            counts[missed_by, region.label, _BY_ORIGIN.get(region.origin, ADDED)] += 1
        else:
            before = proposed[partner.proposal]
            counts[before.recipe, before.label, _verdict(region, before, partner.iou)] += 1
    if saw_these:
        met = {partner.proposal for partner in partners if partner is not None}
        gone = (one for name, one in proposed.items() if name not in met and not one.clicked)
        counts.update((one.recipe, one.label, DELETED) for one in gone)
    return _bounded(Judged(*what, count) for what, count in counts.items())


def by_label(rows: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """The counts of each label's verdicts, whatever recipe they are on."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.label, Counter())[row.verdict] += row.times
    return {label: dict(counted) for label, counted in counts.items()}


_BY_ORIGIN = {"prediction": ACCEPTED, "prediction-changed": CORRECTED}
"""What is known of a region that was in a prediction that nobody here remembers."""


def _is_from_elsewhere(region: ShownRegion, proposed: Mapping[str, Proposal]) -> bool:
    """Whether it was in another prediction than the one that is remembered for the task."""
    return region.origin in _BY_ORIGIN and region.identifier not in proposed


def _verdict(region: ShownRegion, before: Proposal, iou: float | None) -> str:
    if region.label != before.label:
        return CORRECTED
    unchanged = region.origin != "prediction-changed" if iou is None else iou >= UNCHANGED
    return ACCEPTED if unchanged else CORRECTED


def _recipe_of_task(proposed: Mapping[str, Proposal]) -> str:
    """Which recipe has missed what people add."""
    return next((one.recipe for one in proposed.values() if not one.clicked), "")


def _partners(
    regions: Sequence[ShownRegion], proposed: Mapping[str, Proposal], *, redrawn: bool
) -> list[Partner | None]:
    """For each region the proposal with its id, or (`redrawn`) a deleted one that was there."""
    names, by_id = list(proposed), {region.identifier for region in regions} & set(proposed)
    images, classes = dict[str, int](), dict[str, int]()
    ones, found = _table(list(proposed.values()), images, classes)
    others, true = _table(regions, images, classes)
    pairs = overlaps(ones, others, by=EITHER, least=SMALLEST)
    ious = {
        (names[found[one]], true[other]): float(iou)
        for one, other, iou in zip(*(column.tolist() for column in pairs), strict=True)
    }
    deleted = np.array([name not in by_id and not proposed[name].clicked for name in names])
    new = np.array([redrawn and region.identifier not in by_id for region in regions])
    free = deleted[found][pairs.found] & new[true][pairs.true] if ious else np.zeros(0, np.bool_)
    met = compare_tables(ones, others, pairs.only(free & (pairs.ious >= SAME_OBJECT)))
    drawn_anew = {
        true[other]: Partner(names[found[one]], float(met.ious[one]))
        for one, other in enumerate(met.partners.tolist())
        if other >= 0
    }
    partners: list[Partner | None] = []
    for place, region in enumerate(regions):
        name = region.identifier
        if name in by_id:
            known = proposed[name].shape is not None and region.shape is not None
            partners.append(Partner(name, ious.get((name, place), 0.0) if known else None))
        else:
            partners.append(drawn_anew.get(place))
    return partners


def _table(
    objects: Sequence[Proposal | ShownRegion], images: dict[str, int], classes: dict[str, int]
) -> tuple[ObjectTable, list[int]]:
    """The known shapes as a table, and the place of each of its rows among all objects.

    Masks of different sizes are taken for masks of different images: they can't be compared.
    """
    builder, rows = TableBuilder(classes), list[tuple[int, int]]()
    for place, one in enumerate(objects):
        if one.shape is not None:
            size = one.shape.mask.size_hw if one.shape.mask is not None else ()
            number = images.setdefault(f"{one.image} {size}", len(images))
            builder.add(number, [TableRow.of(one.shape)])
            rows.append((number, place))
    return builder.table(), [place for _, place in sorted(rows)]


def _bounded(rows: Iterable[Judged]) -> list[Judged]:
    """The rows, those with further labels counted together."""
    counts: Counter[tuple[str, str, str]] = Counter()
    labels: set[tuple[str, str]] = set()
    for recipe, label, verdict, count in rows:
        known = (recipe, label) in labels or len(labels) < LABELS_OF_AN_ANNOTATION
        labels |= {(recipe, label)} if known else set()
        counts[recipe, label if known else OTHERS, verdict] += count
    return [Judged(*what, count) for what, count in counts.items()]
