"""What was found in an image -> regions of the project's own tags and labels."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ml_backend.project.label_config import Control
from ml_backend.studio.protocol import Json
from premask.annotations import Annotation
from premask.labels.label_studio import TagNames, regions_from_annotation
from premask.masks import Size


def regions_from_annotations(
    annotations: Sequence[Annotation], size_hw: Size, controls: Sequence[Control], image: str
) -> list[Json]:
    """The objects with all of these controls that have labels for them; `image` is their tag.

    Its ids are new ones: Label Studio lets a region replace the one on the screen with its id.
    """
    visible = [found for found in annotations if found.mask is None or found.mask.area]
    regions = [
        region for control in controls for region in _written(visible, size_hw, control, image)
    ]
    return [{**region, "id": uuid.uuid4().hex} for region in regions]


def without_label(annotations: Sequence[Annotation], controls: Sequence[Control]) -> Counter[str]:
    """What was found, but has no label in any of these controls."""
    return Counter(
        annotation.label
        for annotation in annotations
        if not any(control.label_for(annotation.label) for control in controls)
    )


def _written(
    annotations: Sequence[Annotation], size_hw: Size, control: Control, image: str
) -> Iterator[Json]:
    labeled = [
        replace(annotation, label=label)
        for annotation in annotations
        if (label := control.label_for(annotation.label)) is not None
    ]
    names = TagNames(image=image, controls={control.tag: control.name})
    for index, annotation in enumerate(labeled):
        yield from regions_from_annotation(
            annotation, size_hw, index=index, controls=(control.tag,), names=names
        )
    if control.definition.write_classes and labeled:
        surest_first = sorted(labeled, key=lambda annotation: annotation.score or 0, reverse=True)
        classes = list(dict.fromkeys(annotation.label for annotation in surest_first))
        yield {
            "type": control.definition.region_type,
            "from_name": control.name,
            "to_name": image,
            "value": control.definition.write_classes(classes if control.several else classes[:1]),
        }
