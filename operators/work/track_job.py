"""What to follow through which clips, and where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from premask.prompts import Phrase
from premask.recipes.recipe import Recipe

from ..dataset.chosen_clips import ChosenClips
from ..dataset.tracks import TRACKS
from ..dataset.writing import Output


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackJob:
    """Which clips to go through, what to follow there, and into which field of the frames."""

    clips: ChosenClips
    recipe: Recipe
    field: str
    prompt_field: str | None = None
    phrases: tuple[Phrase, ...] = ()
    masks_on_disk: bool = False

    @property
    def dataset(self) -> Any:
        return self.clips.dataset

    @property
    def path(self) -> str:
        """The path of the field that is written to."""
        return self.clips.path(self.field)

    @property
    def prompt_path(self) -> str | None:
        return self.clips.path(self.prompt_field) if self.prompt_field else None

    @property
    def needs_pointing(self) -> bool:
        """Whether a clip in which nobody points at anything is left alone."""
        return self.recipe.needs_pointing or bool(self.prompt_field and not self.phrases)

    @property
    def outputs(self) -> dict[str, Output]:
        return {self.path: TRACKS}
