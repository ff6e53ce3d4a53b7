"""RT-DETR, RT-DETR v2, D-FINE and RF-DETR: the classes they were trained on, by transformers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForInstanceSegmentation,
    AutoModelForObjectDetection,
)

from premask.images import Image
from premask.models.options import DetrOptions
from premask.models.parts.detections import corners_xyxy, hints_of
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.mask_logits import Canvas, masks_from_logits
from premask.models.parts.off_device import on_host
from premask.models.parts.torch_runtime import (
    FittingSizes,
    compile_on_gpu,
    device_of,
    images_that_fit,
    in_alike_batches,
    load_processor,
    load_strictly,
    network_input,
    quick_products,
)
from premask.models.parts.weights_folder import require_readable_settings
from premask.prompts import Hint, Prompts

MEGABYTES = 500
"""What an image takes in the network."""

AT_ONCE_ON_CPU = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Logits (n, classes), boxes (n, 4) center and size in shares, and mask logits (n, h, w)."""

    logits: torch.Tensor
    boxes: torch.Tensor
    masks: torch.Tensor | None


DIFFERENCES = KnownDifferences(
    # transformers 5.0 held the heads of all decoder layers to be one, and wrote the first.
    same_as={r"(?:model\.decoder\.)?(bbox|class)_embed\.[1-9]\d*\.(.+)": r"\1_embed.0.\2"}
)


class DetrFinder:
    """Finds objects of the checkpoint's own classes, with masks if it is of the segmenting kind."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(AutoImageProcessor, weights)
        # In half floats, even by autocast, these networks put boxes on a grid of whole pixels, as
        # they add up coordinates in the number type of their input. They are small enough for
        # full floats.
        self._model = load_strictly(
            _model_class(weights),
            weights,
            device=self._device,
            known=DIFFERENCES,
            dtype=torch.float32,
        )
        on_cpu = self._device.type != "cuda"
        self._at_once = AT_ONCE_ON_CPU if on_cpu else images_that_fit(self._device, MEGABYTES)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def compile(self) -> bool:
        """Let torch compile what sees the image, if it is on a GPU."""
        # Not the decoder: it checks values as it goes, of which torch warns page by page.
        modules = self._model.named_modules()
        backbone = next(part for name, part in modules if name.endswith(".backbone"))
        return compile_on_gpu(backbone, self._device)

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: DetrOptions
    ) -> list[list[Hint]]:
        """The objects of each image, the best first; prompts change nothing."""
        # One by one, as RF-DETR's processor pads what it gets together.
        pixels = [
            network_input(self._processor, image, self._device)["pixel_values"][0]
            for image in images
        ]
        seen = in_alike_batches(
            self._look, pixels, self._at_once, lambda prepared: tuple(prepared.shape), self._fitting
        )
        return [
            self._hints(seen_in_one, image.size_hw, options.threshold)
            for image, seen_in_one in zip(images, seen, strict=True)
        ]

    def _look(self, batch: Sequence[torch.Tensor]) -> list[_Seen]:
        with self._lock, torch.inference_mode(), quick_products(self._device):
            output = self._model(pixel_values=torch.stack(list(batch)))
        masks = output.get("pred_masks")
        return [
            _Seen(
                logits=output.logits[index],
                boxes=output.pred_boxes[index],
                masks=None if masks is None else masks[index],
            )
            for index in range(len(batch))
        ]

    def _hints(self, seen: _Seen, size_hw: tuple[int, int], threshold: float) -> list[Hint]:
        """The best pairs of a box and a class, as many as there are boxes: so it was trained."""
        count, classes = seen.logits.shape
        best = torch.sigmoid(seen.logits).flatten().topk(count)
        scores, places, boxes = on_host(best.values, best.indices, seen.boxes)
        kept = scores > threshold
        queries, names = places[kept] // classes, (places[kept] % classes).tolist()
        masks = None
        if seen.masks is not None:
            logits = seen.masks[torch.from_numpy(queries).to(seen.masks.device)]
            canvas = Canvas(side=logits.shape[-1], size_hw=size_hw)
            masks = masks_from_logits(logits, [canvas] * len(logits))
        labels = [self._model.config.id2label[name] for name in names]
        return hints_of(corners_xyxy(boxes[queries], size_hw), scores[kept], labels, size_hw, masks)


def _model_class(weights: Path) -> Any:
    """The class for the weights: only RF-DETR's config.json says whether there are masks."""
    drawing = "Segmentation" in str(require_readable_settings(weights).get("architectures"))
    return AutoModelForInstanceSegmentation if drawing else AutoModelForObjectDetection
