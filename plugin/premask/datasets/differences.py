"""Where two sets of labels of the same images differ: two recipes, two people, two versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from premask.datasets.image_files import Images
from premask.datasets.image_pairs import pair_images, tables_of
from premask.datasets.label_set import Source, read_label_set
from premask.datasets.matched_images import MatchedImage, known_numbers, matched_images
from premask.errors import InvalidSetting
from premask.evaluation.comparison import ComparedTables, compare_tables
from premask.evaluation.overlaps import EITHER, overlaps
from premask.runs.progress import ProgressCounter, ProgressWatcher

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Totals, a row for each class, and the images, those that disagree the most first."""

    one: str
    other: str
    totals: dict[str, float]
    classes: list[Row] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: list[MatchedImage] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it for programs, without masks."""
        return {
            "one": self.one,
            "other": self.other,
            "totals": known_numbers(self.totals),
            "classes": known_numbers(self.classes),
            "labels": self.labels,
            "confusion": self.confusion,
            "notes": self.notes,
            "images": [image.as_json() for image in self.images],
        }


def compare(
    one: Source,
    other: Source,
    images: Images | None = None,
    *,
    iou: float = 0.5,
    common_only: bool = False,
    on_progress: ProgressWatcher | None = None,
) -> Differences:
    """Say what only one side has, what both have and with which IoU, and where classes differ.

    Objects with at least this IoU are partners, those with the highest first; of the same class
    before those of another. Scores play no part.
    """
    if not 0 < iou <= 1:
        raise InvalidSetting(f"An IoU is more than 0 and at most 1; got {iou}.")
    others = read_label_set(other, images)
    ones = read_label_set(one, images, truth=others)
    pairs = pair_images(ones, others, common_only=common_only)
    classes = {label: place for place, label in enumerate(others.classes)}
    table, other_table = tables_of(pairs, classes)
    counter = ProgressCounter(total=len(pairs), on_progress=on_progress)
    met = overlaps(table, other_table, by=EITHER, least=iou, on_image=counter.count)
    compared = compare_tables(table, other_table, met)
    names = list(classes)
    matched = matched_images(pairs, compared, names)
    unmasked = sum(mask is None for mask in (*table.masks, *other_table.masks))
    return Differences(
        one=ones.source,
        other=others.source,
        totals=_totals(compared, matched),
        classes=_class_rows(compared, names),
        labels=names,
        confusion=compared.confusion(len(names)).tolist(),
        notes=[f"{unmasked:,} objects have no mask: of these boxes are compared."] * bool(unmasked),
        images=matched,
    )


def _totals(compared: ComparedTables, images: list[MatchedImage]) -> dict[str, float]:
    agreed = compared.same_class
    return {
        "images": len(images),
        "images that differ": sum(image.disagreement > 0 for image in images),
        "both": int(agreed.sum()),
        "of another class": int((compared.partners >= 0).sum() - agreed.sum()),
        "only one": int(compared.alone.sum()),
        "only other": int(compared.others_alone.sum()),
        "mean IoU": float(compared.ious[agreed].mean()) if agreed.any() else -1.0,
    }


def _class_rows(compared: ComparedTables, classes: list[str]) -> list[Row]:
    rows: list[Row] = []
    agreed = compared.same_class
    differs = (compared.partners >= 0) & ~agreed
    other_differs = compared.other_partners >= 0
    for place, name in enumerate(classes):
        own, theirs = compared.ones.classes == place, compared.others.classes == place
        both = own & agreed
        if own.any() or theirs.any():
            ious = compared.ious[both]
            rows.append(
                {
                    "class": name,
                    "both": int(both.sum()),
                    "mean IoU": float(ious.mean()) if len(ious) else -1.0,
                    "only one": int((own & compared.alone).sum()),
                    "only other": int((theirs & compared.others_alone).sum()),
                    "one says another": int((own & differs).sum()),
                    "other says another": int((theirs & other_differs).sum() - both.sum()),
                }
            )
    return rows
