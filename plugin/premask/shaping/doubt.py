"""How doubtful labels are where nobody knows the truth: what a person should look at first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from premask.annotations import Annotation
from premask.masks import Mask, Matte
from premask.shaping.morphology import grow, shrink

STABILITY_SHARE = 0.02
"""Of the diagonal of the mask's own box: how far its edge is moved."""

SURELY, POSSIBLY = 187, 69
"""From which alpha on a pixel belongs to the object surely, and possibly. SAM's authors move the
threshold of their logits by 1 to either side; these are sigmoid(1) and sigmoid(-1) as alpha."""


def sureness(found: Annotation) -> float | None:
    """How sure a model is of an object, 0 to 1: its own score, or else how stable the mask is.

    A soft mask is tried with other thresholds, a hard one with its edge moved. None for a mere box
    without a score.
    """
    if found.score is not None:
        return found.score
    if found.matte is not None:
        return threshold_stability(found.matte)
    return None if found.mask is None else stability(found.mask)


def least_sure(annotations: Iterable[Annotation]) -> float | None:
    """The sureness of the object that needs a person's eyes the most; None if none has one.

    A mean would hide one doubtful object among many sure ones, and its image would come late.
    """
    known = (sureness(found) for found in annotations)
    return min((sure for sure in known if sure is not None), default=None)


def stability(mask: Mask) -> float:
    """IoU of the mask with its edge moved inwards and outwards by 2% of its size, 0 to 1.

    Low for what is thin, ragged or scattered, and so for what a model was not sure of.
    """
    x0, y0, x1, y1 = mask.box_xyxy
    pixels = max(1, round(STABILITY_SHARE * math.hypot(x1 - x0, y1 - y0)))
    return shrink(mask, pixels).area / max(1, grow(mask, pixels).area)


def threshold_stability(matte: Matte) -> float:
    """IoU of the masks that a high and a low threshold of the alpha give, 0 to 1.

    Low for what is faint or has a wide soft edge; 0 where nothing surely belongs to the object.
    """
    alpha = matte.crop()
    surely, possibly = (np.count_nonzero(alpha >= least) for least in (SURELY, POSSIBLY))
    return surely / max(1, possibly)


def doubt_of_scores(annotations: Sequence[Annotation]) -> float | None:
    """How far the lowest score is from 1; None where no model gave one."""
    scores = [found.score for found in annotations if found.score is not None]
    return 1 - min(scores) if scores else None


def doubt_of_edges(annotations: Sequence[Annotation]) -> float | None:
    """How far the least stable mask is from 1; None where there is no mask."""
    masks = [found.mask for found in annotations if found.mask is not None]
    return 1 - min(map(stability, masks)) if masks else None
