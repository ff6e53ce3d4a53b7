"""How good labels are, measured with true ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from premask.datasets.comparison_result import ComparisonResult, Row
from premask.datasets.comparison_side import LabeledImage
from premask.datasets.image_files import Images
from premask.datasets.image_pairs import ImagePairs, pair_images
from premask.datasets.label_set import Source, read_label_set
from premask.datasets.matched_images import MatchedImages, known_numbers
from premask.datasets.measured_pairs import measured_pairs
from premask.datasets.object_scores import score_objects
from premask.errors import InvalidSetting
from premask.evaluation.comparison import compare_tables
from premask.evaluation.mattes import connectivity_error, gradient_error
from premask.evaluation.metrics import mse, sad
from premask.evaluation.overlaps import EITHER, mask_ious
from premask.evaluation.panoptic import PanopticQuality
from premask.evaluation.phrases import LEAST_SCORE, PhraseCounts
from premask.evaluation.semantic import PixelConfusion
from premask.masks import Matte
from premask.runs.progress import ProgressCounter, ProgressWatcher

KINDS = ("objects", "panoptic", "semantic", "phrases")
"""What labels can be evaluated as."""


@dataclass(slots=True, kw_only=True)
class Evaluation(ComparisonResult):
    """Numbers in groups, such as "masks" with COCO's AP, and what each class and image has."""

    kind: str
    found: str
    truth: str
    image_count: int
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_json(self) -> Row:
        """All of it for programs; numbers that there are none of are None."""
        told = ComparisonResult.as_json(self)
        own: Row = {
            "kind": self.kind,
            "found": self.found,
            "truth": self.truth,
            "images": self.image_count,
            "numbers": known_numbers(self.numbers),
        }
        worst = told.pop("images")
        return own | told | {"worst": worst}


def evaluate(
    found: Source,
    truth: Source,
    images: Images | None = None,
    *,
    kind: str = "objects",
    iou: float = 0.5,
    boundaries: bool = False,
    common_only: bool = False,
    on_progress: ProgressWatcher | None = None,
) -> Evaluation:
    """Measure labels with true ones; both are files, folders or `Labeled`s.

    Formats that don't tell how large their images are, such as YOLO, need the `images`.

    `kind` says what they are: "objects"; "panoptic", objects that share no pixel; "semantic", maps
    of classes; "phrases", what was looked for and may not be there. Where both sides have mattes,
    their errors are measured, too. `iou` is what makes a hit where COCO has not ten of them, and
    `boundaries` adds COCO's numbers for the edges of masks.
    """
    if kind not in KINDS:
        raise InvalidSetting(f"There is no evaluation of '{kind}'. There are: {', '.join(KINDS)}.")
    if not 0 < iou <= 1:
        raise InvalidSetting(f"An IoU is more than 0 and at most 1; got {iou}.")
    true_set = read_label_set(truth, images, on_progress=on_progress)
    found_set = read_label_set(found, images, truth=true_set, on_progress=on_progress)
    pairs = pair_images(found_set, true_set, common_only=common_only)
    result = Evaluation(
        kind=kind, found=found_set.source, truth=true_set.source, image_count=len(pairs)
    )
    counter = ProgressCounter(total=len(pairs), on_progress=on_progress)
    classes = {label: place for place, label in enumerate(true_set.classes)}
    if kind == "objects":
        _evaluate_objects(pairs, classes, iou, boundaries, result, counter)
    else:
        _OTHERS[kind](pairs, result, counter)
        _add_images(pairs, classes, iou, result)
    _add_mattes(pairs, result)
    return result


def _evaluate_objects(
    pairs: ImagePairs,
    classes: dict[str, int],
    iou: float,
    boundaries: bool,
    result: Evaluation,
    counter: ProgressCounter,
) -> None:
    scores = score_objects(pairs, classes, iou=iou, boundaries=boundaries, on_image=counter.count)
    result.numbers |= scores.numbers
    result.classes, result.notes = scores.classes, scores.notes
    result.labels = list(classes)
    result.confusion = scores.compared.confusion(len(classes)).tolist()
    result.images = MatchedImages(pairs, scores.compared, list(classes))


def _add_images(pairs: ImagePairs, classes: dict[str, int], iou: float, result: Evaluation) -> None:
    """Which objects of each image have no partner, for kinds whose numbers don't say."""
    measured = measured_pairs(pairs, classes, by=(EITHER,), least=iou)
    compared = compare_tables(measured.ones, measured.others, measured.overlaps[EITHER])
    result.images = MatchedImages(pairs, compared, list(classes))


def _evaluate_panoptic(pairs: ImagePairs, result: Evaluation, counter: ProgressCounter) -> None:
    quality = PanopticQuality()
    for found, true in pairs:
        quality.add(found.rows, true.rows)
        counter.count()
    stuff = pairs.others.stuff
    result.numbers["panoptic"] = quality.summary()
    if stuff:
        result.numbers["things"] = quality.summary(quality.classes.keys() - stuff)
        result.numbers["stuff"] = quality.summary(stuff)
    result.classes = [
        {
            "class": label,
            **({"is": "stuff" if label in stuff else "things"} if stuff else {}),
            "PQ": of.quality,
            "SQ": of.segmentation_quality,
            "RQ": of.recognition_quality,
            "hits": of.hits,
            "only found": of.false,
            "missed": of.missed,
        }
        for label, of in sorted(quality.classes.items())
    ]


def _evaluate_semantic(pairs: ImagePairs, result: Evaluation, counter: ProgressCounter) -> None:
    confusion = PixelConfusion()
    for found, true in pairs:
        confusion.add(found.rows, true.rows)
        counter.count()
    ious, accuracies = confusion.ious(), confusion.accuracies()
    result.numbers["semantic"] = confusion.summary()
    result.classes = [
        {"class": label, "IoU": ious[label], "accuracy": accuracies[label]} for label in ious
    ]
    result.labels = confusion.classes
    # A row for what is nothing in the truth: those pixels count for nobody.
    nothing = [0] * (len(result.labels) + 1)
    result.confusion = [*confusion.table().tolist(), nothing] if result.labels else []
    result.notes.append("The confusion is in pixels; pixels of no true class count for nobody.")


def _evaluate_phrases(pairs: ImagePairs, result: Evaluation, counter: ProgressCounter) -> None:
    """Every true class is looked for in every image, unless the truth says what is not there."""
    counts, of_phrase = PhraseCounts(), dict[str, PhraseCounts]()
    asked, says_so = pairs.labels, pairs.others.names_phrases
    for found, true in pairs:
        own = {row.label for row in (*found.rows, *true.rows)}
        for phrase in sorted(own | (true.phrases if says_so else asked)):
            ious = _phrase_ious(phrase, found, true)
            counts.add(ious)
            of_phrase.setdefault(phrase, PhraseCounts()).add(ious)
        counter.count()
    result.numbers["phrases"] = counts.summary()
    result.classes = [
        {
            "class": phrase,
            "positive micro F1": of.summary()["positive micro F1"],
            "found where it is": of.yes,
            "missed where it is": of.false_no,
            "found where it is not": of.false_yes,
            "rightly not found": of.no,
        }
        for phrase, of in sorted(of_phrase.items())
    ]
    asked_for = "the phrases that the truth names" if says_so else "all phrases"
    result.notes.append(
        f"In each image {asked_for} count as looked for. What has a score below {LEAST_SCORE} "
        "counts as not found."
    )


def _phrase_ious(phrase: str, found: LabeledImage, true: LabeledImage) -> NDArray[np.float64]:
    rows = [
        r for r in found.rows if r.label == phrase and (r.score is None or r.score >= LEAST_SCORE)
    ]
    truths = [row for row in true.rows if row.label == phrase and not row.crowd]
    return mask_ious([row.mask for row in rows], [row.mask for row in truths])


def _add_mattes(pairs: ImagePairs, result: Evaluation) -> None:
    """The errors of all alpha of an image together, where both sides have some."""
    errors: dict[str, list[float]] = {"SAD": [], "MSE": [], "Grad": [], "Conn": []}
    for found, true in pairs if pairs.ones.has_mattes and pairs.others.has_mattes else ():
        if not true.mattes:
            continue
        matte, truth = _whole(found), _whole(true)
        errors["SAD"].append(sad(matte, truth))
        errors["MSE"].append(mse(matte, truth))
        errors["Grad"].append(gradient_error(matte, truth))
        errors["Conn"].append(connectivity_error(matte, truth))
    if errors["SAD"]:
        means = {name: float(np.mean(values)) for name, values in errors.items()}
        result.numbers["mattes"] = {**means, "images": len(errors["SAD"])}


def _whole(image: LabeledImage) -> Matte:
    """All mattes of an image as one; those of objects that meet add up."""
    total = np.zeros(image.size_hw, np.uint16)
    for matte in image.mattes:
        total += matte.to_array()
    return Matte.from_array(np.minimum(total, 255).astype(np.uint8))


_OTHERS: dict[str, Callable[[ImagePairs, Evaluation, ProgressCounter], None]] = {
    "panoptic": _evaluate_panoptic,
    "semantic": _evaluate_semantic,
    "phrases": _evaluate_phrases,
}
