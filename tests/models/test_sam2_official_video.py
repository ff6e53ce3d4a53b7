"""Official SAM 2 weights follow objects as the package's own predictor for videos does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from sam2.build_sam import build_sam2_video_predictor

from premask.errors import MissingWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.options import NoOptions
from premask.models.parts.object_memory import Reach
from premask.models.parts.promptable_tracker import PromptableTracker
from premask.models.registry import build
from premask.prompts import Hint
from tests.models.test_trackers import BOX, BY_FRAME, OBJECTS, Steps, held, masks_of
from tests.models.tracker_library import FRAME_HW, clip, followed
from tests.tiny_models import sam2_official as tiny

FRAMES = 30
REAL_MEMORY = {"num_maskmem": 7}
"""With 16 pointers, what the released sizes have."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official-video")
    tiny.build(path, **REAL_MEMORY)
    return path


@pytest.fixture(scope="module")
def tracker(folder: Path) -> PromptableTracker:
    loaded: PromptableTracker = build("sam2-official", folder / "tiny.pt", "cpu")
    return loaded


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Any:
    changes = tiny.CHANGES | REAL_MEMORY
    predictor = build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        str(folder / "tiny.pt"),
        device="cpu",
        hydra_overrides_extra=[f"++model.{name}={value}" for name, value in changes.items()],
    )
    # For this it wants a CUDA extension, and else warns at each frame.
    predictor.fill_hole_area = 0
    return predictor


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip as the predictor reads it."""
    path = tmp_path_factory.mktemp("frames")
    for index, image in enumerate(clip(FRAMES)):
        PillowImage.fromarray(image.rgb).save(path / f"{index:05}.jpg")
    return path


@pytest.fixture(scope="module")
def ours(tracker: PromptableTracker) -> Steps:
    return followed(tracker, clip(FRAMES), BY_FRAME)


class OneObject:
    """A session of the predictor, over frames with the very pixels that our network sees."""

    def __init__(
        self, predictor: Any, frames: Path, tracker: PromptableTracker, images: Sequence[Image]
    ) -> None:
        self._predictor = predictor
        self._state = predictor.init_state(str(frames))
        self._state["images"] = torch.cat([tracker._network.pixels([image]) for image in images])
        self._state["cached_features"] = {}

    def pointed_at(self, frame: int, hint: Hint) -> Mask:
        if hint.mask is not None:
            found = self._predictor.add_new_mask(self._state, frame, 1, hint.mask.to_array())
        else:
            found = self._predictor.add_new_points_or_box(
                self._state,
                frame,
                1,
                points=[[point.x, point.y] for point in hint.points] or None,
                labels=[int(point.positive) for point in hint.points] or None,
                box=hint.box_xyxy,
            )
        return mask_of(found[2])

    def followed(self, frame: int, *, reverse: bool = False) -> Mask:
        ((_, _, logits),) = self._predictor.propagate_in_video(
            self._state, frame, max_frame_num_to_track=0, reverse=reverse
        )
        return mask_of(logits)


def mask_of(logits: torch.Tensor) -> Mask:
    return Mask.from_array((logits[0, 0] > 0).numpy())


def predicted(session: OneObject, hints: Mapping[int, Hint]) -> dict[int, Mask]:
    """Frame by frame, as they come; a click corrects what was followed there, a box does not."""
    masks: dict[int, Mask] = {}
    for frame in range(min(hints), FRAMES):
        if frame not in hints:
            masks[frame] = session.followed(frame)
            continue
        hint = hints[frame]
        if masks and not (hint.box_xyxy or hint.mask):
            session.followed(frame)
        masks[frame] = session.pointed_at(frame, hint)
    return masks


@pytest.mark.parametrize("track", OBJECTS)
def test_masks_are_those_of_the_packages_predictor(
    predictor: Any, frames: Path, tracker: PromptableTracker, ours: Steps, track: int
) -> None:
    session = OneObject(predictor, frames, tracker, clip(FRAMES))
    expected = predicted(session, OBJECTS[track])
    assert masks_of(track, ours) == expected
    assert len({mask.counts for mask in expected.values()}) > len(expected) // 2


def test_backwards_too(predictor: Any, frames: Path, tracker: PromptableTracker) -> None:
    images, last = clip(FRAMES), FRAMES - 1
    session = OneObject(predictor, frames, tracker, images)
    expected = {last: session.pointed_at(last, BOX)}
    # The predictor does not go backwards from the first frame, not even to itself.
    downwards = range(last - 1, 0, -1)
    expected |= {frame: session.followed(frame, reverse=True) for frame in downwards}
    tracking = tracker.begin(FRAME_HW, NoOptions())
    masks = {}
    for frame in (last, *downwards):
        (seen,) = tracker.embed([images[frame]])
        masks[frame] = tracking.step(frame, seen, {7: BOX} if frame == last else {})[7].mask
    assert masks == expected


def test_a_pass_goes_on_from_its_state_and_keeps_no_more_than_it_needs(
    tracker: PromptableTracker, ours: Steps
) -> None:
    images, tracking = clip(FRAMES), tracker.begin(FRAME_HW, NoOptions())
    followed(tracker, images[:24], BY_FRAME, tracking)
    assert tracking._network.reach == Reach(features=6, pointers=15, anchors=None)
    resumed = tracker.resume(tracking.state(), FRAME_HW, NoOptions())
    assert followed(tracker, images[24:], BY_FRAME, resumed, start=24) == ours[24:]
    # Of each object 15 frames, and those four in which somebody pointed at one and began it.
    assert held(resumed)[0] == 3 * 15 + 4


def test_together_objects_are_followed_as_one_by_one(tracker: PromptableTracker) -> None:
    """On a GPU all go through the network at once."""
    hints = {track: Hint(label="", box_xyxy=(track, 5, track + 30, 50)) for track in range(1, 5)}
    together = tracker.begin(FRAME_HW, NoOptions())
    together._objects_at_once = 4
    steps = followed(tracker, clip(5), {0: hints}, together)
    alone = followed(tracker, clip(5), {0: hints})
    for seen, other in zip(steps, alone, strict=True):
        for track in hints:
            apart = seen[track].mask.to_array() != other[track].mask.to_array()
            assert np.count_nonzero(apart) <= 3
            assert seen[track].score == pytest.approx(other[track].score, abs=1e-4)


def test_a_memory_of_each_nth_frame_is_refused(tmp_path: Path) -> None:
    tiny.build(tmp_path, memory_temporal_stride_for_eval=2)
    strided = build("sam2-official", tmp_path / "tiny.pt", "cpu")
    assert len(strided.embed(clip(1))) == 1
    with pytest.raises(MissingWeights, match="memory_temporal_stride_for_eval is 2"):
        strided.begin(FRAME_HW, NoOptions())
