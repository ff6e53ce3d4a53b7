"""Tracks of FiftyOne's clips go into files and come back: the same pixels, frames and objects."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from labelformat.formats import (
    YouTubeVISInstanceSegmentationTrackInput,
    YouTubeVISInstanceSegmentationTrackOutput,
)
from numpy.typing import NDArray

from premask.labels.clip_formats import CLIP_FORMATS
from premask.labels.formats import FORMATS_FOR_CLIPS
from tests.clips import painted, write_clip
from tests.operators.mask_samples import annotation_of, detections

SIZE = (48, 96)
COUNT = 6
FIELD = "frames.tracks"

Pixels = NDArray[np.bool_]
Seen = dict[int, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two short videos of one name, in two folders."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / day / "street.mp4" for day in ("monday", "tuesday")]
    for path in paths:
        path.parent.mkdir()
        write_clip(path, [painted(number, SIZE) for number in range(COUNT)])
    return paths


@pytest.fixture
def videos(fo: Any, clips: list[Path]) -> Iterator[Any]:
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in clips], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture
def images(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """A sequence whose files count from 1, stored in another order than the scene has."""
    dataset = fo.Dataset()
    paths = [tmp_path / "scene" / f"{number:06}.png" for number in range(1, COUNT + 1)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        PIL.Image.fromarray(painted(number, SIZE)).save(path)
    samples = [fo.Sample(filepath=str(path), scene="s", at=int(path.stem)) for path in paths]
    dataset.add_samples(samples[::-1], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture
def export(operator: Any, tmp_path: Path) -> Callable[..., Any]:
    def exported(samples: Any, **options: Any) -> Any:
        given = {"folder": tmp_path / "out", "label_fields": [FIELD], **options}
        return operator("export_masks")(samples, **given).result

    return exported


@pytest.fixture
def import_(operator: Any) -> Callable[..., Any]:
    def imported(samples: Any, path: Path, field: str = "again", **options: Any) -> Any:
        result = operator("import_masks")(samples, path=path, label_field=field, **options).result
        samples._dataset.reload()
        samples._dataset.clear_cache()
        return result

    return imported


def parts(seed: int) -> list[Pixels]:
    """Three masks of noise that don't overlap; the last one has a single pixel."""
    owner = np.random.default_rng(seed).integers(0, 3, SIZE)
    owner[0, 0], single = 9, np.zeros(SIZE, np.bool_)
    single[0, 0] = True
    return [owner == 0, owner == 1, single]


def fill(fo: Any, dataset: Any, sample_id: str, frames: dict[int, list[Any]]) -> None:
    """Write labels into frames, by their numbers, the way any other tool would."""
    documents = {number: fo.Detections(detections=found) for number, found in frames.items()}
    dataset.set_values(FIELD, {sample_id: documents}, key_field="id")


def labels(fo: Any, seed: int, instances: list[Any]) -> list[Any]:
    """A frame's three objects: a keyframe in the first frame, with scores of their own."""
    found = []
    for number, (pixels, instance) in enumerate(zip(parts(seed), instances, strict=True), start=1):
        annotation = annotation_of(pixels, "abc"[number - 1], score=seed / 64, track=number)
        (label,) = detections(fo, [annotation], SIZE).detections
        label.instance, label["keyframe"] = instance, seed == 1
        found.append(label)
    return found


@pytest.fixture
def tracked(fo: Any, videos: Any) -> Any:
    """Objects in some frames of the first video, of which one frame was looked at in vain."""
    instances = [fo.Instance() for _ in range(3)]
    frames = {number: labels(fo, number, instances) for number in (1, 2, 4, 6)}
    del frames[2][0]
    fill(fo, videos, videos.first().id, {**frames, 5: []})
    return videos


def seen(frames: Any, field: str, *names: str) -> Seen:
    """What is in the frames with labels, and of each object, in which other frames it is."""
    found: Seen = {}
    for number, holder in frames:
        for label in holder.detections if holder is not None else ():
            mask = label.to_segmentation(frame_size=SIZE[::-1]).get_mask() != 0
            fields = {name: label[name] for name in ("index", *names)}
            found.setdefault(number, []).append({**fields, "mask": mask.tobytes()})
    return found


def files_in(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def in_video(sample: Any, field: str, *names: str) -> Seen:
    return seen(((n, frame[field]) for n, frame in sample.frames.items()), field, *names)


def instances_of(sample: Any, field: str) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for frame in sample.frames.values():
        for label in frame[field].detections if frame[field] is not None else ():
            found.setdefault(label.index, set()).add(label.instance.id)
    return found


@pytest.mark.parametrize("name", ["ytvis", "davis", "mots", "coco", "sav"])
def test_every_pixel_comes_back_in_its_frame_and_to_its_object(
    tracked: Any, export: Any, import_: Any, tmp_path: Path, name: str
) -> None:
    exported = export(tracked, formats=[name])
    assert (exported["clips"], exported["images"], exported["annotations"]) == (2, 12, 11)
    imported = import_(tracked, tmp_path / "out" / CLIP_FORMATS[name].file_name)
    assert (imported["clips"], imported["annotations"], imported["failures"]) == (2, 11, {})
    first, second = tracked
    kept = ["label", "confidence", "keyframe"] if name in ("ytvis", "coco") else ["label"]
    assert in_video(first, "again", *kept) == in_video(first, "tracks", *kept)
    assert in_video(second, "again") == {}
    assert list(map(len, instances_of(first, "again").values())) == [1, 1, 1]
    # All frames were looked at, as the file says.
    assert tracked.count("frames.again") == 12
    again = export(tracked, formats=[name], label_fields=["frames.again"], folder=tmp_path / "2")
    assert again["annotations"] == 11
    assert files_in(tmp_path / "out") == files_in(tmp_path / "2")


def test_a_frame_without_objects_is_null_and_the_list_as_long_as_the_video(
    tracked: Any, export: Any, tmp_path: Path
) -> None:
    """Read by the code of others, which wants run lengths as lists."""
    export(tracked, formats=["ytvis-uncompressed"])
    theirs = YouTubeVISInstanceSegmentationTrackInput(
        input_file=tmp_path / "out" / "ytvis_uncompressed.json"
    )
    assert [video.number_of_frames for video in theirs.get_videos()] == [COUNT, COUNT]
    objects = next(iter(theirs.get_labels())).objects
    masks = [[s and s.get_binary_mask().astype(bool) for s in one.segmentations] for one in objects]
    there = [[mask is not None for mask in own] for own in masks]
    always = [True, True, False, True, False, True]
    assert there == [[True, False, False, True, False, True], always, always]
    for position in (0, 3, 5):
        for own, wanted in zip(masks, parts(position + 1), strict=True):
            np.testing.assert_array_equal(own[position], wanted)


def test_what_others_wrote_is_imported(
    tracked: Any, export: Any, import_: Any, tmp_path: Path
) -> None:
    """Lightly's writer keeps no folders of names, so one video of this name is in the view."""
    view = tracked.limit(1)
    export(view, formats=["ytvis-uncompressed"])
    source = tmp_path / "out" / "ytvis_uncompressed.json"
    theirs = YouTubeVISInstanceSegmentationTrackInput(input_file=source)
    path = tmp_path / "theirs.json"
    YouTubeVISInstanceSegmentationTrackOutput(output_file=path).save(theirs)
    assert import_(view, path)["failures"] == {}
    first = tracked.first()
    assert in_video(first, "again", "label") == in_video(first, "tracks", "label")
    (label, *_) = first.frames[1].again.detections
    assert not label.has_field("keyframe")


def test_each_fifth_frame_is_told_by_the_names_of_files(
    videos: Any, import_: Any, tmp_path: Path
) -> None:
    """YouTube-VIS itself has only some frames of its videos, and no numbers but in their names."""
    path = tmp_path / "train.json"
    shape = {"size": list(SIZE), "counts": [0, 7, SIZE[0] * SIZE[1] - 7]}
    data = {
        "videos": [
            {
                "id": 1,
                "width": SIZE[1],
                "height": SIZE[0],
                "length": 2,
                "file_names": ["street/00000.jpg", "street/00005.jpg"],
            }
        ],
        "annotations": [{"id": 1, "video_id": 1, "category_id": 3, "segmentations": [None, shape]}],
        "categories": [{"id": 3, "name": "cat"}],
    }
    path.write_text(json.dumps(data))
    assert import_(videos.limit(1), path)["failures"] == {}
    assert list(in_video(videos.first(), "again")) == [6]


def test_a_clip_that_is_none_of_these_is_told_and_nothing_is_written(
    tracked: Any, export: Any, import_: Any, clips: list[Path], tmp_path: Path
) -> None:
    export(tracked)
    path = tmp_path / "out" / "ytvis.json"
    data = json.loads(path.read_text())
    first, second = data["videos"]
    first["frame_numbers"] = list(range(1, COUNT + 1))
    second["name"] = "sunday/street.mp4"
    data["videos"].append({**second, "id": 3, "name": "tuesday/street.mp4", "width": 8})
    data["videos"].append({**second, "id": 4, "name": "street.mp4"})
    path.write_text(json.dumps(data))
    imported = import_(tracked, path)
    assert imported["annotations"] == 0
    assert "count from 0" in imported["failures"]["monday/street.mp4"]
    assert "no path of a video" in imported["failures"]["sunday/street.mp4"]
    assert "(48, 8), but the clip has (48, 96)" in imported["failures"]["tuesday/street.mp4"]
    assert "2 clips end with this" in imported["failures"]["street.mp4"]
    assert tracked.count("frames.again.detections") == 0


def test_appending_continues_the_objects_that_are_there(
    fo: Any, tracked: Any, export: Any, import_: Any, tmp_path: Path
) -> None:
    export(tracked)
    path = tmp_path / "out" / "ytvis.json"
    failed = importlib.import_module("fiftyone.operators.executor").ExecutionError
    with pytest.raises(failed, match=r"'frames.tracks' has labels in these clips \(11\)"):
        import_(tracked, path, "tracks")
    sample = tracked.first()
    before, owners = in_video(sample, "tracks", "label"), instances_of(sample, "tracks")
    sample.frames[4].tracks.detections = []
    (other,) = detections(fo, [annotation_of(parts(9)[0], "other", track=2)], SIZE).detections
    sample.frames[3]["tracks"] = fo.Detections(detections=[other])
    sample.save()
    imported = import_(tracked, path, "frames.tracks", append=True)
    assert (imported["annotations"], imported["duplicates"]) == (3, 8)
    sample = tracked.first()
    after = in_video(sample, "tracks", "label")
    assert [one["label"] for one in after.pop(3)] == ["other"]
    assert after == before
    del owners[2], sample.frames[3]
    assert {k: v for k, v in instances_of(sample, "tracks").items() if k != 2} == owners


def test_an_import_is_a_run_that_is_undone(
    plugin: Any, tracked: Any, export: Any, import_: Any, operator: Any, tmp_path: Path
) -> None:
    history = importlib.import_module("operators.dataset.history")
    export(tracked)
    options = {"masks_on_disk": True, "folder": str(tmp_path / "files")}
    import_(tracked, tmp_path / "out" / "ytvis.json", **options)
    (run,) = history.last_runs(tracked)
    assert (run.work, run.summary) == ("Import of tracks", "11 annotations in 12 frames")
    assert len(list((tmp_path / "files").rglob("*.png"))) == 11
    first = tracked.first()
    assert in_video(first, "again", "label") == in_video(first, "tracks", "label")
    assert operator("undo_run")(tracked, run.name).result["removed"] == 11
    tracked.reload()
    assert not tracked.has_field("frames.again")
    assert tracked.count("frames.tracks.detections") == 11
    assert list((tmp_path / "files").rglob("*.png")) == []


@pytest.mark.parametrize("name", ["ytvis", "davis", "mots"])
def test_images_in_an_order_are_a_clip_whatever_their_files_count_from(
    fo: Any, images: Any, export: Any, import_: Any, tmp_path: Path, name: str
) -> None:
    instances = [fo.Instance() for _ in range(3)]
    by_id = {
        sample.id: fo.Detections(detections=labels(fo, sample.at, instances))
        for sample in images.match(fo.ViewField("at") > 1)
    }
    images.set_values("tracks", by_id, key_field="id")
    view = images.group_by("scene", order_by="at")
    exported = export(view, label_fields=["tracks"], formats=[name])
    assert (exported["clips"], exported["images"], exported["annotations"]) == (1, COUNT, 15)
    imported = import_(view, tmp_path / "out" / CLIP_FORMATS[name].file_name)
    assert (imported["annotations"], imported["failures"]) == (15, {})
    found = [seen(((s.at, s[f]) for s in images), f, "label") for f in ("again", "tracks")]
    assert found[0] == found[1]
    ids = images.match(fo.ViewField("at") > 1).values("again.detections.instance.id")
    assert len({tuple(own) for own in ids}) == 1


def test_tracks_are_not_for_images_without_an_order(images: Any, import_: Any) -> None:
    failed = importlib.import_module("fiftyone.operators.executor").ExecutionError
    with pytest.raises(failed, match="has the labels of clips"):
        import_(images, Path("tests/golden/clips/ytvis.json"))


def test_parts_of_a_video_are_written_with_the_numbers_of_its_frames(
    tracked: Any, export: Any, tmp_path: Path
) -> None:
    export(tracked.to_clips([[(2, 4)], []]))
    (video,) = json.loads((tmp_path / "out" / "ytvis.json").read_text())["videos"]
    assert video["frame_numbers"] == [1, 2, 3]


def test_frames_that_nobody_has_looked_at_can_be_left_out(
    tracked: Any, export: Any, tmp_path: Path
) -> None:
    export(tracked, every_frame=False)
    first, second = json.loads((tmp_path / "out" / "ytvis.json").read_text())["videos"]
    assert (first["frame_numbers"], second["frame_numbers"]) == ([0, 1, 3, 4, 5], [])


def test_tracks_of_other_tools_are_told_apart_as_well_as_they_can_be(
    fo: Any, videos: Any, export: Any, tmp_path: Path
) -> None:
    """Without Instances: numbers that each class counts for itself, twice the same, and none."""

    def label(name: str, index: int | None, seed: int) -> Any:
        annotation = annotation_of(parts(seed)[0], name, track=index)
        return detections(fo, [annotation], SIZE).detections[0]

    frames = {
        1: [label("car", 1, 1), label("dog", 1, 2), label("dog", None, 3)],
        2: [label("car", 1, 4), label("car", 2, 5), label("car", 2, 6)],
        3: [label("dog", 1, 7), label("truck", 2, 8)],
    }
    fill(fo, videos, videos.first().id, frames)
    exported = export(videos, formats=["ytvis", "davis"])
    data = json.loads((tmp_path / "out" / "ytvis.json").read_text())
    names = {one["id"]: one["name"] for one in data["categories"]}
    found = {
        (names[one["category_id"]], one["track_id"]): [
            number for number, shape in enumerate(one["segmentations"], start=1) if shape
        ]
        for one in data["annotations"]
    }
    assert found == {
        ("car", 1): [1, 2],
        ("dog", 3): [1, 3],
        ("dog", None): [1],
        ("car", 2): [2],
        ("car", None): [2],
        # A tracker that changes its mind about the class has followed the same object.
        ("truck", 2): [3],
    }
    notes = " ".join(exported["notes"])
    assert "1 label without an index or an Instance" in notes
    assert "1 label of an object that is in the same frame already" in notes
    assert "davis, read again and compared (12 frames): mean IoU" in notes


def test_pixels_of_frames_are_read_for_formats_that_have_them(
    tracked: Any, export: Any, tmp_path: Path
) -> None:
    export(tracked, formats=["cutout"], classes=["c"])
    cut = sorted(path for path in (tmp_path / "out" / "cutouts").rglob("*.png"))
    assert [path.name for path in cut] == [f"{at:06}_0.png" for at in (0, 1, 3, 5)]


def test_a_video_that_is_gone_and_a_label_that_is_broken_stop_nothing(
    fo: Any, tracked: Any, export: Any, clips: list[Path]
) -> None:
    tracked.add_sample(fo.Sample(filepath=str(clips[0].with_name("gone.mp4"))))
    sample = tracked.first()
    sample.frames[4].tracks.detections[0].bounding_box = [0.1]
    sample.save()
    exported = export(tracked)
    assert set(exported["failures"]) == {"monday/gone.mp4", "monday/street.mp4/000003.png"}
    assert (exported["clips"], exported["annotations"]) == (2, 8)


def test_the_forms_offer_what_is_in_frames(form: Any, tracked: Any) -> None:
    fields = form("export_masks", tracked, {"label_fields": [FIELD]})
    assert [choice["value"] for choice in fields["label_fields"]["view"]["choices"]] == [FIELD]
    choices = [choice["value"] for choice in fields["formats"]["view"]["choices"]]
    assert choices == list(FORMATS_FOR_CLIPS)
    assert fields["formats"]["default"] == ["ytvis"]
    assert [choice["value"] for choice in fields["classes"]["view"]["choices"]] == ["a", "b", "c"]
    fields = form("import_masks", tracked)
    assert [choice["value"] for choice in fields["label_field"]["view"]["choices"]] == [FIELD]
    assert "image_folder" not in fields
