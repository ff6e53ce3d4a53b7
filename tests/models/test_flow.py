"""Following by optical flow: clips with known masks, what is lost and comes back, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.composites import SCENES, SIZE_HW, backgrounds, composite, cutouts
from premask.evaluation.tracks import contour_accuracy, region_similarity, track_scores
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.families.flow.tracker import FlowTracker, FlowTracking
from premask.models.options import FlowOptions
from premask.prompts import Hint
from tests.models.trackeval_numbers import CONTOUR_CASES

Clip = list[tuple[NDArray[np.uint8], Mask]]
SCENE = {scene.name: scene for scene in SCENES}


def clip(name: str, cutout: str = "cup", every: int = 2) -> Clip:
    frames = composite(SCENE[name], cutouts()[cutout], backgrounds()["rocket"])
    return list(islice(frames, 0, None, every))


def begun() -> FlowTracking:
    return FlowTracker(weights=None, device="cpu").begin(SIZE_HW, FlowOptions())


def shown(frames: Clip, number: int) -> Image:
    return Image.from_rgb(frames[number][0], name=str(number))


def follow(
    frames: Clip, tracking: FlowTracking, numbers: Sequence[int], hints: dict[int, dict[int, Hint]]
) -> list[dict[int, Outline]]:
    return [
        tracking.step(number, shown(frames, number), hints.get(number, {})) for number in numbers
    ]


def first_mask(frames: Clip) -> dict[int, dict[int, Hint]]:
    return {0: {1: Hint(label="thing", mask=frames[0][1])}}


@pytest.mark.parametrize("scene", ["moved", "all three"])
def test_it_follows_a_cutout_over_a_photo(scene: str) -> None:
    frames = clip(scene)
    outlines = follow(frames, begun(), range(len(frames)), first_mask(frames))
    masks = [outline[1].mask for outline in outlines]
    regions, contours = track_scores(masks, [truth for _, truth in frames])
    assert (regions + contours) / 2 > 0.93
    assert masks[0] == frames[0][1]


def test_what_is_hidden_ends_and_returns() -> None:
    frames = clip("leaving and coming back")
    outlines = follow(frames, begun(), range(len(frames)), first_mask(frames))
    gone = [number for number, (_, truth) in enumerate(frames) if not truth.area]
    assert gone
    assert all(not outlines[number][1].mask.area for number in gone)
    assert all((outlines[number][1].score or 0) < 0.5 for number in gone)
    last_mask, last_truth = outlines[-1][1].mask, frames[-1][1]
    assert region_similarity(last_mask, last_truth) > 0.85


def test_another_scene_ends_it() -> None:
    frames = clip("moved")[:4]
    other = np.ascontiguousarray(backgrounds()["astronaut"][: SIZE_HW[0], : SIZE_HW[1]])
    frames += [(other, Mask.empty(SIZE_HW))] * 2
    outlines = follow(frames, begun(), range(6), first_mask(frames))
    assert [bool(outline[1].mask.area) for outline in outlines] == [True] * 4 + [False] * 2


def test_it_goes_on_from_a_state_as_if_nothing_had_happened() -> None:
    frames, tracker = clip("all three")[:10], FlowTracker(weights=None, device="cpu")
    whole = begun()
    expected = follow(frames, whole, range(10), first_mask(frames))
    before = begun()
    follow(frames, before, range(5), first_mask(frames))
    resumed = tracker.resume(before.state(), SIZE_HW, FlowOptions())
    assert follow(frames, resumed, range(5, 10), {}) == expected[5:]
    assert resumed.state() == whole.state()


def test_a_late_object_disturbs_nobody() -> None:
    frames = clip("turned")[:8]
    late = Mask.from_crop(np.ones((40, 40), np.bool_), (10, 10), SIZE_HW)
    alone = follow(frames, begun(), range(8), first_mask(frames))
    hints = {**first_mask(frames), 3: {2: Hint(label="late", mask=late)}}
    both = follow(frames, begun(), range(8), hints)
    assert [outlines[1] for outlines in both] == [outlines[1] for outlines in alone]
    assert [2 in outlines for outlines in both] == [False] * 3 + [True] * 5


def test_a_box_is_enough() -> None:
    frames = clip("moved")[:4]
    x0, y0, x1, y1 = frames[0][1].box_xyxy
    hint = Hint(label="thing", box_xyxy=(x0 - 3, y0 - 3, x1 + 3, y1 + 3))
    outlines = follow(frames, begun(), range(4), {0: {1: hint}})
    assert outlines[3][1].mask.iou(frames[3][1]) > 0.8


@pytest.mark.parametrize(("mask", "truth", "expected"), CONTOUR_CASES)
def test_contours_agree_as_in_trackeval(mask: Mask, truth: Mask, expected: float) -> None:
    assert contour_accuracy(mask, truth) == pytest.approx(expected, abs=1e-12)
