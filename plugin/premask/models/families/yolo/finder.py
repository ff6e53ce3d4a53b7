"""YOLO by Ultralytics: objects of the classes that its weights know, or of your own, with masks."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from premask.images import Image
from premask.models.families.yolo.checkpoints import read_model
from premask.models.families.yolo.library import LetterBox, check_imgsz
from premask.models.families.yolo.vocabularies import Asker, Vocabulary, vocabulary_of
from premask.models.options import YoloOptions
from premask.models.parts.off_device import crops_of, masks_on_host, on_host
from premask.models.parts.phrases import best_first, finds_of
from premask.models.parts.torch_runtime import (
    FittingSizes,
    device_of,
    images_that_fit,
    in_alike_batches,
)
from premask.prompts import Hint, Prompts

MEGABYTES = 500
"""What an image takes in the network, and its masks at their full size."""


class YoloFinder:
    """Finds with Ultralytics' own predictors, in full floats unless a GPU is asked for halves."""

    def __init__(self, *, weights: Path, device: str) -> None:
        model, self._device = read_model(weights), device_of(device)
        self._image_size = model.args["imgsz"]
        # Ultralytics resizes by at least 32, too.
        self._stride = max(int(model.stride.max()), 32)
        self._vocabulary_in = partial(vocabulary_of, model, self._device, weights)
        self._vocabularies = {False: self._vocabulary_in(half=False)}
        self._at_once = images_that_fit(self._device, MEGABYTES)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: YoloOptions
    ) -> list[list[Hint]]:
        """The objects of each image, the best first, with masks if the weights have them."""
        vocabulary = self._vocabulary(half=options.half)
        for asked in prompts:
            vocabulary.require_usable(asked)
        letterbox = self._letterbox(options.image_size or self._image_size)
        return in_alike_batches(
            partial(self._found, vocabulary, letterbox, options),
            list(zip(images, prompts, strict=True)),
            self._at_once,
            lambda asked: _kind(letterbox, *asked),
            self._fitting,
        )

    def _vocabulary(self, *, half: bool) -> Vocabulary:
        """The model in full floats or, from the first use on and on a GPU alone, in halves, too."""
        half = half and self._device.type == "cuda"
        with self._lock:
            if half not in self._vocabularies:
                self._vocabularies[half] = self._vocabulary_in(half=half)
            return self._vocabularies[half]

    def _letterbox(self, image_size: Any) -> Any:
        """What resizes an image and pads it to the least rectangle that the network can see."""
        sides_hw = check_imgsz(image_size, stride=self._stride, min_dim=2)
        return LetterBox(sides_hw, auto=True, stride=self._stride)

    def _found(
        self,
        vocabulary: Vocabulary,
        letterbox: Any,
        options: YoloOptions,
        asked: Sequence[tuple[Image, Prompts]],
    ) -> list[list[Hint]]:
        """What is in images of one kind."""
        (first, prompts) = asked[0]
        # Ultralytics wants what OpenCV reads: blue first.
        pictures = [np.ascontiguousarray(image.rgb[..., ::-1]) for image, _ in asked]
        with self._lock:
            predictor, askers = vocabulary.ask(prompts, first.size_hw)
            predictor.args.conf, predictor.args.iou = options.threshold, options.iou
            predictor.args.imgsz = letterbox.new_shape
            # Its own pads images of several sizes to a square, even if their rectangles are alike.
            predictor.pre_transform = lambda batch: [letterbox(image=picture) for picture in batch]
            results = predictor(pictures)
        return [_hints(result, askers) for result in results]


def _kind(letterbox: Any, image: Image, prompts: Prompts) -> Hashable:
    """What images have in common that the network sees together: the shape in which it sees them.

    Padding them to one shape would change results: it sees what is around an image, too.
    """
    resized = letterbox.get_params({"img": image.rgb})
    width, height = resized["new_unpad"]
    seen_hw = (
        height + resized["top"] + resized["bottom"],
        width + resized["left"] + resized["right"],
    )
    # Exemplars are shown as far as they are on the image, which depends on its size.
    shown = (prompts.exemplars, image.size_hw) if prompts.exemplars else None
    return seen_hw, prompts.phrases, shown


def _hints(result: Any, askers: Sequence[Asker]) -> list[Hint]:
    """The objects of one image; askers[i] is who asks for class i."""
    boxes, scores, classes = on_host(result.boxes.xyxy, result.boxes.conf, result.boxes.cls)
    masks = None
    if result.masks is not None:
        masks = list(masks_on_host(crops_of(result.masks.data.bool())))
    asker = classes.astype(np.int64)
    finds = finds_of(boxes, scores, asker, askers, result.orig_shape, masks)
    return best_first([finds])
