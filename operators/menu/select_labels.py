"""Select labels: those that pass go into one field, the others into another one or nowhere."""

from __future__ import annotations

from typing import ClassVar

from premask.recipes.recipe import Recipe

from ..dataset.plurals import counted
from ..dataset.source_labels import SHAPES
from ..forms.source_form import Source
from ..work.stage_preview import StagePreview
from ..work.stage_recipes import SELECT
from .stage_operator import StageOperator


class SelectLabels(StageOperator):
    """The select stage on the labels of a field."""

    own_name: ClassVar[str] = "select_labels"
    label: ClassVar[str] = "Select labels"
    description: ClassVar[str] = "Copy labels by class, score, size, place or overlap"
    recipe: ClassVar[Recipe] = SELECT
    source: ClassVar[Source] = Source(kinds=SHAPES, suffix="_selected", has_remaining=True)

    def told(self, preview: StagePreview) -> str:
        return f"Keeps {preview.kept:,} of {counted(preview.labels, 'label')} {preview.where}"
