"""Networks of Mask2Former's kind: they answer with queries, each of a class and a mask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from premask.images import Image
from premask.masks import Mask, Size, masks_by_number
from premask.models.options import QuerySegmentationOptions
from premask.models.parts.categories import wanted_classes
from premask.models.parts.class_maps import class_hints, class_map, winners
from premask.models.parts.off_device import on_host
from premask.models.parts.torch_runtime import (
    FittingSizes,
    half_arithmetic,
    images_that_fit,
    in_alike_batches,
    network_input,
)
from premask.prompts import Hint, Prompts

MASK_THRESHOLD = 0.5
"""How likely a pixel of an object must be."""

NOBODY = -1
"""The owner of pixels that are too unlikely to be anybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An image as the network sees it, in views (n, 3, h, w); `size_hw` is the image's own size.

    In most families there is one view. Where there are several, `places` says which part of the
    resized image's longer side each of them shows.
    """

    views: torch.Tensor
    size_hw: Size
    places: tuple[slice, ...] = ()


def whole_view(processor: Any, image: Image, device: torch.device) -> Look:
    """The whole image in one view, as most families see it."""
    views = network_input(processor, image, device)["pixel_values"]
    return Look(views=views, size_hw=image.size_hw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the network says of each of the n views of one image, in q queries.

    `classes` (n, q, c + 1) are probabilities, the last one that of no object, and `masks`
    (n, q, h, w) are logits.
    """

    classes: torch.Tensor
    masks: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An object, or an area such as the sky. `number` is that of its class."""

    number: int
    score: float
    mask: Mask


class QueryNetwork(Protocol):
    """What differs from family to family."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    @property
    def names(self) -> Mapping[int, str]:
        """What it calls its classes."""
        ...

    @property
    def antialias(self) -> bool:
        """Whether its library smooths a map before it makes it smaller."""
        ...

    def look(self, image: Image, options: QuerySegmentationOptions) -> Look:
        """The image, prepared."""
        ...

    def answer(
        self, views: torch.Tensor, options: QuerySegmentationOptions
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of classes (n, q, c + 1) and of masks (n, q, h, w)."""
        ...

    def class_scores(self, answer: Answer, look: Look) -> torch.Tensor:
        """What each class (c, h, w) scores at each place of the image, at low resolution."""
        ...

    def instances(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        """The objects; they may overlap."""
        ...

    def panoptic(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        """Objects and areas, no two of which overlap."""
        ...


class QueryFinder:
    """Finds classes, objects, or both, with masks. Classes have no scores."""

    def __init__(self, network: QueryNetwork) -> None:
        self._network = network
        self._at_once = images_that_fit(network.device, 1500)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: QuerySegmentationOptions
    ) -> list[list[Hint]]:
        """What each image shows of the wanted classes, the surest first; prompts change nothing."""
        wanted = wanted_classes(options.categories, self._network.names)
        looks = [self._network.look(image, options) for image in images]
        run = partial(self._hints, wanted=wanted, options=options)
        # Images of any size that are resized to one shape go together. No others: padding them to
        # one shape would change results, as the network sees what is around an image, too.
        return in_alike_batches(
            run, looks, self._at_once, lambda look: look.views.shape, self._fitting
        )

    def _hints(
        self, looks: Sequence[Look], wanted: Collection[int], options: QuerySegmentationOptions
    ) -> list[list[Hint]]:
        """The hints of images with equally many views of one size."""
        views = torch.cat([look.views for look in looks])
        with self._lock, torch.inference_mode(), half_arithmetic(self._network.device):
            classes, masks = self._network.answer(views, options)
        with torch.inference_mode():
            answers = (
                Answer(classes=own.float().softmax(dim=-1), masks=logits.float())
                for own, logits in zip(
                    classes.chunk(len(looks)), masks.chunk(len(looks)), strict=True
                )
            )
            return [
                self._read(answer, look, wanted, options)
                for answer, look in zip(answers, looks, strict=True)
            ]

    def _read(
        self, answer: Answer, look: Look, wanted: Collection[int], options: QuerySegmentationOptions
    ) -> list[Hint]:
        names = self._network.names
        if options.task == "semantic":
            scores = self._network.class_scores(answer, look)
            numbers = class_map(scores, look.size_hw, antialias=self._network.antialias)
            return class_hints(numbers, names, wanted)
        read = self._network.panoptic if options.task == "panoptic" else self._network.instances
        segments = [segment for segment in read(answer, look, options) if segment.number in wanted]
        return [
            _hint(segment, names)
            for segment in sorted(segments, key=lambda segment: -segment.score)
        ]


def _hint(segment: Segment, names: Mapping[int, str]) -> Hint:
    return Hint(
        label=names[segment.number],
        box_xyxy=segment.mask.box_xyxy,
        mask=segment.mask,
        score=segment.score,
    )


def class_scores(classes: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """What each class scores (c, h, w): the masks (q, h, w) of all queries, by their classes."""
    return torch.einsum("qc,qhw->chw", classes[:, :-1], masks.sigmoid())


def confident(answer: Answer, threshold: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores (k,), classes (k,) and mask logits (k, h, w) of the queries that are sure enough."""
    scores, numbers = answer.classes[0].max(dim=-1)
    sure = (numbers < answer.classes.shape[-1] - 1) & (scores > threshold)
    kept = sure.nonzero()[:, 0]
    return scores[kept], numbers[kept], answer.masks[0, kept]


def best_pairs(answer: Answer) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same three of the best pairs of a query and a class, as many as there are queries."""
    classes = answer.classes[0, :, :-1]
    scores, places = classes.flatten().topk(len(classes))
    queries = places.div(classes.shape[1], rounding_mode="floor")
    return scores, places % classes.shape[1], answer.masks[0, queries]


def contested(
    strengths: Callable[[int], torch.Tensor],
    scores: torch.Tensor,
    numbers: torch.Tensor,
    visible: float,
    own: Callable[[int], torch.Tensor] | None = None,
) -> Iterator[Segment]:
    """Give each pixel to the strongest of several masks, and drop masks that lose too many pixels.

    `strengths` computes, for one mask, how likely each pixel (height, width) is, times its score. A
    mask is dropped unless it wins more than the share `visible` of the pixels where it is likely.
    With `own`, the same not multiplied by the score, that is what decides where a mask is likely,
    and a mask keeps only such pixels.
    """
    if not len(scores):
        return
    owners = winners(strengths, len(scores))
    shares = []
    for index in range(len(scores)):
        strong = (own or strengths)(index) >= MASK_THRESHOLD
        won = owners == index
        shares.append(won.sum() / strong.sum())  # no number or infinite, if it is likely nowhere
        if own:
            owners.masked_fill_(won & ~strong, NOBODY)
    share, score, number, map_of_owners = on_host(torch.stack(shares), scores, numbers, owners)
    enough = np.isfinite(share) & (share.astype(np.float64) > visible)
    masks = masks_by_number(map_of_owners, {*np.flatnonzero(enough).tolist()})
    for index, mask in masks.items():
        yield Segment(number=int(number[index]), score=float(score[index]), mask=mask)


def mean_inside(masks: torch.Tensor) -> torch.Tensor:
    """The mean probability (n,) of the pixels inside each mask, from logits (n, h, w)."""
    inside = (masks > 0).flatten(1)
    sure = (masks.sigmoid().flatten(1) * inside).sum(dim=1)
    # Masks without a pixel get 0; the small number is the library's (transformers).
    return sure / (inside.sum(dim=1) + 1e-6)
