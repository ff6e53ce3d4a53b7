"""What was found in an image -> regions of the project's own tags and labels."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ml_backend.project.label_config import DRAWN, Control
from ml_backend.studio.protocol import Json
from premask.annotations import Annotation
from premask.labels.label_studio import Tags, regions_from_annotation
from premask.masks import Size


def regions_from_annotations(
    annotations: Sequence[Annotation], size_hw: Size, controls: Sequence[Control], image: str
) -> list[Json]:
    """Each object with each of these controls that has a label for it; `image` is their tag.

    Its ids are new ones: Label Studio lets a region replace the one on the screen with its id.
    """
    visible = [each for each in annotations if each.mask is None or each.mask.area]
    regions = [
        region for control in controls for region in _written(visible, size_hw, control, image)
    ]
    return [{**region, "id": uuid.uuid4().hex} for region in regions]


def without_label(annotations: Sequence[Annotation], controls: Sequence[Control]) -> Counter[str]:
    """What was found, but has no label in any of these controls."""
    return Counter(
        each.label
        for each in annotations
        if not any(control.label_for(each.label) for control in controls)
    )


def _written(
    annotations: Sequence[Annotation], size_hw: Size, control: Control, image: str
) -> Iterator[Json]:
    labels = [control.label_for(each.label) for each in annotations]
    labeled = [
        replace(each, label=label)
        for each, label in zip(annotations, labels, strict=True)
        if label is not None
    ]
    if control.kind in DRAWN:
        yield from _drawn(labeled, size_hw, control, image)
    elif labeled:
        yield _choice(labeled, control, image)


def _drawn(
    annotations: Sequence[Annotation], size_hw: Size, control: Control, image: str
) -> Iterator[Json]:
    kind = DRAWN[control.kind]
    tags = replace(Tags(image=image), **{kind: control.name})
    for index, each in enumerate(annotations):
        yield from regions_from_annotation(each, size_hw, index=index, kinds=(kind,), tags=tags)


def _choice(annotations: Sequence[Annotation], control: Control, image: str) -> Json:
    """The classes that are in the image; the surest one where only one may be chosen."""
    surest_first = sorted(annotations, key=lambda each: each.score or 0, reverse=True)
    names = list(dict.fromkeys(each.label for each in surest_first))
    return {
        "type": "choices",
        "from_name": control.name,
        "to_name": image,
        "value": {"choices": names if control.several else names[:1]},
    }
