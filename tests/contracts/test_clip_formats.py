"""Every format for clips writes awkward ones, whole or not at all; and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import UnknownFormat
from premask.images import Image
from premask.labels.clip_formats import CLIP_FORMATS, ClipFormat
from premask.labels.formats import FORMATS_FOR_CLIPS, clip_formats_of
from premask.masks import Mask
from premask.runs.clips.clip_delivery import ShownClip, deliver_clips
from premask.runs.delivery import Delivery
from premask.video.frames import open_video
from tests.clips import write_clip
from tests.contracts.test_formats import LOSSY, assert_same
from tests.golden.clips import GOLDEN_CLIPS, SIZE_HW, found, golden_clips, labeled
from tests.golden.dataset import files_below

ALL_KEPT = ("ytvis", "ytvis-uncompressed", "coco", "coco-mattes")
"""Formats that keep all that annotations without mattes have; a new one should be among them."""

MASKS_KEPT = ("davis", "mots", "sav")
"""Formats that keep masks, tracks and labels."""

DISJOINT = ("davis", "mots")
"""Those of them in which a pixel belongs to one object."""


EXAMPLES = 40


def whole(clips: Iterable[LabeledClip]) -> list[tuple[object, ...]]:
    """Clips as values that can be compared, with the frames that did not fail."""
    return [
        (
            clip.name,
            clip.size_hw,
            clip.fps,
            [
                (one.image.name, one.image.size_hw, one.frame, one.time, by_track(one.annotations))
                for one in clip.frames
                if one.error is None
            ],
        )
        for clip in clips
    ]


def by_track(annotations: Iterable[Annotation]) -> list[Annotation]:
    """In an order of their own: some formats order by track, and others by the pixels."""
    return sorted(annotations, key=lambda one: (one.track or 0, one.label, str(one.mask)))


def masks_only(clips: Iterable[LabeledClip]) -> list[list[list[tuple[object, ...]]]]:
    """Label, track and mask of each object in each frame."""
    return [
        [
            [(one.label, one.track, one.mask) for one in by_track(frame.annotations)]
            for frame in clip.frames
            if frame.error is None
        ]
        for clip in clips
    ]


@pytest.mark.parametrize("name", CLIP_FORMATS)
def test_the_files_are_those_in_golden(name: str, tmp_path: Path) -> None:
    """To make or to change them on purpose: `python -m tests.golden.clips [FORMAT ...]`."""
    form = CLIP_FORMATS[name]
    form.write(iter(golden_clips()), tmp_path / form.file_name)
    files = list(files_below(tmp_path))
    golden = [file for file in files_below(GOLDEN_CLIPS) if file.parts[0] == form.file_name]
    assert files == golden != []
    for file in files:
        assert_same(tmp_path / file, GOLDEN_CLIPS / file)


@pytest.mark.parametrize("name", CLIP_FORMATS)
def test_the_golden_files_are_read(name: str) -> None:
    form = CLIP_FORMATS[name]
    read = list(form.read(GOLDEN_CLIPS / form.file_name, golden_clips()))
    assert masks_only(read) == masks_only(golden_clips())
    if name in ALL_KEPT:
        assert whole(read) == whole(golden_clips())
    unaided = list(form.read(GOLDEN_CLIPS / form.file_name))
    assert masks_only(unaided) == masks_only(golden_clips())
    assert [clip.name for clip in unaided] == ["day 1/street.mp4", "empty"]
    assert [one.frame for one in unaided[0].frames] == [0, 2, 4]
    assert [clip.fps for clip in unaided] == [25.0, 0.0]


@pytest.mark.parametrize("name", ["ytvis", "coco"])
def test_what_was_looked_for_in_vain_is_kept(name: str) -> None:
    form = CLIP_FORMATS[name]
    read = list(form.read(GOLDEN_CLIPS / form.file_name))
    assert [clip.phrases for clip in read] == [("cat", "a red car"), ()]


@st.composite
def clips(draw: st.DrawFn, *, disjoint: bool) -> list[LabeledClip]:
    """Clips of noise: objects of any number in any frame, some without a track or a score."""
    labels = st.sampled_from(("cat", "dog", "Käse"))
    tracks = draw(st.lists(st.integers(1 if disjoint else -3, 200), unique=True, max_size=4))
    names = draw(st.lists(st.sampled_from(("a.mp4", "b/a.mp4", "c d")), unique=True, min_size=1))
    kinds = {track: draw(labels) for track in tracks}
    random = np.random.default_rng(draw(st.integers(0, 2**32)))

    def frames(name: str) -> Iterator[Labeled]:
        for frame in sorted(draw(st.sets(st.integers(0, 40), max_size=5))):
            there = draw(st.lists(st.sampled_from(tracks), unique=True)) if tracks else []
            owners = random.integers(0, len(tracks) + 1, SIZE_HW)
            annotations = []
            for place, track in enumerate(there, start=1):
                pixels = owners == place if disjoint else random.random(SIZE_HW) < 0.5
                if pixels.any():
                    annotations.append(noisy(Mask.from_array(pixels), kinds[track], track))
            if not disjoint and draw(st.booleans()):
                box = (0.5, 1.0, 6.25, 4.0)
                annotations.append(Annotation(label="box", box_xyxy=box, track=None))
            yield labeled(name, frame, draw(st.none() | st.floats(0, 9)), *annotations)

    def noisy(mask: Mask, label: str, track: int) -> Annotation:
        own = Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, track=track)
        if disjoint:
            return own
        score, source = draw(st.none() | st.floats(0, 1)), draw(st.sampled_from(((), ("x", "y"))))
        return replace(own, score=score, source=source, keyframe=draw(st.booleans()))

    return [
        LabeledClip(
            name=name, size_hw=SIZE_HW, frames=tuple(frames(name)), fps=draw(st.floats(0, 99))
        )
        for name in names
    ]


@pytest.mark.parametrize("name", ALL_KEPT)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_everything_comes_back(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    written, form = data.draw(clips(disjoint=False)), CLIP_FORMATS[name]
    path = tmp_path_factory.mktemp("clips") / form.file_name
    form.write(iter(written), path)
    assert whole(form.read(path)) == whole(written)


@pytest.mark.parametrize("name", MASKS_KEPT)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_every_pixel_of_objects_that_do_not_overlap_comes_back(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    written, form = data.draw(clips(disjoint=True)), CLIP_FORMATS[name]
    path = tmp_path_factory.mktemp("clips") / form.file_name
    form.write(iter(written), path)
    assert masks_only(form.read(path, written)) == masks_only(written)


@pytest.mark.parametrize("name", DISJOINT)
def test_the_smaller_of_two_objects_is_on_top(name: str, tmp_path: Path) -> None:
    large, small = found("bed", (0, 0, 4, 2), track=1), found("cat", (0, 0, 1, 2), track=2)
    frame = labeled("a", 0, None, small, large)
    form = CLIP_FORMATS[name]
    form.write([LabeledClip(name="a", size_hw=SIZE_HW, frames=(frame,))], tmp_path)
    (read,) = form.read(tmp_path)
    masks = {one.label: one.mask for frame in read.frames for one in frame.annotations}
    assert small.mask is not None
    assert large.mask is not None
    assert masks == {"cat": small.mask, "bed": large.mask.difference(small.mask)}


@pytest.mark.parametrize("name", CLIP_FORMATS)
def test_a_clip_that_fails_midway_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    form = CLIP_FORMATS[name]
    form.write(golden_clips(), tmp_path / form.file_name)
    before = {file: (tmp_path / file).read_bytes() for file in files_below(tmp_path)}

    def failing() -> Iterator[LabeledClip]:
        yield golden_clips()[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        form.write(failing(), tmp_path / form.file_name)
    assert {file: (tmp_path / file).read_bytes() for file in files_below(tmp_path)} == before


@pytest.mark.parametrize("name", FORMATS_FOR_CLIPS)
def test_all_formats_take_clips(name: str, tmp_path: Path) -> None:
    """Those of images have an image for each frame, which their own readers find by its name."""
    colors = [np.full((16, 16, 3), 60 * number, np.uint8) for number in range(3)]
    video = open_video(write_clip(tmp_path / "a.mp4", colors, codec="libx264"))
    mask = Mask.from_array(np.tri(16, dtype=np.bool_))
    one = Annotation(label="person", box_xyxy=mask.box_xyxy, mask=mask, track=1)
    images = [Image(name=video.frame_name(number), size_hw=(16, 16)) for number in range(3)]
    frames = tuple(
        Labeled(image=image, frame=number, annotations=(one,) if number != 1 else ())
        for number, image in enumerate(images)
    )
    clip = LabeledClip(name="a.mp4", size_hw=(16, 16), frames=frames)
    shown = [ShownClip(labeled=clip, video=video)]
    out, (form,) = tmp_path / "out", clip_formats_of([name])
    written = deliver_clips(lambda: shown, out, [form], ["person"])
    assert all(path.exists() for path in written)
    if isinstance(form, ClipFormat):
        assert masks_only(form.read(written[0])) == masks_only([clip])
    elif form.read is not None and name not in LOSSY:
        read = {labeled.image.name: labeled for labeled in form.read(written[0], images)}
        assert [found.mask for found in read["a.mp4/000002.png"].annotations] == [mask]


def test_only_the_chosen_classes_are_written(tmp_path: Path) -> None:
    delivery = Delivery(
        folder=tmp_path, formats=clip_formats_of(["ytvis", "yolo"]), classes=("cat",)
    )
    path, yolo = delivery.write_clip_files(golden_clips, ["cat"])[:2]
    street, _ = CLIP_FORMATS["ytvis"].read(path)
    assert {one.label for frame in street.frames for one in frame.annotations} == {"cat"}
    assert len(list(street.frames)) == 3
    assert yolo.exists()


def test_formats_for_clips_take_the_place_of_those_for_images() -> None:
    forms = clip_formats_of(["coco", "png", "ytvis", "yolo"])
    assert [form.name for form in forms][:2] == ["coco", "png-classes"]
    assert forms[0] is CLIP_FORMATS["coco"]
    with pytest.raises(UnknownFormat, match="Did you mean 'ytvis'"):
        clip_formats_of(["yt-vis"])
