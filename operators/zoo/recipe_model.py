"""A recipe as a model that FiftyOne can apply to a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import fiftyone as fo
import numpy as np
from fiftyone.core.models import Model, SamplesMixin
from numpy.typing import NDArray

from premask import Hint, Labeled, ModelPool, Prompts, Recipe, Request, label
from premask.labels.fiftyone import (
    annotation_from_detection,
    annotation_from_polyline,
    detection_from_annotation,
    hint_from_annotation,
    hints_from_clicks,
    points_from_keypoint,
)

Rgb = NDArray[np.uint8]


class RecipeModel(Model, SamplesMixin):
    """Boxes, points or masks in the samples' `prompt_field` say where the objects are."""

    def __init__(self, recipe: Recipe, prompts: Prompts) -> None:
        SamplesMixin.__init__(self)
        self.recipe = recipe
        self._prompts = prompts
        self._pool = ModelPool()

    @property
    def media_type(self) -> str:
        return "image"

    @property
    def config(self) -> None:
        # FiftyOne 1.22 puts `confidence_thresh` into a config; without one, it filters the labels.
        return

    @property
    def ragged_batches(self) -> bool:
        # False means, to FiftyOne, that images of different sizes may come in one batch.
        return False

    @property
    def transforms(self) -> None:
        # Each model of the recipe prepares its images itself.
        return

    @property
    def preprocess(self) -> bool:
        return False

    def predict(self, arg: Rgb, sample: Any = None) -> fo.Detections:
        """The labels of one image (height, width, 3) of uint8."""
        return self.predict_all([arg], None if sample is None else [sample])[0]

    def predict_all(self, args: Sequence[Rgb], samples: Any = None) -> list[fo.Detections]:
        """The labels of several images (height, width, 3) of uint8."""
        asked = [
            self._asked(rgb, sample)
            for rgb, sample in zip(args, samples or [None] * len(args), strict=True)
        ]
        wanted = [request for request in asked if request is not None]
        # A recipe that needs prompts refuses to be asked for nothing, as a batch without any does.
        labeled = label(wanted, self.recipe, pool=self._pool) if wanted else iter(())
        return [
            fo.Detections() if request is None else _detections(next(labeled)) for request in asked
        ]

    def _asked(self, rgb: Rgb, sample: Any) -> Request | None:
        """What is asked for in an image; None where the prompt field names no object in it."""
        field = self.needs_fields.get("prompt_field")
        if sample is None or field is None:
            return Request(image=rgb, prompts=self._prompts)
        objects = tuple(_hints(sample[field], (rgb.shape[0], rgb.shape[1])))
        return (
            Request(image=rgb, prompts=replace(self._prompts, objects=objects)) if objects else None
        )


def _detections(labeled: Labeled) -> fo.Detections:
    if labeled.error is not None:
        raise labeled.error
    size_hw = labeled.image.size_hw
    fields = [detection_from_annotation(annotation, size_hw) for annotation in labeled.annotations]
    return fo.Detections(detections=[fo.Detection(**document) for document in fields])


def _hints(labels: Any, size_hw: tuple[int, int]) -> Iterator[Hint]:
    """Read the labels of a prompt field as hints, one for each object."""
    clicks = []
    for shape in _listed(labels):
        fields = {name: shape[name] for name in shape.field_names}
        if isinstance(shape, fo.Keypoint):
            clicks.append(points_from_keypoint(fields, size_hw))
        else:
            read = annotation_from_polyline if "points" in fields else annotation_from_detection
            yield hint_from_annotation(read(fields, size_hw))
    yield from hints_from_clicks(clicks)


def _listed(labels: Any) -> list[Any]:
    """The labels as a list, whether the field holds one, several, or none."""
    for name in ("detections", "polylines", "keypoints"):
        if labels is not None and name in labels.field_names:
            return list(labels[name])
    return [] if labels is None else [labels]
