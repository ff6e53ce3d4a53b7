"""Annotations <-> the fields of FiftyOne's labels, as plain data: FiftyOne itself is not needed."""

from premask.labels.fiftyone.brushed import original_of
from premask.labels.fiftyone.detections import annotation_from_detection, detection_from_annotation
from premask.labels.fiftyone.keypoints import (
    NEGATIVE,
    SIGNS,
    hint_from_annotation,
    hints_from_clicks,
    points_from_keypoint,
)
from premask.labels.fiftyone.maps import (
    annotations_from_class_map,
    extended_targets,
    heatmap_from_annotations,
    mask_targets,
    matte_from_heatmap,
    segmentation_from_annotations,
    with_mattes,
)
from premask.labels.fiftyone.polylines import annotation_from_polyline, polyline_from_annotation

__all__ = [
    "NEGATIVE",
    "SIGNS",
    "annotation_from_detection",
    "annotation_from_polyline",
    "annotations_from_class_map",
    "detection_from_annotation",
    "extended_targets",
    "heatmap_from_annotations",
    "hint_from_annotation",
    "hints_from_clicks",
    "mask_targets",
    "matte_from_heatmap",
    "original_of",
    "points_from_keypoint",
    "polyline_from_annotation",
    "segmentation_from_annotations",
    "with_mattes",
]
