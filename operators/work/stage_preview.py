"""What a pure stage makes of the first samples: as many as a form can wait for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from premask.annotations import Annotation
from premask.recipes.recipe import Recipe
from premask.recipes.stages import run_stages

from ..dataset.plurals import counted
from ..dataset.source_labels import Asked, SourceLabels
from .pool import model_pool

MOST = 100
"""Samples that are looked at."""

_AT_ONCE = 10
_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class StagePreview:
    """What became of the labels in the samples that were looked at."""

    samples: int
    looked_at: int = 0
    labels: int = 0
    kept: int = 0
    changed: int = 0

    @property
    def where(self) -> str:
        """How much was looked at, in words."""
        if self.looked_at == self.samples:
            return f"in {counted(self.samples, 'sample')} with labels: all there are"
        return f"in {self.looked_at:,} of {counted(self.samples, 'sample')} with labels"

    def add(self, asked: Asked, made: tuple[Annotation, ...]) -> None:
        self.looked_at += 1
        self.labels += len(asked.prompts.objects)
        self.kept += len(made)
        masks = {hint.track: hint.mask for hint in asked.prompts.objects}
        self.changed += sum(annotation.mask != masks[annotation.track] for annotation in made)


def preview_stage(source: SourceLabels, recipe: Recipe) -> StagePreview:
    """Run the stages on the first samples, and write nothing."""
    ids, until = source.labeled_samples().values("id"), time.monotonic() + _SECONDS
    preview = StagePreview(samples=len(ids))
    for first in range(0, min(len(ids), MOST), _AT_ONCE):
        for asked in source.of(ids[first : first + _AT_ONCE]).values():
            if asked.image is not None and asked.error is None:
                (made,) = run_stages([asked.image], [asked.prompts], recipe, model_pool())
                preview.add(asked, made)
        if time.monotonic() > until:
            break
    return preview
