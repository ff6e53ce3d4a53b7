"""SAM 3 for clips gives what transformers' session over the whole clip gives, and keeps little."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Sam3VideoModel, Sam3VideoProcessor
from transformers.models.sam3_video import modeling_sam3_video
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

from premask.errors import UnsupportedPrompt
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import PhraseTracking, Sighting
from premask.models.families.sam3_video import kernels
from premask.models.families.sam3_video import looking as sam3_looking
from premask.models.families.sam3_video.looking import PhraseLooking
from premask.models.families.sam3_video.tracker import Sam3VideoTracker
from premask.models.options import Sam3VideoOptions
from premask.models.registry import build
from premask.prompts import Phrase
from tests.models.tracker_library import FRAME_HW, clip, decoding_exactly
from tests.tiny_models import sam3_video

PHRASES = [Phrase(text="cat"), Phrase(text="dog", label="hound")]
OPTIONS = Sam3VideoOptions(threshold=0.0, new_threshold=0.0, most_objects=3)
FRAMES = 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam3_video")
    sam3_video.build(folder)
    return folder


@pytest.fixture(scope="module")
def tracker(folder: Path) -> Sam3VideoTracker:
    loaded: Sam3VideoTracker = build("sam3-video", folder, "cpu")
    return loaded


def shown(
    tracker: Sam3VideoTracker, images: Sequence[Image], looking: PhraseTracking, start: int = 0
) -> list[Sighting]:
    """What comes out while these frames go in."""
    return [
        sighting
        for index, image in enumerate(images)
        for sighting in looking.step(start + index, tracker.embed([image])[0])
    ]


def sightings(tracker: Sam3VideoTracker, images: Sequence[Image]) -> list[Sighting]:
    looking = tracker.look_for(PHRASES, FRAME_HW, OPTIONS)
    return [*shown(tracker, images, looking), *looking.finish()]


@pytest.fixture(scope="module")
def ours(tracker: Sam3VideoTracker) -> list[Sighting]:
    return sightings(tracker, clip(FRAMES))


def library_results(folder: Path, images: Sequence[Image]) -> list[dict[str, Any]]:
    """Of each frame in order, by the documented calls, with all frames at hand."""
    model = Sam3VideoModel.from_pretrained(folder).eval()
    model.score_threshold_detection = OPTIONS.threshold
    model.new_det_thresh = OPTIONS.new_threshold
    model.max_num_objects = OPTIONS.most_objects
    processor = Sam3VideoProcessor.from_pretrained(folder)
    pixels = [
        processor.image_processor(
            images=[torch.tensor(image.rgb).permute(2, 0, 1)],
            return_tensors="pt",
            input_data_format="channels_first",
        )["pixel_values"]
        for image in images
    ]
    session = Sam3VideoInferenceSession(
        video=torch.cat(pixels),
        video_height=FRAME_HW[0],
        video_width=FRAME_HW[1],
        dtype=torch.float32,
    )
    processor.add_text_prompt(session, [phrase.text for phrase in PHRASES])
    return [
        processor.postprocess_outputs(session, output)
        for output in model.propagate_in_video_iterator(session)
    ]


def test_it_sees_what_the_librarys_session_sees(folder: Path, ours: list[Sighting]) -> None:
    expected = library_results(folder, clip(FRAMES))
    assert [frame for frame, _ in ours] == list(range(FRAMES))
    for (_, found), result in zip(ours, expected, strict=True):
        assert list(found) == result["object_ids"].tolist()
        masks = [Mask.from_array(pixels.numpy()) for pixels in result["masks"]]
        assert [hint.mask for hint in found.values()] == masks
        cats = result["prompt_to_obj_ids"].get("cat", [])
        assert [track for track, hint in found.items() if hint.label == "cat"] == cats
    tracks = [track for _, found in ours for track in found]
    assert len({hint.mask for _, found in ours for hint in found.values()}) > FRAMES // 2
    assert len(set(tracks)) <= max(tracks)  # some were judged to be none, and never came out


def test_frames_are_held_back_until_they_are_judged(tracker: Sam3VideoTracker) -> None:
    looking = tracker.look_for(PHRASES, FRAME_HW, replace(OPTIONS, hold_back=8))
    images = clip(9)
    assert shown(tracker, images[:7], looking) == []
    assert [frame for frame, _ in shown(tracker, images[7:], looking, start=7)] == [0, 1]
    assert [frame for frame, _ in looking.finish()] == [2, 3, 4, 5, 6, 7, 8]
    assert looking.finish() == []


def test_a_pass_goes_on_from_its_state(tracker: Sam3VideoTracker, ours: list[Sighting]) -> None:
    images, looking = clip(FRAMES), tracker.look_for(PHRASES, FRAME_HW, OPTIONS)
    before = shown(tracker, images[:20], looking)
    resumed = tracker.resume_looking(looking.state(), PHRASES, FRAME_HW, OPTIONS)
    behind = shown(tracker, images[20:], resumed, start=20)
    assert [*before, *behind, *resumed.finish()] == ours
    with pytest.raises(ValueError, match="no state"):
        tracker.resume_looking(b"{}", PHRASES, FRAME_HW, OPTIONS)


def test_two_clips_at_once_with_options_of_their_own(
    tracker: Sam3VideoTracker,
) -> None:
    def strict_look(images: Sequence[Image]) -> list[Sighting]:
        looking = tracker.look_for(PHRASES, FRAME_HW, replace(OPTIONS, threshold=0.9))
        return [*shown(tracker, images, looking), *looking.finish()]

    with ThreadPoolExecutor(2) as threads:
        loose = threads.submit(sightings, tracker, clip(8))
        strict = threads.submit(strict_look, clip(10))
    assert loose.result() == sightings(tracker, clip(8))
    assert all(found == {} for _, found in strict.result())


def held_bytes(looking: PhraseLooking) -> tuple[int, int]:
    """Of all tensors that a pass keeps, and the length of its lists of numbers."""
    session = looking._session
    facts, tensors = session.state()
    counts = sum(len(values) for values in facts.values() if isinstance(values, list))
    storages = {tensor.untyped_storage().data_ptr(): tensor for tensor in tensors.values()}
    return sum(kept.untyped_storage().nbytes() for kept in storages.values()), counts


def test_what_is_kept_does_not_grow_with_the_clip(tracker: Sam3VideoTracker) -> None:
    # One object at most, so that newcomers make no difference.
    options = replace(OPTIONS, most_objects=1)
    looking = tracker.look_for(PHRASES[1:], FRAME_HW, options)
    shown(tracker, clip(32), looking)
    tensor_bytes, counts = held_bytes(looking)
    shown(tracker, clip(32), looking, start=32)
    later_bytes, later_counts = held_bytes(looking)
    assert later_bytes <= tensor_bytes * 1.05
    assert later_counts <= counts + 8
    assert len(looking._held) == OPTIONS.hold_back - 1
    assert looking._session.processed_frames == {}
    assert not any(looking._session.mask_inputs_per_obj.values())


def test_an_object_that_ends_is_followed_no_more(
    tracker: Sam3VideoTracker, ours: list[Sighting]
) -> None:
    looking = tracker.look_for(PHRASES, FRAME_HW, OPTIONS)
    images = clip(20)
    shown(tracker, images[:18], looking)
    for track in list(looking._session.obj_ids):
        looking.end(track)
    assert looking._session.obj_ids == []
    rest = [*shown(tracker, images[18:], looking, start=18), *looking.finish()]
    gone = {track for _, found in ours[:18] for track in found}
    assert not gone & set(dict(rest)[19])


def test_negative_phrases_are_refused(tracker: Sam3VideoTracker) -> None:
    phrases = [*PHRASES, Phrase(text="toy", positive=False)]
    with pytest.raises(UnsupportedPrompt, match="Leave negative phrases out"):
        tracker.look_for(phrases, FRAME_HW, OPTIONS)
    with pytest.raises(UnsupportedPrompt, match="Shorten it"):
        tracker.look_for([Phrase(text="cat " * 40)], FRAME_HW, OPTIONS)


def test_no_code_is_downloaded_for_what_overlaps_and_what_is_connected() -> None:
    assert modeling_sam3_video.cv_utils_kernel is kernels
    ious = torch.tensor([[1, 0.5, 0.0], [0.5, 1, 0.05], [0.0, 0.05, 1]])
    kept = kernels.generic_nms(ious, torch.tensor([0.6, 0.9, 0.1]), 0.1)
    assert sorted(kept.tolist()) == [1, 2]
    mask = torch.zeros(1, 1, 5, 6, dtype=torch.uint8)
    mask[0, 0, 0, 0] = mask[0, 0, 1, 1] = mask[0, 0, 4, 3:] = 1
    _, counts = kernels.cc_2d(mask)
    expected = np.zeros((5, 6), np.int32)
    expected[0, 0] = expected[1, 1] = 2
    expected[4, 3:] = 3
    np.testing.assert_array_equal(counts[0, 0].numpy(), expected)


def test_frames_are_decoded_without_tf32(
    tracker: Sam3VideoTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by = decoding_exactly(sam3_looking, monkeypatch)
    shown(tracker, clip(2), tracker.look_for(PHRASES, FRAME_HW, OPTIONS))
    assert held_by == [tracker._model.device] * 2
