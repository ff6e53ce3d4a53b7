"""Clips in files that others wrote or read: other readers, foreign habits, broken files."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelformat.formats import (
    YouTubeVISInstanceSegmentationTrackInput,
    YouTubeVISInstanceSegmentationTrackOutput,
)
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from premask import read_clips
from premask.annotations import Annotation, Labeled, LabeledClip
from premask.cli import main
from premask.errors import PremaskError, UnwritableOutput
from premask.images import Image
from premask.labels.clip_formats import CLIP_FORMATS
from premask.labels.clip_frames import Frames
from premask.labels.coco_clips import read_coco_clips
from premask.labels.davis import read_davis, write_davis
from premask.labels.mots import read_mots, write_mots
from premask.labels.png import png_from_gray
from premask.labels.ytvis import read_ytvis, write_ytvis
from premask.masks import Mask
from tests.golden.clips import GOLDEN_CLIPS, SIZE_HW, found, golden_clips, labeled

SEEN_BY_TRACKEVAL = json.loads((GOLDEN_CLIPS.parent / "trackeval" / "read.json").read_text())
RING = {"size": [5, 7], "counts": [0, 3, 2, 3, 27]}


def areas(clip: LabeledClip) -> list[dict[int, int]]:
    """The area of each object of each frame, by its track."""
    return [
        {one.track or 0: one.mask.area for one in frame.annotations if one.mask is not None}
        for frame in clip.frames
    ]


def clip_of(*frames: Labeled, name: str = "a.mp4") -> LabeledClip:
    return LabeledClip(name=name, size_hw=SIZE_HW, frames=frames)


def test_trackeval_read_the_same_objects_in_the_golden_files() -> None:
    street = areas(next(iter(read_ytvis(GOLDEN_CLIPS / "ytvis.json"))))
    wanted = [{str(track): area for track, area in frame.items()} for frame in street]
    assert SEEN_BY_TRACKEVAL["youtube_vis"]["frames"] == wanted
    assert SEEN_BY_TRACKEVAL["davis"]["frames"] == wanted
    assert all(seen["hota"] == 1.0 for seen in SEEN_BY_TRACKEVAL.values())
    # MOTS numbers frames as the clip does, and has the class in front of the track.
    by_frame = SEEN_BY_TRACKEVAL["mots"]["frames"]
    seen = [{str(int(own) % 1000): area for own, area in frame.items()} for frame in by_frame]
    assert seen == [wanted[0], {}, wanted[1], {}, wanted[2]]


def test_labelformat_reads_what_is_written_and_writes_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ytvis.json"
    write_ytvis(golden_clips(), path, compressed=False)
    theirs = YouTubeVISInstanceSegmentationTrackInput(input_file=path)
    assert [video.number_of_frames for video in theirs.get_videos()] == [3, 2]
    street = next(iter(theirs.get_labels()))
    masks = [
        [
            None if shape is None else int(shape.get_binary_mask().sum())
            for shape in found.segmentations
        ]
        for found in street.objects
    ]
    assert masks == [[4, None, 10], [6, 6, 6]]
    YouTubeVISInstanceSegmentationTrackOutput(output_file=tmp_path / "theirs.json").save(theirs)
    read = read_ytvis(tmp_path / "theirs.json")
    assert areas(read[0]) == areas(golden_clips()[0])[:3]
    assert [clip.name for clip in read] == ["street.mp4", "empty"]


def test_pycocotools_agrees_with_areas_and_boxes() -> None:
    data = json.loads((GOLDEN_CLIPS / "ytvis.json").read_text())
    for track in data["annotations"]:
        lists = (track["segmentations"], track["areas"], track["bboxes"], track["scores"])
        for shape, area, box, score in zip(*lists, strict=True):
            assert (shape is None) == (area is None) == (box is None) == (score is None)
            if shape is not None:
                assert coco_mask.area(shape) == area
                assert coco_mask.toBbox(shape).tolist() == box
    with redirect_stdout(StringIO()):
        coco = COCO(GOLDEN_CLIPS / "coco.json")
    frame = coco.loadAnns(coco.getAnnIds(imgIds=[3]))
    assert [(one["track_id"], int(coco.annToMask(one).sum())) for one in frame] == [(1, 10), (2, 6)]


def ytvis(annotation: dict[str, Any], **video: Any) -> dict[str, Any]:
    return {
        "videos": [{"id": 7, "width": 7, "height": 5, "length": 2, **video}],
        "annotations": [{"video_id": 7, "category_id": 3, **annotation}],
        "categories": [{"id": 3, "name": "cat"}],
    }


FOREIGN = {
    "polygons": ytvis({"id": 9, "segmentations": [None, [[1, 1, 4, 1, 4, 3, 1, 3]]]}),
    "lists of runs": ytvis(
        {"id": 9, "segmentations": [[], {"size": [5, 7], "counts": [6, 2, 3, 2, 22]}]}
    ),
    "boxes of zeros": ytvis(
        {"id": 9, "segmentations": [None, RING], "bboxes": [[0, 0, 0, 0], [0, 0, 2, 3]]}
    ),
    "ids as texts": ytvis({"id": "track-9", "segmentations": [None, RING]}, video_name="sav_1"),
    "a phrase for a category": {
        **ytvis({"id": 9, "noun_phrase": "cat", "segmentations": [None, RING]}),
        "categories": [],
    },
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_ytvis_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps(FOREIGN[kind]))
    (clip,) = read_ytvis(path)
    first, second = clip.frames
    (cat,) = second.annotations
    assert first.annotations == ()
    assert (cat.label, cat.score, second.frame) == ("cat", None, 1)
    assert cat.mask is not None
    assert cat.mask.area in (4, 6)
    assert cat.box_xyxy == cat.mask.box_xyxy
    assert cat.track == (1 if kind == "ids as texts" else 9)


def test_a_list_of_results_is_read_without_its_videos(tmp_path: Path) -> None:
    results = [
        {"video_id": 2, "category_id": 1, "segmentations": [None, RING], "score": 0.5},
        {"video_id": 2, "category_id": 4, "segmentations": [RING, None], "score": 0.25},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    (clip,) = read_ytvis(path)
    assert (clip.name, clip.size_hw) == ("2", (5, 7))
    found = [
        [(one.label, one.track, one.score) for one in frame.annotations] for frame in clip.frames
    ]
    assert found == [[("4", 2, 0.25)], [("1", 1, 0.5)]]


def test_a_test_set_without_annotations_is_clips_in_which_nothing_is(tmp_path: Path) -> None:
    data = ytvis({}) | {"annotations": None}
    data["videos"][0]["file_names"] = ["0043f083b5/00000.jpg", "0043f083b5/00005.jpg"]
    path = tmp_path / "valid.json"
    path.write_text(json.dumps(data))
    (clip,) = read_ytvis(path)
    assert clip.name == "0043f083b5"
    assert [(one.image.name, one.annotations) for one in clip.frames] == [
        ("0043f083b5/00000.jpg", ()),
        ("0043f083b5/00005.jpg", ()),
    ]


AWAY = {"segmentations": [None, None]}

BROKEN_YTVIS = {
    "no json": b"{",
    "a text": b'"clip"',
    "null": b"null",
    "deep": b"[" * 100_000,
    "no videos": b"{}",
    "numbers": b'{"videos": [1]}',
    "a text for a list": json.dumps(ytvis({"segmentations": "none"})).encode(),
    "too few frames": json.dumps(ytvis({"segmentations": [None]})).encode(),
    "too few boxes": json.dumps(ytvis({"segmentations": [None, None], "bboxes": [None]})).encode(),
    "another video": json.dumps(ytvis({"segmentations": [], "video_id": 8})).encode(),
    "another category": json.dumps(ytvis({"segmentations": [None] * 2, "category_id": 8})).encode(),
    "a negative size": json.dumps(ytvis({"segmentations": [None] * 2}, height=-5)).encode(),
    "no size": json.dumps(ytvis({"segmentations": [None] * 2}, height=None)).encode(),
    "names of another number": json.dumps(
        ytvis({"segmentations": [None] * 2}, file_names=["a"])
    ).encode(),
    "endless": json.dumps(
        {"videos": [{"id": 1, "width": 7, "height": 5, "length": 10**15}]}
    ).encode(),
    "length as text": json.dumps(
        {"videos": [{"id": 1, "width": 7, "height": 5, "length": "9"}]}
    ).encode(),
    "another size": json.dumps(ytvis({"segmentations": [RING, None]}, width=8)).encode(),
    "no runs": json.dumps(ytvis({"segmentations": [{"size": [5, 7]}, None]})).encode(),
    "a shape that is a number": json.dumps(ytvis({"segmentations": [5, None]})).encode(),
    "a score that is a text": json.dumps(
        ytvis({"segmentations": [RING, None], "score": "high"})
    ).encode(),
    "a box of texts": json.dumps(
        ytvis({"segmentations": [None] * 2, "bboxes": ["abcd", None]})
    ).encode(),
    "a short box": json.dumps(
        ytvis({"segmentations": [None] * 2, "bboxes": [[1, 2], None]})
    ).encode(),
    "sources of numbers": json.dumps(
        ytvis({"segmentations": [RING, None], "sources": [1, 2]})
    ).encode(),
    "keyframes of lists": json.dumps(
        ytvis({"segmentations": [RING, None], "keyframes": [[]]})
    ).encode(),
    "frames of texts": json.dumps(
        ytvis({"segmentations": [None] * 2}, frame_numbers=["a", 1])
    ).encode(),
    "frames without end": json.dumps(
        ytvis({"segmentations": [None] * 2}, frame_numbers=[0, float("inf")])
    ).encode(),
    "frames beyond all": json.dumps(
        ytvis({"segmentations": [None] * 2}, frame_numbers=[0, 2**70])
    ).encode(),
    "times that are none": json.dumps(
        ytvis({"segmentations": [None] * 2}, times=[0, float("nan")])
    ).encode(),
    "results of numbers": b"[1, 2]",
    "results without a shape": b'[{"video_id": 1}]',
}


@pytest.mark.parametrize("kind", BROKEN_YTVIS)
def test_broken_ytvis_is_an_error_that_says_where(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(BROKEN_YTVIS[kind])
    with pytest.raises(PremaskError) as raised:
        [list(clip.frames) for clip in read_ytvis(path)]
    assert "broken.json" in str(raised.value) or "Annotation" in str(raised.value)
    with pytest.raises(PremaskError):
        read_coco_clips(path)


def test_a_track_that_is_twice_in_a_frame_is_refused(tmp_path: Path) -> None:
    twice = clip_of(labeled("a.mp4", 3, None, *[found("cat", (0, 0, 2, 2), track=1)] * 2))
    with pytest.raises(PremaskError, match=r"The track 1 \('cat'\) is twice in frame 3 of 'a.mp4'"):
        write_ytvis([twice], tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def noisy_clip(count: int) -> LabeledClip:
    """So many frames with four masks that take much room; they are made as somebody asks."""
    random = np.random.default_rng(1)
    masks = [Mask.from_array(random.random((200, 200)) < 0.5) for _ in range(4)]

    def frames() -> Iterator[Labeled]:
        for frame in range(count):
            annotations = tuple(
                Annotation(label="noise", box_xyxy=mask.box_xyxy, mask=mask, track=track)
                for track, mask in enumerate(masks, start=1)
            )
            image = Image(name=f"a.mp4/{frame:06}.png", size_hw=(200, 200))
            yield Labeled(image=image, annotations=annotations, frame=frame, time=frame / 25)

    return LabeledClip(name="a.mp4", size_hw=(200, 200), frames=Frames(frames))


def most_memory(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return highest


def test_clips_are_written_without_their_masks_in_memory(tmp_path: Path) -> None:
    """Three times as many frames take hardly more memory, though ytvis goes track by track."""

    def peak(count: int) -> tuple[int, int]:
        path = tmp_path / f"{count}.json"
        return most_memory(lambda: write_ytvis([noisy_clip(count)], path)), path.stat().st_size

    few, few_bytes = peak(20)
    many, many_bytes = peak(80)
    assert many_bytes - few_bytes > 3_000_000
    assert many - few < 0.03 * (many_bytes - few_bytes)


@pytest.mark.parametrize("name", ["ytvis", "sav", "coco"])
def test_clips_are_read_without_their_masks_in_memory(name: str, tmp_path: Path) -> None:
    """A whole file of an hour would not fit into it."""

    def peak(count: int) -> int:
        (path,) = CLIP_FORMATS[name].write([noisy_clip(count)], tmp_path / str(count), None)
        return most_memory(lambda: [sum(1 for _ in clip.frames) for clip in read_clips(path)])

    assert peak(25) - peak(10) < 200_000, "15 frames have more than 1 MB in the file"


@pytest.mark.parametrize("name", ["ytvis", "sav", "coco"])
def test_clips_of_a_file_that_was_written_anew_are_not_mixed_up(name: str, tmp_path: Path) -> None:
    """Masks stay in the file until somebody wants them, and then may be others, elsewhere."""

    def written(count: int) -> Path:
        (path,) = CLIP_FORMATS[name].write([noisy_clip(count)], tmp_path / name, None)
        return path

    before = list(read_clips(written(2)))
    written(3)
    with pytest.raises(PremaskError, match="has changed since it was read"):
        list(before[0].frames)
    assert sum(1 for _ in next(iter(read_clips(tmp_path / name))).frames) == 3


def test_davis_is_read_without_names_as_others_lay_it_out(tmp_path: Path) -> None:
    folder = tmp_path / "Annotations" / "480p" / "bear"
    folder.mkdir(parents=True)
    pixels = np.zeros(SIZE_HW, np.uint8)
    pixels[1:3, 2:4] = 38
    for name in ("00000", "00005"):
        PIL.Image.fromarray(pixels).save(folder / f"{name}.png")
    (clip,) = read_davis(tmp_path)
    assert (clip.name, clip.size_hw) == ("bear", SIZE_HW)
    assert [one.frame for one in clip.frames] == [0, 5]
    assert areas(clip) == [{38: 4}, {38: 4}]
    (same,) = read_davis(tmp_path / "Annotations" / "480p")
    assert areas(same) == areas(clip)


def test_many_objects_are_numbered_beyond_the_void(tmp_path: Path) -> None:
    alone = [labeled("a.mp4", frame, None, found("cat", (0, 0, 2, 2))) for frame in range(255)]
    write_davis([clip_of(*alone)], tmp_path)
    picture = PIL.Image.open(tmp_path / "Annotations" / "a" / "000254.png")
    assert np.asarray(picture).dtype == np.uint16
    (clip,) = read_davis(tmp_path)
    assert [next(iter(frame)) for frame in areas(clip)] == list(range(1, 256))
    with pytest.raises(UnwritableOutput, match=r"'a.mp4' has 1,020 objects.*up to 999"):
        write_mots([clip_of(*alone * 4)], tmp_path / "mots")


PIXEL = png_from_gray(np.ones((1, 1), np.uint8))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no folders of PNGs"),
        ({"a/0.png": b"no png"}, "no PNG that can be read"),
        ({"meta.json": b"[]", "a/0.png": b""}, "meta.json"),
        ({"meta.json": b'{"videos": {"a": {"objects": {"x": {}}}}}'}, "meta.json"),
        ({"meta.json": b'{"videos": {"a": {"fps": "many"}}}'}, "meta.json"),
        ({"a/99999999999999999999.png": PIXEL}, "no number of a frame"),
    ],
)
def test_broken_davis_is_an_error(files: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(PremaskError, match=reason):
        [list(clip.frames) for clip in read_davis(tmp_path)]


def test_mots_is_read_without_names(tmp_path: Path) -> None:
    """Lines in any order; frames in which nothing is are there up to the last one."""
    counts = Mask.from_rle(RING).rle["counts"]
    lines = [f"2 2003 2 5 7 {counts}", f"0 1001 1 5 7 {counts}", f"2 10000 10 5 7 {counts}", ""]
    (tmp_path / "0002.txt").write_text("\n".join(lines))
    (clip,) = read_mots(tmp_path)
    assert (clip.name, clip.size_hw) == ("0002", SIZE_HW)
    found = [
        [(one.label, one.track, one.crowd) for one in frame.annotations] for frame in clip.frames
    ]
    assert found == [[("1", 1, False)], [], [("2", 3, False), ("", None, True)]]


def test_crowds_are_regions_that_mots_ignores(tmp_path: Path) -> None:
    crowds = [found("people", box, crowd=True) for box in ((0, 0, 2, 2), (3, 3, 5, 5))]
    write_mots([clip_of(labeled("a.mp4", 0, None, *crowds))], tmp_path, ["people"])
    (line,) = (tmp_path / "a.txt").read_text().splitlines()
    assert line.startswith("0 10000 10 5 7 ")
    (clip,) = read_mots(tmp_path)
    assert areas(clip) == [{0: 8}]


@given(seed=st.integers(0, 2**32))
def test_mots_has_the_objects_on_top_that_davis_has(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where objects hide each other whole, and where two are equally large."""
    random = np.random.default_rng(seed)
    annotations = []
    for track in range(1, 6):
        pixels = random.random(SIZE_HW) < random.choice([0.05, 0.5, 1.0])
        mask = Mask.from_array(pixels)
        annotations.append(
            Annotation(label="noise", box_xyxy=mask.box_xyxy, mask=mask, track=track)
        )
    clip = clip_of(labeled("a.mp4", 0, None, *annotations))
    folder = tmp_path_factory.mktemp("clips")
    write_mots([clip], folder / "mots")
    write_davis([clip], folder / "davis")
    read = [
        {found.track: found.mask for frame in one.frames for found in frame.annotations}
        for one in (*read_mots(folder / "mots"), *read_davis(folder / "davis"))
    ]
    assert read[0] == read[1]


def test_the_tenth_class_is_not_the_ignored_one(tmp_path: Path) -> None:
    labels = [f"class {number}" for number in range(1, 12)]
    frames = [
        labeled("a.mp4", frame, None, found(label, (0, 0, 2, 2), track=1 + frame))
        for frame, label in enumerate(labels)
    ]
    write_mots([clip_of(*frames)], tmp_path)
    (clip,) = read_mots(tmp_path)
    assert [one.label for frame in clip.frames for one in frame.annotations] == labels
    classes = [line.split()[2] for line in (tmp_path / "a.txt").read_text().splitlines()]
    assert classes == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "11", "12"]


@pytest.mark.parametrize(
    "line",
    [
        "x 1 1 5 7 00",
        "-1 1001 1 5 7 00",
        "1000000000000 1001 1 5 7 00",
        "0 1001 1 5",
        "0 a b 5 7 00",
        "0 1001 1 5 7 zz",
        "0 1001 1 0 7 0",
        "0 1001 1 99999999 99999999 0",
        "\x00\xff",
    ],
)
def test_broken_mots_is_an_error_that_shows_the_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(PremaskError, match=r"a\.txt"):
        [list(clip.frames) for clip in read_mots(tmp_path)]


@pytest.mark.parametrize(
    "legend",
    [
        "[]",
        '{"classes": {"one": "cat"}, "clips": {}}',
        '{"classes": {}, "clips": {"a": {"name": "a", "fps": 1, "width": 7}}}',
        *(
            '{"classes": {}, "clips": {"a": {"name": "a", "fps": 1, "width": 7, "height": 5, '
            f'"frames": {frames}}}}}}}'
            for frames in ("5", "[5]", '[["x", 0]]', "[[0, NaN]]")
        ),
    ],
)
def test_a_broken_legend_of_mots_is_an_error(legend: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "clips.json").write_text(legend)
    with pytest.raises(PremaskError, match=r"clips\.json"):
        list(read_mots(tmp_path))


def test_names_in_a_legend_of_davis_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "00000.png").write_bytes(PIXEL)
    (tmp_path / "davis").mkdir()
    (tmp_path / "davis" / "meta.json").write_text('{"videos": {"../elsewhere": {}}}')
    (clip,) = read_davis(tmp_path / "davis")
    assert list(clip.frames) == []


def test_mots_of_another_clip_is_refused(tmp_path: Path) -> None:
    write_mots(golden_clips(), tmp_path)
    shorter = replace(golden_clips()[0], frames=tuple(golden_clips()[0].frames)[:1])
    with pytest.raises(PremaskError, match=r"frame 2, which 'day 1/street\.mp4' does not have"):
        list(read_mots(tmp_path, [shorter]))


SAV = {
    "video_id": "sav_000001",
    "video_height": 5.0,
    "video_width": 7.0,
    "video_frame_count": 9.0,
    "masklet": [[RING, {"size": [5, 7], "counts": [35]}], [RING, RING], [None, RING]],
    "masklet_id": [0, 1],
    "masklet_type": ["manual", "manual"],
}


def test_a_file_of_sav_itself_is_read(tmp_path: Path) -> None:
    """Its masks are of every fourth frame; where an object is away they have no pixels."""
    path = tmp_path / "sav_000001_manual.json"
    path.write_text(json.dumps(SAV))
    (clip,) = read_clips(tmp_path)
    assert (clip.name, clip.size_hw, clip.fps) == ("sav_000001.mp4", (5, 7), 24.0)
    assert [(one.frame, one.time) for one in clip.frames] == [(0, 0.0), (4, 4 / 24), (8, 8 / 24)]
    assert areas(clip) == [{0: 6}, {0: 6, 1: 6}, {1: 6}]
    (same,) = read_clips(path)
    assert areas(same) == areas(clip)


@pytest.mark.parametrize(
    "change",
    [
        {"masklet": None, "masklet_id": 5},
        {"masklet": [[RING]]},
        {"masklet": [5]},
        {"masklet_id": ["one", "two"]},
        {"masklet_label": ["cat"]},
        {"frame_numbers": [1]},
        {"video_height": -1.0},
        {"video_height": "tall"},
        {"video_width": 8},
    ],
)
def test_broken_sav_is_an_error(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a_manual.json"
    path.write_text(json.dumps(SAV | change))
    with pytest.raises(PremaskError):
        [list(clip.frames) for clip in read_clips(path)]


@pytest.mark.parametrize("name", ["ytvis", "davis", "mots", "sav", "coco", "coco-polygons"])
def test_clips_are_converted_in_the_terminal(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = GOLDEN_CLIPS / "ytvis.json"
    assert main(["convert", str(source), "--to", name, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip()
    if name in CLIP_FORMATS:
        (street, _) = read_clips(tmp_path)
        assert areas(street) == areas(golden_clips()[0])[:3]
    else:
        assert (tmp_path / "coco_polygons.json").is_file()


def test_a_folder_of_davis_is_converted_and_flags_for_images_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", str(GOLDEN_CLIPS / "davis"), "--to", "coco", "--out", str(tmp_path)]
    assert main(words) == 0
    assert [clip.name for clip in read_clips(tmp_path / "coco.json")] == [
        "day 1/street.mp4",
        "empty",
    ]
    assert main([*words, "--split", "80,20"]) == 2
    assert "as a whole, without --split" in capsys.readouterr().err
