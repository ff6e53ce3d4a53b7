"""Annotations <-> plain data that keeps all they hold, for the journal of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from premask.annotations import Annotation
from premask.labels.coco_rle import masks_from_segmentations, matte_from_planes, matte_to_planes
from premask.masks import Mask, Matte, Size

Json = dict[str, Any]


def annotation_to_json(annotation: Annotation) -> Json:
    """Everything that an annotation holds, as plain data."""
    record: Json = {
        "label": annotation.label,
        "box_xyxy": [float(side) for side in annotation.box_xyxy],
        "score": None if annotation.score is None else float(annotation.score),
        "source": list(annotation.source),
    }
    if annotation.mask is not None:
        record["mask"] = annotation.mask.rle
    if annotation.matte is not None:
        record["matte"] = matte_to_planes(annotation.matte)
    if annotation.track is not None:
        record["track"] = int(annotation.track)
    if annotation.crowd:
        record["crowd"] = True
    if annotation.keyframe:
        record["keyframe"] = True
    return record


def annotation_from_json(record: Mapping[str, Any], size_hw: Size) -> Annotation:
    """Undo `annotation_to_json`."""
    return annotations_from_json([record], size_hw)[0]


def annotations_from_json(
    records: Sequence[Mapping[str, Any]], size_hw: Size
) -> tuple[Annotation, ...]:
    """The same for all of an image, whose masks are checked together: in a fifth of the time."""
    drawn = [record["mask"] for record in records if record.get("mask")]
    masks = iter(masks_from_segmentations(drawn, [size_hw] * len(drawn)))
    return tuple(
        _annotation(
            record,
            next(masks) if record.get("mask") else None,
            matte_from_planes(record["matte"], size_hw) if record.get("matte") else None,
        )
        for record in records
    )


def own_annotations_from_json(records: Sequence[Mapping[str, Any]]) -> tuple[Annotation, ...]:
    """The same for what this very process has written, whose masks need not be checked."""
    return tuple(
        _annotation(
            record,
            _own_mask(record["mask"]) if record.get("mask") else None,
            Matte.from_planes(list(map(_own_mask, record["matte"]))) if "matte" in record else None,
        )
        for record in records
    )


def _own_mask(rle: Mapping[str, Any]) -> Mask:
    height, width = rle["size"]
    return Mask(size_hw=(height, width), counts=rle["counts"].encode())


def _annotation(record: Mapping[str, Any], mask: Mask | None, matte: Matte | None) -> Annotation:
    x0, y0, x1, y1 = record["box_xyxy"]
    return Annotation(
        label=record["label"],
        box_xyxy=(x0, y0, x1, y1),
        score=record["score"],
        mask=mask,
        matte=matte,
        track=record.get("track"),
        source=tuple(record["source"]),
        crowd=bool(record.get("crowd")),
        keyframe=bool(record.get("keyframe")),
    )
