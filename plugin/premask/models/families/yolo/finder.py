"""YOLO by Ultralytics: objects of the classes that its weights know, or of your own, with masks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from premask.images import Image
from premask.models.families.yolo.checkpoints import read_model
from premask.models.families.yolo.vocabularies import Asker, vocabulary_of
from premask.models.options import YoloOptions
from premask.models.parts.off_device import crops_of, masks_on_host, on_host
from premask.models.parts.phrases import best_first, finds_of
from premask.models.parts.torch_runtime import FittingSizes, device_of, in_alike_batches
from premask.prompts import Hint, Prompts

IMAGES_AT_ONCE = 16


class YoloFinder:
    """Finds with Ultralytics' own predictors, which run in full floats on a GPU, too."""

    def __init__(self, *, weights: Path, device: str) -> None:
        model = read_model(weights)
        self._image_size = model.args["imgsz"]
        self._vocabulary = vocabulary_of(model, device_of(device), weights)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: YoloOptions
    ) -> list[list[Hint]]:
        """The objects of each image, the best first, with masks if the weights have them."""
        for asked in prompts:
            self._vocabulary.require_usable(asked)
        # Images of several sizes in one batch would be padded more than they are alone.
        return in_alike_batches(
            partial(self._found, options=options),
            list(zip(images, prompts, strict=True)),
            IMAGES_AT_ONCE,
            lambda asked: (asked[0].size_hw, asked[1].phrases, asked[1].exemplars),
            self._fitting,
        )

    def _found(
        self, asked: Sequence[tuple[Image, Prompts]], options: YoloOptions
    ) -> list[list[Hint]]:
        """What is in images of one size, of which the same is asked."""
        (first, prompts) = asked[0]
        # Ultralytics wants what OpenCV reads: blue first.
        pictures = [np.ascontiguousarray(image.rgb[..., ::-1]) for image, _ in asked]
        with self._lock:
            predictor, askers = self._vocabulary.ask(prompts, first.size_hw)
            predictor.args.conf, predictor.args.iou = options.threshold, options.iou
            predictor.args.imgsz = options.image_size or self._image_size
            results = predictor(pictures)
        return [_hints(result, askers) for result in results]


def _hints(result: Any, askers: Sequence[Asker]) -> list[Hint]:
    """The objects of one image; askers[i] is who asks for class i."""
    boxes, scores, classes = on_host(result.boxes.xyxy, result.boxes.conf, result.boxes.cls)
    masks = None
    if result.masks is not None:
        masks = list(masks_on_host(crops_of(result.masks.data.bool())))
    asker = classes.astype(np.int64)
    finds = finds_of(boxes, scores, asker, askers, result.orig_shape, masks)
    return best_first([finds])
