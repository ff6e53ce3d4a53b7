"""The settings that only one family has. Light, so that forms and files need no model library."""

from __future__ import annotations

from dataclasses import dataclass

from premask.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """A family without settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaarOptions:
    """OpenCV's cascade of Haar features."""

    neighbors: int = setting(
        5, "how many overlapping hits make a face; more finds fewer", minimum=0, maximum=50
    )
    scale_step: float = setting(
        1.1, "how much larger the next size to look for is", minimum=1.01, maximum=2
    )
    min_side: float = setting(
        0.04, "smallest face, as a share of the image's shorter side", minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrabcutOptions:
    """Graph cuts between two colour models."""

    iterations: int = setting(3, "how often the colours are learnt again", minimum=1, maximum=20)
    margin: float = setting(
        0.25, "how far around the object to look, as a share of its size", minimum=0, maximum=2
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedFormOptions:
    """Closed-form matting from a trimap that is made of the object's mask."""

    band: float = setting(
        0.02,
        "half the width of the unknown band, as a share of the object's size",
        minimum=0.001,
        maximum=0.5,
    )
