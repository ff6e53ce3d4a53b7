"""One pass over a clip: every object is followed by what is remembered of it, and of it alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.parts.mask_logits import Canvas, masks_from_logits
from premask.models.parts.memory_network import Decoded, MemoryNetwork, Seen
from premask.models.parts.object_memory import Memory, ObjectMemory
from premask.models.parts.off_device import on_host
from premask.models.parts.torch_runtime import (
    FittingSizes,
    TorchEmbedding,
    exact_products,
    in_alike_batches,
)
from premask.models.parts.video_prompts import video_prompt_of
from premask.prompts import Hint

FRAME = "frame"
"""The name of the tensor that says how many frames a pass has seen."""


class MemoryTracking:
    """A pass by a network that remembers. A score is the IoU that it predicts, times presence.

    Objects do not influence each other: with and without the others, one has the same masks. On a
    CPU that is so bit by bit, as they are not decoded together there.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        lock: threading.Lock,
        canvas: Canvas,
        *,
        low_side: int,
        objects_at_once: int,
    ) -> None:
        self._network = network
        self._lock = lock
        self._canvas = canvas
        self._low_side = low_side
        self._objects_at_once = objects_at_once
        self._fitting = FittingSizes()
        self._objects: dict[int, ObjectMemory] = {}
        self._seen = 0

    def step(
        self, frame: int, embedding: TorchEmbedding, pointed_at: Mapping[int, Hint]
    ) -> dict[int, Outline]:
        """Where the objects are in the next frame.

        A box or a mask begins an object anew; clicks alone correct what is remembered of it.
        """
        with self._lock, torch.inference_mode(), exact_products(self._network.device):
            seen = self._network.look(embedding)
            outlines = {
                track: self._outlined(seen, track, hint) for track, hint in pointed_at.items()
            }
            others = [track for track in self._objects if track not in pointed_at]
            followed = in_alike_batches(
                partial(self._followed, seen),
                others,
                self._objects_at_once,
                lambda track: self._objects[track].recall(self._seen).layout,
                self._fitting,
            )
        self._seen += 1
        return {**outlines, **dict(zip(others, followed, strict=True))}

    def end(self, track: int) -> None:
        """Forget the object."""
        self._objects.pop(track, None)

    def state(self) -> bytes:
        """In the form of safetensors, which can hold numbers only, and no code."""
        tensors = {FRAME: torch.tensor(self._seen)}
        for track, remembered in self._objects.items():
            kinds = {"anchor": remembered.anchors, "recent": remembered.recent}
            for kind, memories in kinds.items():
                for frame, memory in memories.items():
                    name = f"{track}/{kind}/{frame}"
                    tensors[f"{name}/pointer"] = memory.pointer.contiguous().cpu()
                    if memory.features is not None:
                        tensors[f"{name}/features"] = memory.features.contiguous().cpu()
        return bytes(save(tensors))

    def restore(self, state: bytes) -> None:
        """Go on from a state; ValueError for bytes that are none."""
        try:
            tensors = load(state)
            self._seen = int(tensors.pop(FRAME))
            self._objects = self._remembered(tensors)
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise ValueError(f"This is no state of a pass over a clip: {error}.") from error

    def _remembered(self, tensors: Mapping[str, torch.Tensor]) -> dict[int, ObjectMemory]:
        objects: dict[int, ObjectMemory] = {}
        pointers = [name.split("/") for name in tensors if name.endswith("/pointer")]
        for track, kind, frame, _ in sorted(pointers, key=lambda parts: int(parts[2])):
            of_one = objects.setdefault(int(track), ObjectMemory(reach=self._network.reach))
            features = tensors.get(f"{track}/{kind}/{frame}/features")
            memory = Memory(
                pointer=tensors[f"{track}/{kind}/{frame}/pointer"].to(self._network.device),
                features=None if features is None else features.to(self._network.device),
            )
            (of_one.anchors if kind == "anchor" else of_one.recent)[int(frame)] = memory
        return objects

    def _outlined(self, seen: Seen, track: int, hint: Hint) -> Outline:
        """One object that was pointed at."""
        prompt = video_prompt_of(hint, self._canvas, self._low_side)
        if prompt is None:
            return Outline(mask=Mask.empty(self._canvas.size_hw))
        known = self._objects.get(track)
        is_whole = hint.box_xyxy is not None or prompt.mask is not None
        if known is None or is_whole:
            decoded = self._network.begin(seen, prompt)
            known = self._objects.setdefault(track, ObjectMemory(reach=self._network.reach))
            (memory,) = self._network.remember(seen, decoded, pointed_at=True)
            known.keep_anchor(self._seen, memory)
        else:
            decoded = self._network.correct(seen, prompt, known.recall(self._seen))
            (memory,) = self._network.remember(seen, decoded, pointed_at=True)
            known.keep(self._seen, memory)
        (outline,) = self._outlines(decoded)
        return outline

    def _followed(self, seen: Seen, tracks: Sequence[int]) -> list[Outline]:
        """Objects that are remembered from the same times."""
        objects = [self._objects[track] for track in tracks]
        decoded = self._network.follow(seen, [known.recall(self._seen) for known in objects])
        memories = self._network.remember(seen, decoded, pointed_at=False)
        for known, memory in zip(objects, memories, strict=True):
            known.keep(self._seen, memory)
        return self._outlines(decoded)

    def _outlines(self, decoded: Decoded) -> list[Outline]:
        logits = decoded.logits[:, 0]
        masks = masks_from_logits(logits, [self._canvas] * len(logits))
        (scores,) = on_host(decoded.ious * decoded.presences.flatten().sigmoid())
        return [
            Outline(mask=mask, score=score)
            for mask, score in zip(masks, scores.tolist(), strict=True)
        ]
