"""Where two sets of labels of the same images differ: two recipes, two people, two versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from premask.datasets.comparison_result import ComparisonResult, Row
from premask.datasets.image_files import Images
from premask.datasets.image_pairs import pair_images
from premask.datasets.label_set import Source, read_label_set
from premask.datasets.matched_images import MatchedImages, known_numbers
from premask.datasets.measured_pairs import measured_pairs
from premask.errors import InvalidSetting
from premask.evaluation.comparison import ComparedTables, compare_tables
from premask.evaluation.overlaps import EITHER
from premask.runs.progress import ProgressCounter, ProgressWatcher


@dataclass(slots=True, kw_only=True)
class Differences(ComparisonResult):
    """Totals of both sides, and what each class and each image has of them."""

    one: str
    other: str
    totals: dict[str, float]

    def as_json(self) -> Row:
        """All of it for programs, without masks."""
        totals = known_numbers(self.totals)
        own: Row = {"one": self.one, "other": self.other, "totals": totals}
        return own | ComparisonResult.as_json(self)


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
    others = read_label_set(other, images, on_progress=on_progress)
    ones = read_label_set(one, images, truth=others, on_progress=on_progress)
    pairs = pair_images(ones, others, common_only=common_only)
    classes = {label: place for place, label in enumerate(others.classes)}
    counter = ProgressCounter(total=len(pairs), on_progress=on_progress)
    measured = measured_pairs(pairs, classes, by=[EITHER], least=iou, on_image=counter.count)
    compared = compare_tables(measured.ones, measured.others, measured.overlaps[EITHER])
    names = list(classes)
    matched = MatchedImages(pairs, compared, names)
    unmasked = sum(measured.unmasked)
    return Differences(
        one=ones.source,
        other=others.source,
        totals=totals_of(compared, len(matched)),
        classes=class_rows(compared, names),
        labels=names,
        confusion=compared.confusion(len(names)).tolist(),
        notes=[f"{unmasked:,} objects have no mask: of these boxes are compared."] * bool(unmasked),
        images=matched,
    )


def totals_of(compared: ComparedTables, images: int) -> dict[str, float]:
    """What all images come to; the mean IoU is -1 where there is none."""
    agreed = compared.same_class
    return {
        "images": images,
        "images that differ": int((compared.disagreements(images) > 0).sum()),
        "both": int(agreed.sum()),
        "of another class": int((compared.partners >= 0).sum() - agreed.sum()),
        "only one": int(compared.alone.sum()),
        "only other": int(compared.others_alone.sum()),
        "mean IoU": float(compared.ious[agreed].mean()) if agreed.any() else -1.0,
    }


def class_rows(compared: ComparedTables, classes: Sequence[str]) -> list[Row]:
    """What each class that either side has comes to."""
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
