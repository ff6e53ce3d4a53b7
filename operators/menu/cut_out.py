"""Cut out subject: a soft alpha for each image, its mask, and transparent pictures in a folder."""

from __future__ import annotations

from typing import ClassVar

from ..forms.label_form import Defaults
from .label_samples import LabelSamples


class CutOut(LabelSamples):
    """*Label samples* with the defaults of a photo's cut-out."""

    own_name: ClassVar[str] = "cut_out"
    label: ClassVar[str] = "Cut out subject"
    description: ClassVar[str] = "The soft alpha of each photo's subject, its mask, and its cut-out"
    defaults: ClassVar[Defaults] = Defaults(
        recipes=("subject-cutout",), write=("detections", "heatmap"), files="cutout"
    )
