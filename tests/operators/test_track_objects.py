"""*Track objects*: real clips, in a real database, found and pointed at, and taken back."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, repeat
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
        assert run["failures"] == {}
        return run

    return tracked


def test_a_real_clip_gets_what_the_recipe_finds(
    videos: Any,
    track: Track,
    short_clip: Path,
    u2netp_weights: Path,
    part: Callable[[str], Any],
) -> None:
    run = track(recipe="follow")
    assert (run["state"], run["labeled"]) == ("finished", COUNT)
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
    shown = part("dataset.history").load(videos, run["name"])
    assert part("dataset.run_counts").count_labels(videos, shown).counts == {"subject": COUNT}


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
    videos.delete_label_schemas("frames.follow")  # FiftyOne 1.22 fails half way where there is one
    videos.delete_frame_field("follow")
    operator("undo_run")(videos, track(recipe="follow")["name"])
    videos.reload()
    assert sorted(videos.get_frame_field_schema()) == before


def documents(dataset: Any, field: str) -> dict[int, list[Any]]:
    """The labels of each frame as the database has them."""
    frames = dataset._frame_collection.find({field: {"$ne": None}}).sort("frame_number")
    return {frame["frame_number"]: frame[field]["detections"] for frame in frames}


def timeline(dataset: Any, field: str) -> list[dict[str, Any]]:
    """The rows of the App's timeline, as its own server makes them."""
    with warnings.catch_warnings():
        # FiftyOne 1.22 calls what its own dependencies have deprecated.
        warnings.simplefilter("ignore")
        routes = importlib.import_module("fiftyone.server.routes.video_labels")
    stages = routes.index_post_pipeline(field, "detections")
    found = dataset.view()._aggregate(frames_only=True, post_pipeline=stages)
    rows: list[dict[str, Any]] = routes.build_instance_index(found)
    return rows


def corrected(dataset: Any, field: str, number: int, *, keyframe: bool | None = True) -> None:
    """Move a label of a frame by hand; the App says of it that it is a keyframe."""
    frame = dataset.first().frames[number]
    (label,) = frame[field].detections
    x, y, width, height = label.bounding_box
    label.bounding_box = [x - 0.1, y, width, height]
    if keyframe is not None:
        label.keyframe = keyframe
    frame.save()


@pytest.fixture
def embedded(part: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The frames that a tracker looks at."""
    looked: list[str] = []
    pool = part("work.pool").model_pool()
    embed = pool.embed

    def noted(model: str, images: Any) -> Any:
        looked.extend(image.name for image in images)
        return embed(model, images)

    monkeypatch.setattr(pool, "embed", noted)
    return looked


def test_a_correction_changes_what_follows_from_it_alone(
    videos: Any, track: Track, embedded: list[str]
) -> None:
    """Found in frame 1 and corrected in frame 5, as people begin."""
    track(recipe="follow")
    corrected(videos, "follow", 5)
    before = documents(videos, "follow")
    embedded.clear()
    second = track(recipe="follow")
    after = documents(videos, "follow")
    assert [n for n in before if before[n] == after[n]] == [1, 2, 3, 4, 5]
    assert {label["premask_run"] for n in range(6, COUNT + 1) for label in after[n]} == {
        second["name"]
    }
    assert len({label["instance"]["_id"] for labels in after.values() for label in labels}) == 1
    assert [n for n, labels in after.items() if labels[0]["keyframe"]] == [5]
    assert [name[-6:-4] for name in embedded] == ["04", "05", "06", "07"]
    (row,) = timeline(videos, "follow")
    assert (row["segments"], row["keyframes"]) == ([[1, COUNT]], [5])
    third = track(recipe="follow")
    assert (third["labeled"], third["reused"]) == (0, COUNT)
    assert documents(videos, "follow") == after


def test_keyframes_of_the_app_are_followed_between(fo: Any, videos: Any, track: Track) -> None:
    """Two keyframes, and the fillers that the App has put behind them, in the same field."""
    sample, instance = videos.first(), fo.Instance()
    for number in range(2, COUNT + 1):
        place = in_pixels(50, 20, 110, 80) if number < 6 else in_pixels(56, 20, 116, 80)
        label = fo.Detection(
            label="rabbit",
            bounding_box=place,
            instance=instance,
            index=3,
            keyframe=number in (2, 6),
        )
        sample.frames[number] = fo.Frame(drawn=fo.Detections(detections=[label]))
    sample.save()
    before = documents(videos, "drawn")
    track(recipe="follow", prompt_field="drawn", label_field="drawn")
    after = documents(videos, "drawn")
    assert [n for n in after if after[n] == before.get(n)] == [2, 6]
    assert sorted(after) == list(range(1, COUNT + 1))
    labels = [label for labels in after.values() for label in labels]
    assert len(labels) == COUNT
    assert {(label["index"], str(label["instance"]["_id"])) for label in labels} == {
        (3, instance.id)
    }
    assert all("mask" in label for label in after[1] + after[3] + after[8])


def test_tracks_of_another_tool_stay_and_get_no_rows_of_their_own(
    fo: Any, videos: Any, track: Track
) -> None:
    """With an index, and without an Instance: the App's timeline groups by the index then."""
    sample = videos.first()
    for number in (1, 4):
        boxes = [
            fo.Detection(label=name, bounding_box=in_pixels(*place), index=index)
            for index, (name, place) in enumerate(
                [("rabbit", (50, 20, 110, 80)), ("bird", (4, 4, 30, 30))]
            )
        ]
        sample.frames[number] = fo.Frame(theirs=fo.Detections(detections=boxes))
    sample.save()
    before = documents(videos, "theirs")
    track(recipe="follow", label_field="theirs")
    after = documents(videos, "theirs")
    assert (after[1], after[4]) == (before[1], before[4])
    made = [label for n in (2, 3, 5, 6, 7, 8) for label in after[n]]
    assert {(label["label"], label["index"]) for label in made} == {("rabbit", 0), ("bird", 1)}
    assert {label.get("instance") for label in made} == {None}
    rows = sorted(timeline(videos, "theirs"), key=lambda row: row["persistedIndex"])
    assert [row["instanceId"] for row in rows] == ["track-0", "track-1"]


def test_objects_whose_classes_count_for_themselves_are_told_apart(
    fo: Any, videos: Any, track: Track
) -> None:
    """A rabbit 1 and a bird 1 in one frame, as `to_trajectories` has them, and as keypoints."""
    sample = videos.first()
    points = {"rabbit": [(0.5, 0.5), (0.45, 0.6)], "bird": [(0.1, 0.1)]}
    clicks = [fo.Keypoint(label=name, points=places, index=1) for name, places in points.items()]
    sample.frames[2] = fo.Frame(clicks=fo.Keypoints(keypoints=clicks))
    sample.save()
    track(recipe="follow", prompt_field="clicks", label_field="follow")
    made = [label for labels in documents(videos, "follow").values() for label in labels]
    assert {(label["label"], label["index"]) for label in made} == {("rabbit", 1), ("bird", 2)}
    assert len({label["instance"]["_id"] for label in made}) == 2


def test_a_label_changed_without_the_app_stays_too(videos: Any, track: Track) -> None:
    track(recipe="follow")
    corrected(videos, "follow", 5, keyframe=None)
    before = documents(videos, "follow")[5]
    track(recipe="follow")
    assert documents(videos, "follow")[5] == before


def test_cancelled_it_keeps_what_is_done_and_goes_on_from_there(
    videos: Any,
    track: Track,
    part: Callable[[str], Any],
    embedded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    track(recipe="follow", label_field="undisturbed")
    embedded.clear()
    with monkeypatch.context() as patch:
        patch.setattr(part("work.tracking"), "_WRITTEN_AT_ONCE", 2)
        asked = chain([False, False], repeat(True))
        patch.setattr(part("dataset.history"), "is_cancelled", lambda *_: next(asked))
        assert track(recipe="follow")["state"] == "cancelled"
    assert sorted(documents(videos, "follow")) == [1, 2, 3, 4]
    done = len(embedded)
    assert track(recipe="follow")["labeled"] == COUNT - 4
    assert len(embedded) == COUNT
    assert done < COUNT
    shown = [
        [
            (label["bounding_box"], label["mask"])
            for labels in documents(videos, field).values()
            for label in labels
        ]
        for field in ("follow", "undisturbed")
    ]
    assert shown[0] == shown[1]


def test_killed_it_goes_on_and_a_broken_clip_stops_nothing(
    fo: Any,
    videos: Any,
    operator: Any,
    short_clip: Path,
    part: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "broken.mp4").write_bytes(short_clip.read_bytes()[:2000])
    videos.add_sample(fo.Sample(filepath=str(tmp_path / "broken.mp4")))
    videos.add_sample(fo.Sample(filepath=str(short_clip)))
    pool, embed = part("work.pool").model_pool(), part("work.pool").model_pool().embed

    class Killed(BaseException):
        pass

    def killed(model: str, images: Any) -> Any:
        if images[0].name.endswith("05.png"):
            raise Killed
        return embed(model, images)

    with monkeypatch.context() as patch:
        patch.setattr(pool, "embed", killed)
        with pytest.raises(Killed):
            operator("track_objects")(videos, recipe="follow")
    run = operator("track_objects")(videos, recipe="follow").result
    assert list(run["failures"]) == [str(tmp_path / "broken.mp4")]
    assert run["state"] == "finished"
    counts = videos.values("frames.follow.detections")
    assert [len(frames) for frames in counts] == [COUNT, 0, COUNT]


def test_two_runs_do_not_write_into_one_field(
    videos: Any, operator: Any, part: Callable[[str], Any]
) -> None:
    """Both would go on where the other one is."""
    history = part("dataset.history")
    under_way = history.Run(
        name=history.new_name(),
        dataset=videos.name,
        operator="",
        recipe="follow",
        settings="",
        params={},
        fields={"frames.follow": "tracks"},
        folder="",
    )
    with (
        history.recorded(videos, under_way),
        pytest.raises(Exception, match=r"still writing into 'frames\.follow'"),
    ):
        operator("track_objects")(videos, recipe="follow")


def test_in_the_background(videos: Any, operator: Any, track: Track) -> None:
    from fiftyone.operators.delegated import DelegatedOperationService

    scheduled = operator("track_objects")(videos, recipe="follow", delegate=True)
    assert scheduled.delegated
    service = DelegatedOperationService()
    service.execute_queued_operations(limit=1)
    done = service.get(scheduled.result["id"])
    assert (done.run_state, done.status.progress) == ("completed", 1.0)
    assert "frames" in done.status.label
    assert len(documents(videos, "follow")) == COUNT


def test_what_was_found_is_kept_by_other_settings_but_no_keyframe(
    videos: Any, track: Track, tmp_path: Path
) -> None:
    """Corrected, and followed by other settings: all of it anew, from where it was found."""
    track(recipe="follow", folder=str(tmp_path))
    corrected(videos, "follow", 5)
    settings = {"refine.grow": 2}
    track(recipe="follow", settings=settings, folder=str(tmp_path))
    after = documents(videos, "follow")
    assert {label["premask_run"] for n in (1, 2, 3, 4) for label in after[n]} == {
        label["premask_run"] for label in after[8]
    }
    assert [n for n, labels in after.items() if labels[0]["keyframe"]] == [5]
