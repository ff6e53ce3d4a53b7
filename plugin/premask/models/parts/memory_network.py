"""What a network is asked that follows objects by what it remembers of them, as SAM 2 does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from premask.models.parts.object_memory import Memory, Reach, Recall
from premask.models.parts.torch_runtime import TorchEmbedding
from premask.models.parts.video_prompts import VideoPrompt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """One frame: the fine maps (1, d, h, w), the coarse one (h * w, 1, d), and its places."""

    fine: tuple[torch.Tensor, ...]
    coarse: torch.Tensor
    places: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """N objects: logits (n, 1, h, w) of masks, IoUs (n,), pointers (n, 1, d), presences (n, 1, 1).

    `large` are the logits at the size of the network's square.
    """

    logits: torch.Tensor
    large: torch.Tensor
    ious: torch.Tensor
    pointers: torch.Tensor
    presences: torch.Tensor


class MemoryNetwork(Protocol):
    """The steps of a network, which itself keeps nothing of a clip."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    @property
    def reach(self) -> Reach:
        """How far back it looks."""
        ...

    def look(self, embedding: TorchEmbedding) -> Seen:
        """A frame as the rest of the network takes it."""
        ...

    def begin(self, seen: Seen, prompt: VideoPrompt) -> Decoded:
        """One object where somebody points at it, by nothing but this frame."""
        ...

    def correct(self, seen: Seen, prompt: VideoPrompt, recall: Recall) -> Decoded:
        """One object that is remembered, and was pointed at."""
        ...

    def follow(self, seen: Seen, recalls: Sequence[Recall]) -> Decoded:
        """N objects that are remembered; their recalls have one layout."""
        ...

    def remember(self, seen: Seen, decoded: Decoded, *, pointed_at: bool) -> list[Memory]:
        """What to keep of each object; masks of those that were pointed at count as certain."""
        ...
