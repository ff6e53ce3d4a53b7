"""Semantic map: the class of each pixel, and pictures of them in a folder."""

from __future__ import annotations

from typing import ClassVar

from ..forms.label_form import Defaults
from .label_samples import LabelSamples


class SemanticMap(LabelSamples):
    """*Label samples* with the defaults of a class map."""

    own_name: ClassVar[str] = "semantic_map"
    label: ClassVar[str] = "Semantic map"
    description: ClassVar[str] = "The class of each pixel, as a segmentation with mask targets"
    defaults: ClassVar[Defaults] = Defaults(
        recipes=("semantic", "subject"), write=("segmentation",), files="png-classes"
    )
