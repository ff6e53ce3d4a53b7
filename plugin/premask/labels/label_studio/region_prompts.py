"""Regions that a person draws to ask for something -> prompts, in pixels of the upright image.

Label Studio sends them while an annotation is drawn with a smart tool. Positions are percent of the
image itself, so they are read by its size, and not by the `original_width` of the region.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from premask.geometry import box_area, pixels_of_percent
from premask.labels.label_studio.shapes import (
    bitmask_shape,
    brush_shape,
    ellipse_shape,
    polygon_shape,
    rectangle_box,
)
from premask.masks import Size
from premask.prompts import BoxPrompt, Phrase, Point, Prompts

Region = Mapping[str, Any]


def point_prompt(region: Region, size_hw: Size) -> Prompts:
    """Only a click with the Alt key is negative. A point's width is the browser's zoom."""
    value = region["value"]
    x, y = pixels_of_percent((float(value["x"]), float(value["y"])), size_hw)
    positive = region.get("is_positive") is not False
    return Prompts(points=(Point(x=x, y=y, positive=positive, label=_label(region)),))


def box_prompt(region: Region, size_hw: Size) -> Prompts:
    box_xyxy = rectangle_box(region["value"], size_hw)
    # A click with the rectangle tool leaves a rectangle without an area.
    if not box_area(box_xyxy):
        return Prompts()
    return Prompts(boxes=(BoxPrompt(box_xyxy=box_xyxy, label=_label(region)),))


def stroke_prompt(region: Region, size_hw: Size) -> Prompts:
    """A rough mask. A brush has pixels of the image that it was drawn on, and no percent."""
    _, mask, _ = brush_shape(region["value"], _own_size(region))
    return Prompts(mask=mask, mask_label=_label(region))


def bitmask_prompt(region: Region, size_hw: Size) -> Prompts:
    _, mask, _ = bitmask_shape(region["value"], _own_size(region))
    return Prompts(mask=mask, mask_label=_label(region))


def polygon_prompt(region: Region, size_hw: Size) -> Prompts:
    _, mask, _ = polygon_shape(region["value"], size_hw)
    return Prompts(mask=mask, mask_label=_label(region))


def ellipse_prompt(region: Region, size_hw: Size) -> Prompts:
    _, mask, _ = ellipse_shape(region["value"], size_hw)
    return Prompts(mask=mask, mask_label=_label(region))


def words_prompt(region: Region, size_hw: Size) -> Prompts:
    """Phrases without a label: a text field has none. Several texts are several phrases."""
    said = region["value"].get("text")
    texts = [said] if isinstance(said, str) else [str(text) for text in said or ()]
    return Prompts(phrases=tuple(Phrase(text=text.strip()) for text in texts if text.strip()))


def _own_size(region: Region) -> Size:
    return int(region["original_height"]), int(region["original_width"])


def _label(region: Region) -> str:
    """The label that was chosen in the tool, or "" where the tool has none."""
    value = region["value"]
    labels = value.get(region["type"]) or value.get("labels") or [""]
    return str(labels[0])
