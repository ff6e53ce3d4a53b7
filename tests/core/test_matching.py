"""Objects are matched by COCO's rules: the surest first, each with the best that is left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from premask.evaluation.matching import ImageObjects, match_objects, precision_curves
from premask.evaluation.overlaps import mask_ious
from premask.masks import Mask


def objects(
    ious: list[list[float]],
    *,
    scores: Sequence[float | None] = (0.9, 0.8),
    crowds: Sequence[bool] = (False, False),
) -> ImageObjects:
    """Two cats that were found, and two true ones."""
    labels = ["cat", "cat"]
    return ImageObjects(
        found_labels=labels,
        scores=scores,
        true_labels=labels,
        crowds=crowds,
        ious=np.array(ious),
    )


def pairs(image: ImageObjects, threshold: float = 0.5) -> set[tuple[int | None, int | None]]:
    return {(match.found, match.true) for match in match_objects(image, threshold)}


def test_the_surest_chooses_first() -> None:
    ious = [[0.6, 0.9], [0.6, 0.95]]
    assert pairs(objects(ious)) == {(0, 1), (1, 0)}
    assert pairs(objects(ious, scores=(0.5, 0.8))) == {(0, 0), (1, 1)}
    assert pairs(objects(ious, scores=(None, 0.1))) == {(0, 0), (1, 1)}


def test_what_reaches_no_threshold_has_no_partner() -> None:
    assert pairs(objects([[0.4, 0], [0, 0.5]])) == {(0, None), (1, 1), (None, 0)}


def test_another_class_is_no_partner() -> None:
    image = ImageObjects(
        found_labels=["dog"], scores=[1], true_labels=["cat"], crowds=[False], ious=np.ones((1, 1))
    )
    assert pairs(image) == {(0, None), (None, 0)}


def test_a_crowd_takes_several_but_only_what_nothing_else_takes() -> None:
    ious = [[0.9, 0.6], [0.9, 0.2]]
    assert pairs(objects(ious, crowds=(True, False))) == {(0, 1), (1, 0)}
    assert pairs(objects([[0.9, 0], [0.9, 0]], crowds=(True, False))) == {
        (0, 0),
        (1, 0),
        (None, 1),
    }


def test_precision_at_each_recall() -> None:
    """The surest is right, the other one wrong: half of the truth with all precision."""
    curves = precision_curves([objects([[0.9, 0], [0, 0]])], [0.5, 0.95])
    assert curves.classes == ["cat"]
    assert curves.recall.tolist() == [[0.5], [0.0]]
    assert curves.precision[0, 0].tolist() == [1.0] * 51 + [0.0] * 50
    assert curves.scores[0, 0, 0] == 0.9
    assert not curves.precision[1].any()


def test_ious_are_those_of_single_masks() -> None:
    random = np.random.default_rng(3)
    masks = [Mask.from_array(random.random((9, 13)) < share) for share in (0, 0.2, 0.7, 1)]
    ious = mask_ious(masks, masks[1:])
    assert ious == pytest.approx(np.array([[a.iou(b) for b in masks[1:]] for a in masks]))
    assert mask_ious([], masks).shape == (0, 4)
    assert mask_ious(masks, []).shape == (4, 0)
