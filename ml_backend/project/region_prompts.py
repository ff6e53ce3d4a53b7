"""What a person clicked, drew and wrote in Label Studio -> prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_backend.project.label_config import LabelConfig
from ml_backend.studio.protocol import Json
from premask.annotations import Annotation
from premask.errors import InvalidMask, InvalidRequest
from premask.geometry import box_area, pixels_of_percent
from premask.labels.label_studio import annotations_from_regions
from premask.masks import Mask, Size
from premask.prompts import BoxPrompt, Phrase, Point, Prompts

POINTS = ("keypointlabels", "keypoint")
TEXT = "textarea"
BRUSH = "brushlabels"


def regions_by_image(context: Mapping[str, Any], config: LabelConfig) -> dict[str, list[Json]]:
    """The regions of a context by the image tag that they lie on; none for an empty context."""
    regions: dict[str, list[Json]] = {}
    for region in context.get("result") or ():
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            raise InvalidRequest("Each item of a context's result must be a region with a value.")
        image = str(region.get("to_name"))
        if image not in config.images:
            raise InvalidRequest(
                f"A click is on the tag '{image}', but the images of the label config are: "
                f"{', '.join(config.images) or 'none'}. Reload the page in Label Studio."
            )
        regions.setdefault(image, []).append(region)
    return regions


def prompts_from_regions(
    regions: Sequence[Json], size_hw: Size, config: LabelConfig, image: str
) -> Prompts:
    """What these regions ask for on the upright image of this size."""
    try:
        drawn = annotations_from_regions(_sized(each, size_hw) for each in regions)
        points = tuple(
            _point(each, size_hw, config, image) for each in regions if each.get("type") in POINTS
        )
    except (InvalidMask, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"What was clicked or drawn can't be read: {error}.") from error
    rough = [each for each in drawn if each.mask is not None]
    return Prompts(
        phrases=tuple(_phrases(regions, config, image)),
        points=points,
        boxes=tuple(
            BoxPrompt(box_xyxy=each.box_xyxy, label=config.label_asked_for(image, each.label))
            for each in drawn
            # A click with the rectangle tool leaves a rectangle without an area.
            if each.mask is None and box_area(each.box_xyxy)
        ),
        mask=_union(rough),
        mask_label=config.label_asked_for(image, rough[0].label) if rough else "",
    )


def _sized(region: Json, size_hw: Size) -> Json:
    """Percent are of the image as it is; the pixels of a brush are of the size it was drawn on."""
    if region.get("type") == BRUSH:
        return region
    return {**region, "original_height": size_hw[0], "original_width": size_hw[1]}


def _point(region: Json, size_hw: Size, config: LabelConfig, image: str) -> Point:
    """Only an Alt click is negative; the width of a point is the zoom of the browser."""
    value = region["value"]
    x, y = pixels_of_percent((float(value["x"]), float(value["y"])), size_hw)
    said = value.get("keypointlabels") or value.get("labels") or [""]
    return Point(
        x=x,
        y=y,
        positive=region.get("is_positive") is not False,
        label=config.label_asked_for(image, str(said[0])),
    )


def _phrases(regions: Sequence[Json], config: LabelConfig, image: str) -> Iterator[Phrase]:
    for region in regions:
        if region.get("type") == TEXT:
            said = region["value"].get("text")
            for text in [said] if isinstance(said, str) else said or ():
                if str(text).strip():
                    label = config.label_asked_for(image, str(text))
                    yield Phrase(text=str(text).strip(), label=label)


def _union(rough: Sequence[Annotation]) -> Mask | None:
    masks = [each.mask for each in rough if each.mask is not None]
    return masks[0].union(*masks[1:]) if masks else None
