"""Label Studio's format: its control tags, regions, tasks, and labeling configurations."""

from premask.labels.label_studio.control_tags import (
    CONTROL_TAGS,
    EXACTNESS,
    READABLE_TYPES,
    ControlTag,
    prompts_from_region,
)
from premask.labels.label_studio.label_config import (
    DEFAULT_NAMES,
    PATH_SEPARATOR,
    LabelList,
    TagNames,
    label_config,
)
from premask.labels.label_studio.prediction_scores import prediction_score
from premask.labels.label_studio.regions import (
    META_KEY,
    ShownObject,
    annotations_from_regions,
    is_on_page,
    objects_from_regions,
    regions_from_annotation,
    with_own_labels,
)
from premask.labels.label_studio.task_records import is_label_studio, local_file_url
from premask.labels.label_studio.tasks import (
    prediction_from_regions,
    read_tasks,
    task_from_labeled,
    write_label_studio,
)

__all__ = [
    "CONTROL_TAGS",
    "DEFAULT_NAMES",
    "EXACTNESS",
    "META_KEY",
    "PATH_SEPARATOR",
    "READABLE_TYPES",
    "ControlTag",
    "LabelList",
    "ShownObject",
    "TagNames",
    "annotations_from_regions",
    "is_label_studio",
    "is_on_page",
    "label_config",
    "local_file_url",
    "objects_from_regions",
    "prediction_from_regions",
    "prediction_score",
    "prompts_from_region",
    "read_tasks",
    "regions_from_annotation",
    "task_from_labeled",
    "with_own_labels",
    "write_label_studio",
]
