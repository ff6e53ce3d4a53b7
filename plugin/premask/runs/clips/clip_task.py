"""One clip and what is asked for in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from premask.prompts import Hint, Prompts
from premask.recipes.recipe import Recipe
from premask.recipes.stage_settings import TrackStage
from premask.recipes.tracking.pointing import (
    Pointing,
    Stretch,
    pointing_of,
    require_on_frames,
    require_trackable,
    stretches_of,
)
from premask.recipes.work_keys import WorkKeys
from premask.runs.ordered_work import read_ahead
from premask.shaping.refine import Refine
from premask.video.frames import Frame, Span, Video

DECODED_AHEAD = 2
"""Frames that are decoded while the model is at the one before them."""


@dataclass(frozen=True, kw_only=True)
class ClipTask:
    """Follow objects through the frames of a span; prompts are by the index of the frame."""

    video: Video
    recipe: Recipe
    prompts: Mapping[int, Prompts] = field(default_factory=dict)
    span: Span = Span()

    def require_usable(self) -> None:
        """Raise for prompts that can't be used, before anything is loaded."""
        require_trackable(self.recipe, self.prompts)
        require_on_frames(self.pointing, self.video.size_hw)

    @property
    def stage(self) -> TrackStage:
        """How objects are followed."""
        assert self.recipe.track is not None
        return self.recipe.track

    @cached_property
    def pointing(self) -> Pointing:
        """Where a person says that objects are."""
        return pointing_of(self.prompts)

    @cached_property
    def stretches(self) -> dict[int, dict[int, Stretch]]:
        """By frame and object: what is to be followed from there on."""
        return stretches_of(self.pointing)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are needed: the finder is not, where it has nothing to look for."""
        words = any(asked.phrases or asked.exemplars for asked in self.prompts.values())
        looks = words or not self.pointing or self.stage.every > 0
        return (self.recipe if looks else replace(self.recipe, find=None)).models

    @property
    def tracks(self) -> frozenset[int]:
        """The numbers of the objects that a person points at."""
        return frozenset(track for hints in self.pointing.values() for track in hints)

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """The frames of the span from this index on; the next ones are decoded meanwhile."""
        frames = self.video.frames(self.span, first)
        return read_ahead(frames, count=DECODED_AHEAD, name="premask-decode")

    @cached_property
    def _keys(self) -> WorkKeys:
        # Refining and mattes come afterwards; they change nothing in what is followed.
        return WorkKeys(replace(self.recipe, refine=Refine(), matte=None))

    @cached_property
    def _of_the_clip(self) -> tuple[object, ...]:
        span = self.span
        return self.video.digest, repr((span.start, span.end, span.fps))

    def key(self, hint: Hint, frame: int, direction: str = "") -> str:
        """A text that is the same only where the same is found in each frame behind this one."""
        return self._keys.key(Prompts(objects=(hint,)), *self._of_the_clip, frame, direction)

    @cached_property
    def work(self) -> str:
        """A text for all of what is asked for."""
        asked = [(frame, self._keys.key(prompts)) for frame, prompts in self.prompts.items()]
        return self._keys.key(Prompts(), *self._of_the_clip, *sorted(asked))
