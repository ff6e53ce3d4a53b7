"""Refine masks: holes filled, edges moved or smoothed, overlaps parted; into another field."""

from __future__ import annotations

from typing import ClassVar

from premask.recipes.recipe import Recipe

from ..dataset.plurals import counted
from ..dataset.source_labels import SHAPES
from ..forms.source_form import Source
from ..work.stage_preview import StagePreview
from ..work.stage_recipes import REFINE
from .stage_operator import StageOperator


class RefineLabels(StageOperator):
    """The refine stage on the labels of a field."""

    own_name: ClassVar[str] = "refine_labels"
    label: ClassVar[str] = "Refine masks"
    description: ClassVar[str] = "Fill holes, move or smooth edges, part overlaps of existing masks"
    recipe: ClassVar[Recipe] = REFINE
    source: ClassVar[Source] = Source(kinds=SHAPES, suffix="_refined", has_remaining=True)
    # Detections have no soft edge.
    hidden: ClassVar[set[str]] = {"refine.feather"}

    def told(self, preview: StagePreview) -> str:
        dropped = preview.labels - preview.kept
        return (
            f"Changes {preview.changed:,} and drops {dropped:,} of "
            f"{counted(preview.labels, 'label')} {preview.where}"
        )
