"""*Track objects*: real clips, in a real database, found and pointed at, and taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import premask
from premask.labels.fiftyone import annotation_from_detection
from premask.video.frames import open_video
from tests.clips import write_clip

CLIPS = Path(sys.prefix) / "clips"
COUNT = 8

Track = Callable[..., Any]


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some frames of an animated film with a rabbit, small."""
    frames = []
    for frame in open_video(CLIPS / "bigbuckbunny.mp4").frames():
        if frame.index == COUNT:
            break
        frames.append(np.ascontiguousarray(frame.image.rgb[::8, ::8]))
    return write_clip(tmp_path_factory.mktemp("clips") / "rabbit.mp4", frames, fps=10)


@pytest.fixture
def videos(fo: Any, short_clip: Path) -> Iterator[Any]:
    dataset = fo.Dataset()
    dataset.add_sample(fo.Sample(filepath=str(short_clip)))
    yield dataset
    dataset.delete()


@pytest.fixture
def track(operator: Any, videos: Any) -> Track:
    """Track objects in the videos, or in a view of them, and return the run."""

    def tracked(samples: Any = None, **options: Any) -> Any:
        run = operator("track_objects")(samples or videos, **options).result
        videos.reload()
        videos.clear_cache()
        return run

    return tracked


def test_a_real_clip_gets_what_the_recipe_finds(
    videos: Any, track: Track, short_clip: Path, u2netp_weights: Path
) -> None:
    run = track(recipe="follow")
    assert (run["state"], run["labeled"], run["failures"]) == ("finished", COUNT, {})
    sample = videos.first()
    assert sorted(sample.frames) == list(range(1, COUNT + 1))
    instances = set()
    for number, labeled in enumerate(premask.track(short_clip, "follow"), start=1):
        detections = sample.frames[number].follow.detections
        for annotation, detection in zip(labeled.annotations, detections, strict=True):
            fields = {name: detection[name] for name in ("label", "bounding_box", "mask")}
            read = annotation_from_detection(fields, labeled.image.size_hw)
            assert read.mask == annotation.mask
            assert (detection.index, detection.keyframe) == (annotation.track, False)
            instances.add((detection.index, detection.instance.id))
    assert len(instances) == 1


def in_pixels(x0: int, y0: int, x1: int, y1: int) -> list[float]:
    """A box of the short clip's frames (160 x 90) as FiftyOne has it."""
    return [x0 / 160, y0 / 90, (x1 - x0) / 160, (y1 - y0) / 90]


def test_sparse_prompts_hold_for_their_own_frames(fo: Any, videos: Any, track: Track) -> None:
    """A box in frame 3, while frames 1 and 2 have no document, is a box in frame 3."""
    sample = videos.first()
    box = fo.Detection(label="rabbit", bounding_box=in_pixels(50, 20, 110, 80), index=7)
    sample.frames[3] = fo.Frame(drawn=fo.Detections(detections=[box]))
    sample.save()
    track(recipe="follow", prompt_field="drawn", label_field="tracked")
    frames = videos.first().frames
    found = {n: frame.tracked.detections for n, frame in frames.items() if frame.tracked}
    assert sorted(found) == list(range(1, COUNT + 1))
    labels = [label for labels in found.values() for label in labels]
    assert {(label.label, label.index) for label in labels} == {("rabbit", 7)}
    assert [n for n, labels in found.items() if labels[0].keyframe] == [3]
    assert len({label.instance.id for label in labels}) == 1
    assert frames[3].drawn.detections[0].to_dict() == box.to_dict()


def test_nothing_is_left_of_a_run_but_what_a_person_changed(
    videos: Any, track: Track, operator: Any, tmp_path: Path
) -> None:
    before = sorted(videos.get_frame_field_schema())
    run = track(recipe="follow", masks_on_disk=True, folder=str(tmp_path))
    assert len(list(tmp_path.rglob("*.png"))) == COUNT
    frame = videos.first().frames[2]
    frame.follow.detections[0].label = "rabbit"
    frame.save()
    undone = operator("undo_run")(videos, run["name"]).result
    assert (undone["removed"], undone["kept"]) == (COUNT - 1, 1)
    videos.clear_cache()
    (kept,) = [frame.follow for frame in videos.first().frames.values() if frame.follow]
    assert kept.detections[0].get_mask().any()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    videos.delete_frame_field("follow")
    operator("undo_run")(videos, track(recipe="follow")["name"])
    videos.reload()
    assert sorted(videos.get_frame_field_schema()) == before
