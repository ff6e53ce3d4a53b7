"""A promptable segmenter that also follows objects through clips, by one encoding of a frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from premask.errors import ImageWeights
from premask.masks import Size
from premask.models.parts.known_differences import NO_DIFFERENCES, KnownDifferences
from premask.models.parts.memory_network import MemoryNetwork
from premask.models.parts.memory_tracking import MemoryTracking
from premask.models.parts.promptable import PromptableSegmenter, PromptNetwork
from premask.models.parts.torch_runtime import images_at_once, load_strictly
from premask.models.parts.transformers_memory import TransformersMemory
from premask.models.parts.weights_folder import require_readable_settings

OBJECTS_AT_ONCE = 16
"""Each is remembered by three masks of the size of the network's square while it is decoded."""


class PromptableTracker(PromptableSegmenter):
    """What it remembers with is loaded when the first clip comes: for images it is not needed."""

    def __init__(self, network: PromptNetwork, load_memory: Callable[[], MemoryNetwork]) -> None:
        super().__init__(network)
        self._load_memory = load_memory
        self._memory: MemoryNetwork | None = None

    def begin(self, size_hw: Size, options: object) -> MemoryTracking:
        """A pass over a clip of this size."""
        with self._lock:
            if self._memory is None:
                self._memory = self._load_memory()
        return MemoryTracking(
            self._memory,
            self._lock,
            self._network.canvas(size_hw),
            low_side=self._network.low_side,
            objects_at_once=images_at_once(self._network.device, OBJECTS_AT_ONCE),
        )

    def resume(self, state: bytes, size_hw: Size, options: object) -> MemoryTracking:
        """A pass that goes on behind the frame at which its `state` was taken."""
        tracking = self.begin(size_hw, options)
        tracking.restore(state)
        return tracking


def load_memory(
    model_class: Any,
    folder: Path,
    image_model: Any,
    known: KnownDifferences = NO_DIFFERENCES,
    *,
    streams_tokens: bool = False,
) -> TransformersMemory:
    """The video model of a folder, with the encoder of the image model that is loaded already."""
    kind = str(require_readable_settings(folder).get("model_type"))
    if not kind.endswith("_video"):
        raise ImageWeights(
            f"The weights in {folder} are those of an image model ({kind}), which can't follow "
            "anything. Name the folder of the video model."
        )
    model = load_strictly(
        model_class, folder, device=image_model.device, known=known, dtype=image_model.dtype
    )
    model.vision_encoder = image_model.vision_encoder
    return TransformersMemory(model, streams_tokens=streams_tokens)
