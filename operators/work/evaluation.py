"""Predictions against the truth: FiftyOne's own evaluation, and what it lacks: edges and mattes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

import fiftyone as fo
from fiftyone.utils.eval.coco import COCOEvaluationConfig

from premask.errors import InvalidSetting
from premask.evaluation.metrics import Agreement, mse, sad
from premask.masks import Mask, Matte

from ..dataset.chosen_images import dataset_of
from ..dataset.reading import SampleLabels, label_kind, member_path, read_labels
from ..dataset.saved_views import require_own_view
from .mask_evaluation import Agreements, evaluate_masks

METHOD = "premask_evaluation"

_DESCRIPTION = "What an evaluation found to agree the least (made by premask)"

Row = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Evaluated:
    """What came of an evaluation: a row for each class (one for mattes), and overall values.

    `worst_view` names a saved view of the worst matches, or images.
    """

    eval_key: str
    kind: str
    rows: list[Row] = field(default_factory=list)
    overall: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    worst_view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Which field of which samples is compared with which."""

    samples: Any
    pred_field: str
    gt_field: str
    eval_key: str
    iou: float

    def pairs(self, failures: dict[str, str]) -> Iterator[tuple[SampleLabels, SampleLabels]]:
        """Read both fields of each sample; samples with a label that can't be read are failures."""
        predicted = read_labels(self.samples, [self.pred_field])
        for pair in zip(predicted, read_labels(self.samples, [self.gt_field]), strict=True):
            error = pair[0].labeled.error or pair[1].labeled.error
            if error is None:
                yield pair
            else:
                failures[pair[0].filepath] = str(error)

    def count(self, name: str, attribute: str) -> int:
        """How many labels of a field have this attribute."""
        return int(self.samples.count(f"{member_path(self.samples, name)}.{attribute}"))


def evaluate(
    samples: Any, *, pred_field: str, gt_field: str, eval_key: str = "premask", iou: float = 0.5
) -> Evaluated:
    """Compare the labels of a dataset or view with the true ones, and keep the result under a key.

    Detections are matched by FiftyOne (COCO's rules; by their masks where all have one), and
    segmentations compared pixel by pixel; both show in the App's evaluation panel. Heatmaps are
    compared as mattes. Samples that lack one of the fields are left out.
    """
    kind = _common_kind(samples, pred_field, gt_field)
    comparison = Comparison(
        samples=samples.exists(pred_field).exists(gt_field),
        pred_field=pred_field,
        gt_field=gt_field,
        eval_key=eval_key,
        iou=iou,
    )
    evaluated = Evaluated(eval_key=eval_key, kind=kind, worst_view=f"{eval_key}_worst")
    require_own_view(dataset_of(samples), evaluated.worst_view, description=_DESCRIPTION)
    _EVALUATORS[kind](comparison, evaluated)
    if evaluated.overall:
        view = _worst(comparison, kind)
        dataset_of(samples).save_view(
            evaluated.worst_view, view, description=_DESCRIPTION, overwrite=True
        )
    _save(dataset_of(samples), comparison, evaluated)
    return evaluated


def saved_evaluation(dataset: Any, eval_key: str) -> Evaluated:
    """Load what an earlier evaluation found."""
    return Evaluated(**dataset.load_run_results(eval_key, cache=False).evaluated)


def _worst(comparison: Comparison, kind: str) -> Any:
    """The pairs of objects that agree the least first, or the images with the largest errors."""
    samples, key = comparison.samples, comparison.eval_key
    if kind == "Detections":
        return samples.to_evaluation_patches(key).exists("iou").sort_by("iou")
    if kind == "Segmentation":
        return samples.sort_by(f"{key}_accuracy")
    return samples.exists(f"{key}_mse").sort_by(f"{key}_mse", reverse=True)


def _common_kind(samples: Any, *fields: str) -> str:
    kinds = [label_kind(samples, name) for name in fields]
    if len(set(kinds)) > 1 or kinds[0] not in _EVALUATORS:
        said = " and ".join(f"'{f}' holds {kind}" for f, kind in zip(fields, kinds, strict=True))
        raise InvalidSetting(
            f"{said}. Both must hold the same, and one of: {', '.join(_EVALUATORS)}."
        )
    return kinds[0]


def _evaluate_objects(comparison: Comparison, evaluated: Evaluated) -> None:
    count = comparison.count(comparison.pred_field, "id")
    settings = {
        "gt_field": comparison.gt_field,
        "iou": comparison.iou,
        "compute_mAP": comparison.count(comparison.pred_field, "confidence") == count,
    }
    if _have_masks(comparison):
        config = COCOEvaluationConfig(
            comparison.pred_field, classwise=True, use_masks=True, **settings
        )
        pairs = comparison.pairs(evaluated.failures)
        results, agreements = evaluate_masks(comparison.samples, config, comparison.eval_key, pairs)
    else:
        results = comparison.samples.evaluate_detections(
            comparison.pred_field, eval_key=comparison.eval_key, progress=False, **settings
        )
        agreements = _matched(comparison, evaluated.failures)
    report = results.report()
    evaluated.rows = [
        {
            "class": name,
            "objects": int(report[name]["support"]),
            "matched": agreements[name].pairs,
            "precision": report[name]["precision"],
            "recall": report[name]["recall"],
            "f1": report[name]["f1-score"],
            "mask_iou": agreements[name].mean_iou,
            "boundary_iou": agreements[name].mean_boundary_iou,
        }
        for name in results.classes
        if name in report
    ]
    evaluated.overall = _floats(results.metrics())
    if results.config.compute_mAP:
        evaluated.overall["mAP"] = float(results.mAP())


def _have_masks(comparison: Comparison) -> bool:
    """Whether every detection in both fields has a mask: FiftyOne fails at one that has none."""
    return all(
        comparison.count(name, "mask") + comparison.count(name, "mask_path")
        == comparison.count(name, "id")
        for name in (comparison.pred_field, comparison.gt_field)
    )


def _matched(comparison: Comparison, failures: dict[str, str]) -> Agreements:
    """Compare the masks of all pairs that FiftyOne matched, except crowds, by the true class."""
    path = f"{member_path(comparison.samples, comparison.pred_field)}.{comparison.eval_key}_id"
    predicted_ids = member_path(comparison.samples, comparison.pred_field) + ".id"
    matches = dict(
        pair
        for ids, partners in zip(*comparison.samples.values([predicted_ids, path]), strict=True)
        for pair in zip(_listed(ids), _listed(partners), strict=True)
    )
    agreements = Agreements(Agreement)
    for predicted, true in comparison.pairs(failures):
        truths = dict(zip(true.label_ids, true.labeled.annotations, strict=True))
        for label_id, annotation in zip(
            predicted.label_ids, predicted.labeled.annotations, strict=True
        ):
            truth = truths.get(matches.get(label_id) or "")
            if annotation.mask and truth and truth.mask and not truth.crowd:
                agreements[truth.label].add(annotation.mask, truth.mask)
    return agreements


def _evaluate_maps(comparison: Comparison, evaluated: Evaluated) -> None:
    results = comparison.samples.evaluate_segmentations(
        comparison.pred_field,
        gt_field=comparison.gt_field,
        eval_key=comparison.eval_key,
        progress=False,
    )
    agreements = Agreements(Agreement)
    for predicted, true in comparison.pairs(evaluated.failures):
        masks, truths = _by_class(predicted), _by_class(true)
        for name in {**truths, **masks}:
            nothing = Mask.empty(true.labeled.image.size_hw)
            agreements[name].add(masks.get(name, nothing), truths.get(name, nothing))
    evaluated.rows = [
        {
            "class": name,
            "images": agreement.pairs,
            "precision": agreement.pixel_precision,
            "recall": agreement.pixel_recall,
            "mask_iou": agreement.pixel_iou,
            "boundary_iou": agreement.mean_boundary_iou,
        }
        for name, agreement in sorted(agreements.items())
    ]
    evaluated.overall = _floats(results.metrics())


def _evaluate_mattes(comparison: Comparison, evaluated: Evaluated) -> None:
    """Write the errors of each sample into fields of their own, to sort by, and their means."""
    errors: dict[str, dict[str, float]] = {"sad": {}, "mse": {}}
    for predicted, true in comparison.pairs(evaluated.failures):
        matte, truth = _matte(predicted), _matte(true)
        errors["sad"][true.sample_id] = sad(matte, truth)
        errors["mse"][true.sample_id] = mse(matte, truth)
    dataset = dataset_of(comparison.samples)
    for name in errors if errors["sad"] else ():
        dataset.add_sample_field(f"{comparison.eval_key}_{name}", fo.FloatField)
        dataset.set_values(f"{comparison.eval_key}_{name}", errors[name], key_field="id")
    means = {name: fmean(values.values()) for name, values in errors.items() if values}
    evaluated.overall = means
    evaluated.rows = [{"class": comparison.gt_field, "images": len(errors["sad"]), **means}]


_EVALUATORS: dict[str, Callable[[Comparison, Evaluated], None]] = {
    "Detections": _evaluate_objects,
    "Segmentation": _evaluate_maps,
    "Heatmap": _evaluate_mattes,
}


def _save(dataset: Any, comparison: Comparison, evaluated: Evaluated) -> None:
    """Keep the result among the dataset's runs, instead of an earlier one with the same key."""
    if dataset.has_run(comparison.eval_key):
        dataset.delete_run(comparison.eval_key)
    config = dataset.init_run(
        method=METHOD, pred_field=comparison.pred_field, gt_field=comparison.gt_field
    )
    dataset.register_run(comparison.eval_key, config)
    results = dataset.init_run_results(comparison.eval_key, evaluated=asdict(evaluated))
    dataset.save_run_results(comparison.eval_key, results)


def _by_class(sample: SampleLabels) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    for annotation in sample.labeled.annotations:
        if annotation.mask is not None:
            masks[annotation.label] = annotation.mask.union(
                masks.get(annotation.label, annotation.mask)
            )
    return masks


def _matte(sample: SampleLabels) -> Matte:
    """The matte of a sample's heatmap; an empty one where the heatmap has no alpha above zero."""
    for annotation in sample.labeled.annotations:
        if annotation.matte is not None:
            return annotation.matte
    return Matte.from_planes([Mask.empty(sample.labeled.image.size_hw)] * 8)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _floats(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Turn FiftyOne's metrics into floats: they are numpy's, which its database does not take."""
    return {name: float(value) for name, value in metrics.items() if value is not None}
