"""Outline objects with any network of SAM's kind: it encodes an image once, and is asked often."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from premask.images import Image
from premask.masks import Mask, Size
from premask.models.capabilities import Outline
from premask.models.options import EverythingOptions
from premask.models.parts.everything import find_everything
from premask.models.parts.known_differences import NO_DIFFERENCES, KnownDifferences
from premask.models.parts.mask_logits import Canvas, masks_from_logits
from premask.models.parts.off_device import on_host
from premask.models.parts.sam_prompts import Kind, ObjectPrompt, prompt_of, prompt_tensors
from premask.models.parts.torch_runtime import (
    FittingSizes,
    TorchEmbedding,
    compile_on_gpu,
    dtype_on,
    embedding_from_bytes,
    exact_products,
    images_that_fit,
    in_batches,
    load_strictly,
    place_of,
)
from premask.prompts import Hint, Prompts

Tensors = dict[str, torch.Tensor]
Decoded = tuple[torch.Tensor, torch.Tensor]

MEGABYTES = 1500
"""What an image takes in the largest encoder, SAM's own."""

OBJECTS_AT_ONCE = 64
OBJECTS_AT_ONCE_ON_CPU = 4
"""On a CPU, more objects at once are no faster, and slower when they outgrow its caches."""


class PromptNetwork(Protocol):
    """What differs from family to family. Tensors are batch first."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    @property
    def encoder(self) -> torch.nn.Module:
        """The part that sees the image, and takes most of the time."""
        ...

    @property
    def low_side(self) -> int:
        """Width and height of its low-resolution masks."""
        ...

    def canvas(self, size_hw: Size) -> Canvas:
        """How an image of this size lies in the network's square."""
        ...

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        """What it looks at (n, 3, side, side): resized, normalized."""
        ...

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """All that `decode` needs to know of the images."""
        ...

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        """Logits (n, m, masks, h, w) and predicted IoUs (n, m, masks)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """One object to outline. `place` is the index of its image, and its own among the hints."""

    place: tuple[int, int]
    embedding: TorchEmbedding
    prompt: ObjectPrompt


class PromptableSegmenter:
    """Outlines hints, or finds everything. Scores are the IoUs that the network predicts."""

    def __init__(self, network: PromptNetwork) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._fitting = FittingSizes()
        # On a CPU one by one, so that a click does not wait until images of others are encoded.
        self._images_at_once = images_that_fit(network.device, MEGABYTES)
        on_cpu = network.device.type == "cpu"
        self._objects_at_once = OBJECTS_AT_ONCE_ON_CPU if on_cpu else OBJECTS_AT_ONCE

    @property
    def place(self) -> str:
        """The kind of device and of numbers in which images are encoded."""
        return place_of(self._network.device)

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._images_at_once

    def compile(self) -> bool:
        """Let torch compile the image encoder, if it is on a GPU."""
        return compile_on_gpu(self._network.encoder, self._network.device)

    def embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        """What the network remembers of each image, on its device."""
        return in_batches(self._embedded, images, self._images_at_once, self._fitting, "images")

    def restore(self, data: bytes) -> TorchEmbedding:
        """An embedding from its bytes; ValueError for bytes that are none."""
        return embedding_from_bytes(data, self._network.device)

    def segment(
        self, embeddings: Sequence[TorchEmbedding], hints: Sequence[Sequence[Hint]], options: object
    ) -> list[list[Outline]]:
        """One outline for each hint of each image; images and objects share their batches."""
        outlines = [
            [Outline(mask=Mask.empty(embedding.size_hw))] * len(hints_of_one)
            for embedding, hints_of_one in zip(embeddings, hints, strict=True)
        ]
        run = partial(self._outlined, options=options)
        for kind, tasks in self._tasks_by_kind(embeddings, hints).items():
            found = in_batches(run, tasks, self._objects_at_once, self._fitting, kind)
            for task, outline in zip(tasks, found, strict=True):
                image, place = task.place
                outlines[image][place] = outline
        return outlines

    def find(
        self,
        embeddings: Sequence[TorchEmbedding],
        prompts: Sequence[Prompts],
        options: EverythingOptions,
    ) -> list[list[Hint]]:
        """All objects of each image, with their masks; the best one first."""
        return [
            find_everything(
                partial(self._decoded, [embedding], multimask=True, options=options),
                self._network.canvas(embedding.size_hw),
                options,
                self._objects_at_once,
                self._fitting,
            )
            for embedding, _ in zip(embeddings, prompts, strict=True)
        ]

    def _embedded(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        pixels = self._network.pixels(images)
        with self._lock, torch.inference_mode():
            features = self._network.encode(pixels)
        # Copies, as a view would keep its whole batch in memory.
        return [
            TorchEmbedding(
                size_hw=image.size_hw,
                tensors={name: maps[index : index + 1].clone() for name, maps in features.items()},
            )
            for index, image in enumerate(images)
        ]

    def _tasks_by_kind(
        self, embeddings: Sequence[TorchEmbedding], hints: Sequence[Sequence[Hint]]
    ) -> dict[Kind, list[_Task]]:
        tasks: dict[Kind, list[_Task]] = defaultdict(list)
        for image, embedding in enumerate(embeddings):
            canvas = self._network.canvas(embedding.size_hw)
            for place, hint in enumerate(hints[image]):
                prompt = prompt_of(hint, canvas, self._network.low_side)
                if prompt is not None:
                    task = _Task(place=(image, place), embedding=embedding, prompt=prompt)
                    tasks[prompt.kind].append(task)
        return tasks

    def _outlined(self, tasks: Sequence[_Task], options: object) -> list[Outline]:
        """Outlines of objects whose prompts are of one kind."""
        prompts = [task.prompt for task in tasks]
        embeddings = [task.embedding for task in tasks]
        multimask = prompts[0].is_ambiguous
        logits, scores = self._decoded(embeddings, prompts, multimask=multimask, options=options)
        best = scores.argmax(dim=1)
        every = torch.arange(len(tasks), device=best.device)
        canvases = [self._network.canvas(task.embedding.size_hw) for task in tasks]
        masks = masks_from_logits(logits[every, best], canvases)
        (sure,) = on_host(scores[every, best].clamp(0, 1))
        return [
            Outline(mask=mask, score=score)
            for mask, score in zip(masks, sure.tolist(), strict=True)
        ]

    def _decoded(
        self,
        embeddings: Sequence[TorchEmbedding],
        prompts: Sequence[ObjectPrompt],
        *,
        multimask: bool,
        options: object,
    ) -> Decoded:
        """Logits (n, masks, h, w) and scores (n, masks) of n objects; one embedding serves all."""
        # A network takes one rough mask an image, so objects with rough masks go in as if each were
        # in an image of its own.
        one_image = len(set(map(id, embeddings))) == 1 and prompts[0].rough is None
        seen = embeddings[:1] if one_image else embeddings
        features = {}
        for name in seen[0].tensors:
            maps = [embedding.tensors[name] for embedding in seen]
            # `cat` would copy the maps of a single image, too, and a click is waiting.
            features[name] = (maps[0] if len(maps) == 1 else torch.cat(maps)).float()
        tensors = prompt_tensors(prompts, self._network.device, one_image=one_image)
        with self._lock, torch.inference_mode(), exact_products(self._network.device):
            logits, scores = self._network.decode(features, tensors, multimask, options)
        return logits.flatten(0, 1), scores.flatten(0, 1)


def load_promptable(
    model_class: Any,
    folder: Path,
    device: torch.device,
    known: KnownDifferences = NO_DIFFERENCES,
) -> Any:
    """A model whose image encoder, most of it, is in half floats, and the rest in full ones.

    In bfloat16, the prompt encoder would move a click by up to 2 of its 1024 pixels.
    """
    model = load_strictly(model_class, folder, device=device, known=known, dtype=torch.float32)
    model.vision_encoder.to(dtype_on(device))
    return model
