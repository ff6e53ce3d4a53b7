"""*Track objects* in parts of videos, in frames that are samples, and in images with an order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from tests.clips import write_clip
from tests.tiny import TinyModels

Run = dict[str, Any]
SIZE_HW = (64, 96)
COUNT = 7
TIMES = [0.0, 0.03, 0.2, 0.21, 0.5, 0.6, 0.9]
"""A rate that varies: frames can't be told by multiplying times."""


def picture(number: int, seed: int = 0) -> NDArray[np.uint8]:
    """A speckled square that goes right over a speckled ground."""
    random = np.random.default_rng(seed)
    rgb = random.integers(90, 120, (*SIZE_HW, 3)).astype(np.uint8)
    square = random.integers(160, 255, (24, 24, 3)).astype(np.uint8)
    rgb[20:44, 10 + 3 * number : 34 + 3 * number] = square
    return rgb


def square(fo: Any, number: int, **more: Any) -> Any:
    """The box around it."""
    height, width = SIZE_HW
    box = [(10 + 3 * number) / width, 20 / height, 24 / width, 24 / height]
    return fo.Detections(detections=[fo.Detection(label="square", bounding_box=box, **more)])


@pytest.fixture
def videos(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Two videos, of which the second has a box in frame 4."""
    dataset = fo.Dataset()
    for name in ("one", "two"):
        frames = [picture(number) for number in range(COUNT)]
        path = write_clip(tmp_path / f"{name}.mp4", frames, times=TIMES, crf=1)
        dataset.add_sample(fo.Sample(filepath=str(path)))
    last = dataset.last()
    last.frames[4] = fo.Frame(drawn=square(fo, 3))
    last.save()
    yield dataset
    dataset.delete()


@pytest.fixture
def follow(operator: Any) -> Callable[..., Run]:
    """Follow what is drawn in a view, and return the run."""

    def followed(view: Any, **options: Any) -> Run:
        asked = {"recipe": "follow", "prompt_field": "drawn", "label_field": "tracks", **options}
        run: Run = operator("track_objects")(view, **asked).result
        assert run["failures"] == {}
        return run

    return followed


def tracked(dataset: Any, field: str = "tracks") -> list[list[int]]:
    """The frames of each video that have labels."""
    dataset.reload()
    dataset.clear_cache()
    return [
        [n for n, frame in sample.frames.items() if frame[field] and frame[field].detections]
        for sample in dataset
    ]


def test_videos_without_a_prompt_are_left_alone(
    fo: Any, videos: Any, follow: Callable[..., Run]
) -> None:
    run = follow(videos)
    assert (run["left_alone"], run["labeled"]) == (1, COUNT)
    assert tracked(videos) == [[], list(range(1, COUNT + 1))]
    x = [
        frame.tracks.detections[0].bounding_box[0] * SIZE_HW[1]
        for frame in videos.last().frames.values()
    ]
    assert x == pytest.approx([10 + 3 * number for number in range(COUNT)], abs=1.5)
    hidden = videos.match_frames(fo.ViewField("frame_number") == 1, omit_empty=False)
    assert follow(hidden, label_field="none")["left_alone"] == 2


def test_a_prompt_behind_the_end_is_told_by_its_number(fo: Any, videos: Any, operator: Any) -> None:
    last = videos.last()
    last.frames[30] = fo.Frame(drawn=square(fo, 3))
    last.save()
    run = operator("track_objects")(videos, recipe="follow", prompt_field="drawn").result
    assert "Frame 30 has a prompt, but 'two.mp4' has 7 frames" in run["failures"][last.filepath]


def test_of_clips_only_their_own_frames_are_labeled(
    videos: Any, follow: Callable[..., Run]
) -> None:
    clips = videos.to_clips([[[1, 2]], [[3, 5]]])
    follow(clips)
    assert tracked(videos) == [[], [3, 4, 5]]
    clips.reload()
    assert clips.last().frames[5].tracks.detections[0].label == "square"


def test_labels_of_frames_that_are_samples_are_the_video_s(
    fo: Any, videos: Any, follow: Callable[..., Run]
) -> None:
    """Frames as samples, only some of them, of which one has a prompt."""
    # FiftyOne asks ffprobe for what it does not know, and needs it for these views alone.
    metadata = fo.VideoMetadata(total_frame_count=COUNT, frame_rate=10)
    videos.set_values("metadata", [metadata] * 2)
    frames = videos.to_frames(sample_frames="dynamic").match({"frame_number": {"$ne": 3}})
    some = frames.sort_by("frame_number")[2:]
    follow(some)
    assert tracked(videos) == [[], [2, 4, 5, 6, 7]]
    frames.reload()
    assert len(frames.exists("tracks")) == 5


@pytest.fixture
def images(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Two scenes; their images come in no order, and each scene has a size of its own."""
    dataset = fo.Dataset()
    samples = []
    for seed, scene in enumerate(("street", "yard")):
        for number in (2, 0, 3, 1):
            rgb = picture(number, seed)
            path = tmp_path / f"{scene} {number}.png"
            PIL.Image.fromarray(rgb if seed else rgb[:-8]).save(path)
            samples.append(fo.Sample(filepath=str(path), scene=scene, number=number))
    dataset.add_samples(samples, progress=False)
    first = dataset.match({"scene": "yard", "number": 1}).first()
    first["drawn"] = square(fo, 1)
    first.save()
    yield dataset
    dataset.delete()


def test_images_that_are_grouped_in_an_order_are_a_clip(
    images: Any, follow: Callable[..., Run], operator: Any
) -> None:
    run = follow(images.group_by("scene", order_by="number"))
    images.reload()
    assert (run["labeled"], run["left_alone"]) == (4, 1)
    yard = images.match({"scene": "yard"}).sort_by("number")
    labels = [sample.tracks.detections[0] for sample in yard]
    assert [label.keyframe for label in labels] == [False, True, False, False]
    assert len({label.instance.id for label in labels}) == 1
    places = [label.bounding_box[0] * SIZE_HW[1] for label in labels]
    assert places == pytest.approx([10, 13, 16, 19], abs=1.5)
    assert images.match({"scene": "street"}).values("tracks") == [None] * 4
    assert operator("undo_run")(images, run["name"]).result["removed"] == 4
    images.reload()
    assert "tracks" not in images.get_field_schema()


def test_of_groups_the_videos_that_are_shown_are_gone_through(
    fo: Any, operator: Any, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "left.mp4", [picture(number) for number in range(3)], crf=1)
    PIL.Image.fromarray(picture(0)).save(tmp_path / "right.png")
    dataset, group = fo.Dataset(), fo.Group()
    dataset.add_group_field("group", default="left")
    left = fo.Sample(filepath=str(path), group=group.element("left"))
    left.frames[2] = fo.Frame(drawn=square(fo, 1))
    right = fo.Sample(filepath=str(tmp_path / "right.png"), group=group.element("right"))
    dataset.add_samples([left, right], progress=False)
    asked = {"recipe": "follow", "prompt_field": "drawn"}
    run = operator("track_objects")(dataset, **asked).result
    assert (run["labeled"], run["failures"]) == (3, {})
    dataset.group_slice = "right"
    with pytest.raises(Exception, match="have no order"):
        operator("track_objects")(dataset, **asked)
    dataset.delete()


def test_what_is_deleted_meanwhile_is_counted(
    videos: Any, follow: Callable[..., Run], part: Callable[[str], Any], monkeypatch: Any
) -> None:
    last, stream = videos.last().id, part("work.tracking").ClipWork.stream

    def deleted(work: Any) -> Any:
        videos.delete_samples([last])
        yield from stream(work)

    monkeypatch.setattr(part("work.tracking").ClipWork, "stream", deleted)
    run = follow(videos)
    assert (run["deleted"], run["labeled"]) == (1, 0)
    assert videos._frame_collection.count_documents({}) == 0


def test_images_without_an_order_are_refused(
    images: Any, form: Callable[..., Any], operator: Any
) -> None:
    said = form("track_objects", images)
    assert "group_by" in said["target"]["error_message"]
    for view in (images, images.group_by("scene")):
        with pytest.raises(Exception, match="in which order they come"):
            operator("track_objects")(view, recipe="follow")


def test_the_form_offers_what_can_be_followed(videos: Any, form: Callable[..., Any]) -> None:
    fields = form("track_objects", videos)
    recipes = [choice["value"] for choice in fields["recipe"]["view"]["choices"]]
    assert "follow-sam2" in recipes
    assert "subject" not in recipes
    assert [choice["value"] for choice in fields["prompt_field"]["view"]["choices"]] == ["drawn"]
    assert "phrases" not in fields
    refused = form("track_objects", videos, {"recipe": "follow-edgetam"})
    assert "follows what you point at" in refused["prompt_field"]["error_message"]


def test_phrases_are_looked_for(
    videos: Any, operator: Any, form: Callable[..., Any], tmp_path: Path
) -> None:
    tiny = TinyModels(tmp_path)
    fields = form("track_objects", videos, {"recipe": "follow-dino-sam2"})
    assert "phrases" in fields
    settings = {
        "find.model": tiny["owlv2"],
        "find.threshold": 0.0,
        "select.top": 1,
        "track.model": tiny.tracking("sam2"),
        "track.present": 0.0,
    }
    run = operator("track_objects")(
        videos[:1], recipe="follow-dino-sam2", phrases=["red car"], settings=settings
    ).result
    assert run["failures"] == {}
    labels = videos.values("frames.follow_dino_sam2.detections.label", unwind=True)
    assert set(labels) == {"red car"}
