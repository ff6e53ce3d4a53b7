"""What a person clicked, drew and wrote in Label Studio -> prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ml_backend.label_config import LabelConfig
from ml_backend.protocol import Json
from premask.annotations import Annotation
from premask.errors import InvalidRequest, UnsupportedPrompt
from premask.geometry import box_area, pixels_of_percent
from premask.labels.label_studio import annotations_from_regions
from premask.masks import Mask, Size
from premask.prompts import BoxPrompt, Phrase, Point, Prompts

POINTS = ("keypointlabels", "keypoint")
TEXTS = ("textarea",)


def regions_by_image(context: Mapping[str, Any], config: LabelConfig) -> dict[str, list[Json]]:
    """The regions of a context by the image tag that they lie on; none for an empty context."""
    regions: dict[str, list[Json]] = {}
    for region in context.get("result") or ():
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            raise InvalidRequest("Each item of the context's result must be a region with a value.")
        image = region.get("to_name")
        if image not in config.images:
            raise InvalidRequest(
                f"The context speaks of the tag {image!r}, but the images of the label config are: "
                f"{', '.join(config.images) or 'none'}."
            )
        regions.setdefault(str(image), []).append(region)
    return regions


def prompts_from_regions(
    regions: Sequence[Json], size_hw: Size, config: LabelConfig, image: str
) -> Prompts:
    """The prompts that these regions are on the upright image of this size.

    Label Studio sends the size that it believes in with some of them only; all count in percent.
    """
    own_size = [{**each, "original_height": size_hw[0], "original_width": size_hw[1]} for each in regions]
    drawn = annotations_from_regions(own_size)
    labelled = [_with_label(each, config, image) for each in drawn]
    masks = [each for each in labelled if each.mask is not None]
    return Prompts(
        phrases=tuple(_phrases(regions, config, image)),
        points=tuple(_points(regions, size_hw, config, image)),
        boxes=tuple(
            BoxPrompt(box_xyxy=each.box_xyxy, label=each.label)
            for each in labelled
            if each.mask is None and box_area(each.box_xyxy)
        ),
        mask=_united([each.mask for each in masks if each.mask is not None]),
        mask_label=masks[0].label if masks else "",
    )


def is_empty(prompts: Prompts) -> bool:
    """Whether nothing was asked for."""
    return prompts == Prompts()


def _with_label(annotation: Annotation, config: LabelConfig, image: str) -> Annotation:
    return replace(annotation, label=config.label_asked_for(image, annotation.label))
