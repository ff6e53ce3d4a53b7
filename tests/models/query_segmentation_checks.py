"""What the tests of Mask2Former, OneFormer and EoMT share: the library's own steps, as hints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from transformers import (
    EomtForUniversalSegmentation,
    EomtImageProcessor,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    OneFormerForUniversalSegmentation,
    OneFormerProcessor,
)

from premask.images import Image
from premask.masks import Mask
from premask.models.families.eomt import eomt_finder
from premask.models.families.mask2former import mask2former_finder
from premask.models.families.oneformer import oneformer_finder
from premask.models.options import EomtOptions, QuerySegmentationOptions
from premask.models.parts.query_segmentation import QueryFinder
from premask.prompts import Hint, Prompts
from tests.models.detector_checks import photos
from tests.tiny_models import eomt, mask2former, oneformer

TASKS = ("semantic", "instance", "panoptic")
NAMES = mask2former.NAMES


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one family is made, found with, and documented."""

    build: Callable[[Path], None]
    finder: Callable[..., QueryFinder]
    options: type[QuerySegmentationOptions]
    visible: float
    documented: Callable[[Path, Image, QuerySegmentationOptions], Any]


def picture_of(image: Image) -> PIL.Image.Image:
    return PIL.Image.fromarray(image.rgb)


def read_as_documented(
    processor: Any, outputs: Any, image: Image, own: QuerySegmentationOptions
) -> Any:
    sizes = [image.size_hw]
    if own.task == "semantic":
        return processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)[0]
    settings: dict[str, Any] = {"threshold": own.threshold, "target_sizes": sizes}
    if own.task == "panoptic":
        settings["overlap_mask_area_threshold"] = own.visible
        return processor.post_process_panoptic_segmentation(outputs, **settings)[0]
    if isinstance(processor, Mask2FormerImageProcessor):
        settings["return_binary_maps"] = True
    if isinstance(processor, OneFormerProcessor):
        settings["overlap_mask_area_threshold"] = own.visible
    return processor.post_process_instance_segmentation(outputs, **settings)[0]


def mask2former_documented(folder: Path, image: Image, own: QuerySegmentationOptions) -> Any:
    model = Mask2FormerForUniversalSegmentation.from_pretrained(folder)
    processor = Mask2FormerImageProcessor.from_pretrained(folder)
    inputs = processor(images=picture_of(image), return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    return read_as_documented(processor, outputs, image, own)


def oneformer_documented(folder: Path, image: Image, own: QuerySegmentationOptions) -> Any:
    model = OneFormerForUniversalSegmentation.from_pretrained(folder)
    processor = OneFormerProcessor.from_pretrained(folder)
    inputs = processor(images=picture_of(image), task_inputs=[own.task], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    return read_as_documented(processor, outputs, image, own)


def eomt_documented(folder: Path, image: Image, own: QuerySegmentationOptions) -> Any:
    model = EomtForUniversalSegmentation.from_pretrained(folder)
    processor = EomtImageProcessor.from_pretrained(folder)
    inputs = processor(images=picture_of(image), return_tensors="pt")
    offsets = inputs.pop("patch_offsets")
    with torch.no_grad():
        outputs = model(**inputs)
    outputs.patch_offsets = offsets
    return read_as_documented(processor, outputs, image, own)


FAMILIES = {
    "mask2former": Family(
        build=mask2former.build,
        finder=mask2former_finder,
        options=QuerySegmentationOptions,
        visible=0.2,
        documented=mask2former_documented,
    ),
    "oneformer": Family(
        build=oneformer.build,
        finder=oneformer_finder,
        options=QuerySegmentationOptions,
        visible=0.2,
        documented=oneformer_documented,
    ),
    "eomt": Family(
        build=eomt.build,
        finder=eomt_finder,
        options=EomtOptions,
        visible=0.01,
        documented=eomt_documented,
    ),
}


def small_photos() -> list[Image]:
    """Small: what the masks of random weights cost grows with the image."""
    views = [image.rgb[100:260, 100:340] for image in photos()[:3]]
    return [
        Image.from_rgb(np.ascontiguousarray(view), name=str(index))
        for index, view in enumerate([*views, views[2][:, :120], views[0][:40, :30]])
    ]


def loose(name: str, task: str) -> QuerySegmentationOptions:
    """Tiny models are sure of nothing."""
    return FAMILIES[name].options(task=task, threshold=0.15, visible=FAMILIES[name].visible)


def found(finder: QueryFinder, image: Image, options: QuerySegmentationOptions) -> list[Hint]:
    return finder.find([image], [Prompts()], options)[0]


def hints_of_classes(numbers: NDArray[np.int64]) -> list[Hint]:
    masks = {int(number): Mask.from_array(numbers == number) for number in np.unique(numbers)}
    return [
        Hint(label=NAMES[number], box_xyxy=mask.box_xyxy, mask=mask)
        for number, mask in masks.items()
    ]


def mask_of(hint: Hint) -> Mask:
    assert hint.mask is not None
    return hint.mask


def hints_of_segments(result: Any, *, by_score: bool = True) -> list[Hint]:
    """One a segment, from a map of segment ids, or from one map for each."""
    maps = np.asarray(result["segmentation"])
    hints = []
    for index, segment in enumerate(result["segments_info"]):
        mask = Mask.from_array(maps[index] > 0 if maps.ndim == 3 else maps == segment["id"])
        label, score = NAMES[segment["label_id"]], segment["score"]
        hints.append(Hint(label=label, box_xyxy=mask.box_xyxy, mask=mask, score=score))
    return sorted(hints, key=lambda hint: -(hint.score or 0)) if by_score else hints


def assert_agree(one: list[Hint], other: list[Hint], share: float) -> None:
    """So much of the pixels have the same class in both."""
    masks = {hint.label: mask_of(hint) for hint in other}
    height, width = mask_of(one[0]).size_hw
    nothing = Mask.empty((height, width))
    common = [mask_of(hint).intersection(masks.get(hint.label, nothing)) for hint in one]
    assert sum(mask.area for mask in common) > share * height * width
