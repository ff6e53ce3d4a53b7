"""What was found in an image -> regions of the project's own tags and labels."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ml_backend.project.controls import Control
from ml_backend.studio.protocol import Json
from premask.annotations import Annotation
from premask.labels.label_studio import LabelList, TagNames, regions_from_annotation
from premask.masks import Size


def regions_from_annotations(
    annotations: Sequence[Annotation],
    size_hw: Size,
    controls: Sequence[Control],
    image: str,
    item_index: int | None = None,
    known_as: Sequence[Json] | None = None,
) -> list[Json]:
    """The objects, each with the first of these controls that can show it and has a label for it.

    Later ones are used, too, where their author asks for it (`model_also`); `image` is their tag,
    and `item_index` the place of the image in the list that the tag shows.
    The ids are new ones: Label Studio lets a region replace the one on the screen with its id.
    `known_as` is what the regions of each object shall be known by later; it makes their ids.
    """
    salt = secrets.token_hex(8)
    names: Sequence[Json | None] = known_as or [None] * len(annotations)
    regions = [
        region
        for index, (annotation, name) in enumerate(zip(annotations, names, strict=True))
        if is_visible(annotation)
        for region in _shapes(annotation, size_hw, controls, image, f"{salt} {index}", name)
    ]
    visible = list(filter(is_visible, annotations))
    regions += _choices(visible, controls, image)
    if item_index is None:
        return regions
    return [region | {"item_index": item_index} for region in regions]


def is_visible(annotation: Annotation) -> bool:
    """Whether there is anything to see: of a mask without a pixel there is not."""
    return annotation.mask is None or bool(annotation.mask.area)


def without_label(annotations: Sequence[Annotation], controls: Sequence[Control]) -> Counter[str]:
    """What was found, but has no label in any of these controls."""
    return Counter(
        annotation.label
        for annotation in annotations
        if not any(control.label_for(annotation.label) for control in controls)
    )


def _shapes(
    annotation: Annotation,
    size_hw: Size,
    controls: Sequence[Control],
    image: str,
    salt: str,
    known_as: Json | None,
) -> Iterator[Json]:
    # Nearly always there is one label. Controls may call the same thing by different names, though.
    used_by_label: dict[str, dict[str, Control]] = {}
    for control in controls:
        tag, label = control.definition, control.label_of(annotation)
        able = tag.write is not None and not (tag.needs_mask and annotation.mask is None)
        if able and label is not None and (control.also or not used_by_label):
            used_by_label.setdefault(label, {}).setdefault(control.tag, control)
    for label, used in used_by_label.items():
        lists = [control.label_list for control in used.values() if control.label_list]
        names = TagNames(
            image=image,
            controls={tag: control.name for tag, control in used.items()},
            labels=lists[0] if lists else LabelList(),
        )
        yield from regions_from_annotation(
            replace(annotation, label=label),
            size_hw,
            controls=tuple(used),
            names=names,
            turned=any(control.turns for control in used.values()),
            salt=salt,
            known_as=known_as,
        )


def _choices(
    annotations: Sequence[Annotation], controls: Sequence[Control], image: str
) -> Iterator[Json]:
    """What the image shows, as a choice for the whole of it: the surest label, or all of them."""
    surest_first = sorted(annotations, key=lambda annotation: annotation.score or 0, reverse=True)
    for control in controls:
        labels = map(control.label_of, surest_first)
        classes = list(dict.fromkeys(label for label in labels if label is not None))
        if control.definition.write_classes and classes:
            yield {
                "id": secrets.token_urlsafe(8)[:10],
                "type": control.definition.region_type,
                "from_name": control.name,
                "to_name": image,
                "value": control.definition.write_classes(
                    classes if control.several else classes[:1]
                ),
            }
