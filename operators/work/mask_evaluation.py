"""FiftyOne's COCO evaluation with IoUs on run lengths, read and written in bulk.

FiftyOne 1.22 paints both masks of each pair into images of full size, and saves label by label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fiftyone.utils.eval.coco import COCODetectionResults, COCOEvaluation, COCOEvaluationConfig
from fiftyone.utils.eval.detection import DetectionResults

from premask.annotations import Annotation
from premask.evaluation.average_precision import RECALLS
from premask.evaluation.matching import ImageObjects, Match, match_objects, precision_curves
from premask.evaluation.metrics import Agreement
from premask.evaluation.overlaps import mask_ious

from ..dataset.chosen_images import dataset_of
from ..dataset.reading import SampleLabels, member_path

Agreements = defaultdict[str, Agreement]

Pairs = Iterator[tuple[SampleLabels, SampleLabels]]
"""Each sample's labels that were found, and the true ones."""

_Tuple = tuple[str | None, str | None, float | None, float | None, str | None, str | None]


@dataclass(slots=True, kw_only=True)
class Matched:
    """What matching came to, image by image and label by label.

    `marks` are what the labels of each side, by their id, are told under the attributes of an
    evaluation: the class of error, the partner's id, and the IoU with it. `counts` are true and
    false positives, and false negatives, of each sample. `agreements` compare the masks of pairs,
    except crowds, by the true class.
    """

    images: list[ImageObjects] = field(default_factory=list)
    matches: list[_Tuple] = field(default_factory=list)
    found_marks: dict[str, tuple[str, str, float | None]] = field(default_factory=dict)
    true_marks: dict[str, tuple[str, str, float | None]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    agreements: Agreements = field(default_factory=lambda: Agreements(Agreement))

    def add(self, found: SampleLabels, true: SampleLabels, threshold: float) -> None:
        """Match the objects of one image."""
        annotations, truths = found.labeled.annotations, true.labeled.annotations
        image = ImageObjects(
            found_labels=[annotation.label for annotation in annotations],
            scores=[annotation.score for annotation in annotations],
            true_labels=[truth.label for truth in truths],
            crowds=[truth.crowd for truth in truths],
            # FiftyOne has the plain IoU for crowds, too, where COCO has a share.
            ious=mask_ious(_masks(annotations), _masks(truths)),
        )
        self.images.append(image)
        # As FiftyOne does: what is computed can be a hair below 1 where all pixels agree.
        matches = match_objects(image, min(threshold, 1 - 1e-10))
        for match in matches:
            self._mark(match, found.label_ids, true.label_ids)
            self.matches.append(_as_tuple(match, found, true))
            if match.found is not None and match.true is not None:
                mask, truth = annotations[match.found].mask, truths[match.true]
                if mask and truth.mask and not truth.crowd:
                    self.agreements[truth.label].add(mask, truth.mask)
        hits = sum(match.true is not None and match.found is not None for match in matches)
        false = sum(match.true is None for match in matches)
        self.counts[true.sample_id] = hits, false, len(matches) - hits - false

    def _mark(self, match: Match, found_ids: tuple[str, ...], true_ids: tuple[str, ...]) -> None:
        label_id = "" if match.found is None else found_ids[match.found]
        true_id = "" if match.true is None else true_ids[match.true]
        if label_id:
            self.found_marks[label_id] = "tp" if true_id else "fp", true_id, match.iou
        if true_id:
            # A crowd remembers the surest of its partners, which comes first.
            mark = "tp" if label_id else "fn", label_id, match.iou
            self.true_marks.setdefault(true_id, mark)


def evaluate_masks(
    samples: Any, config: COCOEvaluationConfig, eval_key: str, pairs: Pairs
) -> tuple[DetectionResults, Agreements]:
    """Do what `samples.evaluate_detections` does, for fields in which all detections have masks."""
    method = COCOEvaluation(config)
    method.ensure_requirements()
    method.register_run(samples, eval_key)
    method.register_samples(samples, eval_key, dynamic=True)
    matched = Matched()
    for found, true in pairs:
        matched.add(found, true, config.iou)
    _write(samples, config, eval_key, matched)
    results = _results(samples, config, eval_key, matched, method)
    method.save_run_results(samples, eval_key, results)
    method.add_fields_to_sidebar_group(
        samples, eval_key, omit_fields=(config.pred_field, config.gt_field)
    )
    return results, matched.agreements


def _write(samples: Any, config: COCOEvaluationConfig, eval_key: str, matched: Matched) -> None:
    """Set the attributes and fields that FiftyOne's evaluation panel and patches views read."""
    dataset = dataset_of(samples)
    for name, marks in (
        (config.pred_field, matched.found_marks),
        (config.gt_field, matched.true_marks),
    ):
        path = f"{member_path(samples, name)}.{eval_key}"
        for place, ending in enumerate(("", "_id", "_iou")):
            values = {label_id: mark[place] for label_id, mark in marks.items()}
            samples.set_label_values(f"{path}{ending}", values, validate=False)
    for place, ending in enumerate(("tp", "fp", "fn")):
        counts = {sample_id: count[place] for sample_id, count in matched.counts.items()}
        dataset.set_values(f"{eval_key}_{ending}", counts, key_field="id")


def _results(
    samples: Any,
    config: COCOEvaluationConfig,
    eval_key: str,
    matched: Matched,
    method: COCOEvaluation,
) -> DetectionResults:
    if not config.compute_mAP:
        return DetectionResults(samples, config, eval_key, matched.matches, backend=method)
    curves = precision_curves(matched.images, config.iou_threshs)
    return COCODetectionResults(
        samples,
        config,
        eval_key,
        matched.matches,
        curves.precision,
        RECALLS,
        config.iou_threshs,
        curves.classes,
        recall_sweep=curves.recall,
        thresholds=curves.scores,
        backend=method,
    )


def _masks(annotations: tuple[Annotation, ...]) -> list[Any]:
    return [annotation.mask for annotation in annotations]


def _as_tuple(match: Match, found: SampleLabels, true: SampleLabels) -> _Tuple:
    """A match as FiftyOne's results have it."""
    label = None if match.found is None else found.labeled.annotations[match.found]
    truth = None if match.true is None else true.labeled.annotations[match.true]
    return (
        truth.label if truth else None,
        label.label if label else None,
        match.iou,
        label.score if label else None,
        None if match.true is None else true.label_ids[match.true],
        None if match.found is None else found.label_ids[match.found],
    )
