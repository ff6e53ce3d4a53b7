"""Annotations <-> Label Studio: regions, tasks, and the labeling configuration for them."""

from premask.labels.label_studio.label_config import (
    DEFAULT_TAGS,
    RegionKind,
    Tags,
    label_config,
)
from premask.labels.label_studio.regions import (
    READABLE_TYPES,
    annotations_from_regions,
    regions_from_annotation,
)
from premask.labels.label_studio.tasks import (
    local_file_url,
    prediction_from_regions,
    read_tasks,
    task_from_labeled,
    write_label_studio,
)

__all__ = [
    "DEFAULT_TAGS",
    "READABLE_TYPES",
    "RegionKind",
    "Tags",
    "annotations_from_regions",
    "label_config",
    "local_file_url",
    "prediction_from_regions",
    "read_tasks",
    "regions_from_annotation",
    "task_from_labeled",
    "write_label_studio",
]
