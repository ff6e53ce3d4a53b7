"""Trackers give the masks of transformers' own sessions, bit by bit, and forget what they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from premask.errors import MissingWeights
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.options import NoOptions
from premask.models.parts import memory_tracking
from premask.models.parts.memory_network import Decoded, MemoryNetwork, Seen
from premask.models.parts.memory_tracking import MemoryTracking
from premask.models.parts.object_memory import Recall
from premask.models.parts.promptable_tracker import PromptableTracker
from premask.models.registry import build
from premask.prompts import Hint, Point
from tests.models.promptable_checkpoints import TIES, pixels_apart
from tests.models.tracker_library import (
    FRAME_HW,
    LIBRARY,
    clip,
    decoding_exactly,
    followed,
    library_masks,
)
from tests.tiny_models import sam3_tracker

FRAMES = 60
MASK = Mask.from_array(np.hypot(*np.ogrid[-40:56, -30:42]) < 20)
CLICK = Hint(label="a", points=(Point(x=20, y=30),))
BOX = Hint(label="b", box_xyxy=(30, 40, 66, 90))
GIVEN = Hint(label="c", mask=MASK)
NOT_HERE = Hint(label="a", points=(Point(x=50, y=60), Point(x=10, y=10, positive=False)))

OBJECTS = {
    1: {0: CLICK, 18: NOT_HERE},
    2: {0: BOX, 12: Hint(label="b", box_xyxy=(5, 5, 40, 50))},
    3: {8: GIVEN},
}
"""Hints by track and frame: one object is corrected by clicks, one by a box, one comes later."""

BY_FRAME = {
    frame: {track: hints[frame] for track, hints in OBJECTS.items() if frame in hints}
    for frame in range(FRAMES)
}


sam2_only = pytest.mark.parametrize("family", ["sam2"], indirect=True, scope="module")
"""For what is the same code in all families."""


@pytest.fixture(params=LIBRARY, scope="module")
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(family)
    LIBRARY[family][0].build_video(folder)
    return folder


@pytest.fixture(scope="module")
def tracker(family: str, folder: Path) -> PromptableTracker:
    loaded: PromptableTracker = build(family, folder, "cpu")
    return loaded


Steps = list[Mapping[int, Outline]]


@pytest.fixture(scope="module")
def ours(tracker: PromptableTracker) -> Steps:
    return followed(tracker, clip(FRAMES), BY_FRAME)


def masks_of(track: int, steps: Steps) -> dict[int, Mask]:
    return {frame: seen[track].mask for frame, seen in enumerate(steps) if track in seen}


@pytest.mark.parametrize("track", OBJECTS)
def test_masks_are_those_of_the_librarys_session_over_the_whole_clip(
    family: str, folder: Path, tracker: PromptableTracker, ours: Steps, track: int
) -> None:
    expected = library_masks(family, folder, clip(FRAMES), OBJECTS[track], tracker)
    assert masks_of(track, ours) == expected
    assert len({mask.counts for mask in expected.values()}) > len(expected) // 2


def test_backwards_too(family: str, folder: Path, tracker: PromptableTracker) -> None:
    images, last = clip(20), 19
    expected = library_masks(family, folder, images, {last: BOX}, tracker, reverse=True)
    tracking = tracker.begin(FRAME_HW, NoOptions())
    masks = {}
    for frame in range(last, -1, -1):
        (seen,) = tracker.embed([images[frame]])
        pointed_at = {7: BOX} if frame == last else {}
        masks[frame] = tracking.step(frame, seen, pointed_at)[7].mask
    assert masks == expected


def test_objects_that_come_later_or_are_corrected_do_not_disturb_others(
    tracker: PromptableTracker, ours: Steps
) -> None:
    for track, hints in OBJECTS.items():
        alone = {frame: {track: hint} for frame, hint in hints.items()}
        steps = followed(tracker, clip(25), alone)
        assert [seen.get(track) for seen in steps] == [seen.get(track) for seen in ours[:25]]


@sam2_only
def test_two_clips_at_once_in_two_threads(tracker: PromptableTracker, ours: Steps) -> None:
    clips = [clip(20), clip(20, seed=1)]
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda images: followed(tracker, images, BY_FRAME), clips)
    assert first == ours[:20]
    assert second == followed(tracker, clips[1], BY_FRAME)
    assert first != second


@sam2_only
def test_a_pass_goes_on_from_its_state(tracker: PromptableTracker, ours: Steps) -> None:
    images, tracking = clip(26), tracker.begin(FRAME_HW, NoOptions())
    followed(tracker, images[:20], BY_FRAME, tracking)
    resumed = tracker.resume(tracking.state(), FRAME_HW, NoOptions())
    assert followed(tracker, images[20:], BY_FRAME, resumed, start=20) == ours[20:26]
    with pytest.raises(ValueError, match="no state"):
        tracker.resume(b"PK\x03\x04", FRAME_HW, NoOptions())


@sam2_only
def test_an_object_that_ends_is_gone_and_one_that_is_not_here_has_no_mask(
    tracker: PromptableTracker,
) -> None:
    images, tracking = clip(3), tracker.begin(FRAME_HW, NoOptions())
    nowhere = {1: Hint(label="a", mask=Mask.empty(FRAME_HW))}
    (first,) = followed(tracker, images[:1], {0: {1: BOX, 2: CLICK}}, tracking)
    tracking.end(2)
    (second,) = followed(tracker, images[1:2], {0: nowhere}, tracking)
    assert (set(first), set(second)) == ({1, 2}, {1})
    assert second[1].mask.area == 0
    assert second[1].score is not None
    assert second[1].score < 0.01
    outside = {4: Hint(label="d", box_xyxy=(200, 200, 210, 210))}
    (third,) = followed(tracker, images[2:], {0: outside}, tracking)
    assert third[4].mask.area == 0


def held(tracking: MemoryTracking) -> tuple[int, int]:
    """How many memories a pass keeps, and the bytes of their tensors."""
    memories = [
        memory
        for known in tracking._objects.values()
        for memory in (*known.anchors.values(), *known.recent.values())
    ]
    tensors = [tensor for memory in memories for tensor in (memory.pointer, memory.features)]
    return len(memories), sum(
        tensor.untyped_storage().nbytes() for tensor in tensors if tensor is not None
    )


@sam2_only
def test_what_is_kept_does_not_grow_with_the_clip(tracker: PromptableTracker) -> None:
    images, tracking = clip(20), tracker.begin(FRAME_HW, NoOptions())
    followed(tracker, images, {0: {1: BOX, 2: CLICK}}, tracking)
    before = held(tracking)
    followed(tracker, images * 2, {}, tracking, start=20)
    assert held(tracking) == before
    assert before[0] == 2 * (1 + 15)


@sam2_only
def test_with_fewer_pointers_masks_would_be_others(
    tracker: PromptableTracker, ours: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To forget too much raises no error in the network: only the masks tell."""
    network = tracker.begin(FRAME_HW, NoOptions())._network
    monkeypatch.setattr(network, "reach", replace(network.reach, pointers=14))
    forgetful = followed(tracker, clip(20), BY_FRAME)
    assert forgetful[:15] == ours[:15]
    assert forgetful != ours[:20]


def test_together_objects_are_followed_as_one_by_one(
    tracker: PromptableTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU all go through the network at once: equal but for the order of additions."""
    hints = {track: Hint(label="", box_xyxy=(track, 5, track + 30, 50)) for track in range(1, 6)}
    images, alone = clip(6), tracker.begin(FRAME_HW, NoOptions())
    together = tracker.begin(FRAME_HW, NoOptions())
    together._objects_at_once = 4
    one_by_one = followed(tracker, images, {0: hints}, alone)
    counts = count_calls(together._network, monkeypatch)
    at_once = followed(tracker, images, {0: hints}, together)
    assert counts == [4, 1] * 5
    for seen, other in zip(one_by_one, at_once, strict=True):
        for track in hints:
            assert pixels_apart(seen[track].mask, other[track].mask) <= TIES
            assert seen[track].score == pytest.approx(other[track].score, abs=1e-4)


def count_calls(network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many objects go into each call, as they come."""
    counts: list[int] = []
    follow = network.follow

    def counted(seen: Seen, recalls: Sequence[Recall]) -> Decoded:
        counts.append(len(recalls))
        return follow(seen, recalls)

    monkeypatch.setattr(network, "follow", counted)
    return counts


def test_one_encoding_serves_outlines_and_all_tracks(tracker: PromptableTracker) -> None:
    """An embedding that was on disk gives the same."""
    (image,) = clip(1)
    (seen,) = tracker.embed([image])
    restored = tracker.restore(seen.to_bytes())
    steps = [
        tracker.begin(FRAME_HW, NoOptions()).step(0, embedding, {1: CLICK, 2: BOX})
        for embedding in (seen, restored)
    ]
    assert steps[0] == steps[1]
    outlines = tracker.segment([seen], [[CLICK, BOX]], NoOptions())
    assert len(outlines[0]) == 2


@sam2_only
def test_frames_are_decoded_without_tf32(
    tracker: PromptableTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model may allow it at the same time: the setting is one of the whole process."""
    held_by = decoding_exactly(memory_tracking, monkeypatch)
    followed(tracker, clip(2), {0: {1: BOX}})
    assert held_by == [tracker._network.device] * 2


def test_weights_of_an_image_model_follow_nothing(family: str, tmp_path: Path) -> None:
    LIBRARY[family][0].build(tmp_path)
    with pytest.raises(MissingWeights, match=r"image model .* Name the folder of the video model"):
        build(family, tmp_path, "cpu").begin(FRAME_HW, NoOptions())


def test_sam3_follows_from_the_folder_as_it_was_published(tmp_path: Path) -> None:
    alone, published = tmp_path / "alone", tmp_path / "published"
    sam3_tracker.build_video(alone)
    sam3_tracker.build_published_video(published)
    both = [
        followed(build("sam3-tracker", folder, "cpu"), clip(3), {0: {1: BOX}})
        for folder in (alone, published)
    ]
    assert both[0] == both[1]
