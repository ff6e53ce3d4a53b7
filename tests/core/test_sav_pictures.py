"""SA-V's sets for validation and test are read as they are published: folders of PNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.annotations import LabeledClip
from premask.datasets.clip_reading import read_clips, video_of
from premask.errors import InvalidMask
from premask.labels.clip_formats import CLIP_FORMATS
from premask.masks import Mask

SIZE_HW = (24, 32)
PERSON, HAND = np.zeros(SIZE_HW, bool), np.zeros(SIZE_HW, bool)
PERSON[4:20, 6:20] = True
HAND[10:14, 16:20] = True


def png(path: Path, pixels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The tree of the README beside the data: 24 frames a second, every fourth with masks."""
    root = tmp_path / "sav_val"
    for video in ("sav_000001", "sav_000262"):
        for frame in range(9):
            png(
                root / "JPEGImages_24fps" / video / f"{frame:05}.jpg",
                np.full((*SIZE_HW, 3), 9 * frame, np.uint8),
            )
        for frame in (0, 4, 8):
            masks = root / "Annotations_6fps" / video
            png(masks / "000" / f"{frame:05}.png", PERSON.astype(np.uint8) * 255)
            shown = HAND & (frame > 0)
            # Some are of one bit, some of eight: a pixel is the object's if it is not 0.
            png(masks / "001" / f"{frame:05}.png", shown if frame == 4 else shown.astype(np.uint8))
    (root / "sav_val.txt").write_text("sav_000001\nsav_000262\n")
    return root


def content(clip: LabeledClip) -> list[tuple[int | None, dict[int | None, Mask | None]]]:
    return [
        (labeled.frame, {found.track: found.mask for found in labeled.annotations})
        for labeled in clip.frames
    ]


@pytest.mark.parametrize("below", ["", "Annotations_6fps"])
def test_objects_may_overlap_and_come_later(published: Path, below: str) -> None:
    first, second = read_clips(published / below)
    person, hand = Mask.from_array(PERSON), Mask.from_array(HAND)
    expected = [(0, {0: person}), (4, {0: person, 1: hand}), (8, {0: person, 1: hand})]
    assert content(first) == content(second) == expected
    assert (first.name, first.fps, first.size_hw) == ("sav_000001", 24.0, SIZE_HW)
    assert [labeled.time for labeled in first.frames] == [0.0, 4 / 24, 8 / 24]


def test_masks_are_found_beside_their_frames(published: Path) -> None:
    clip, _ = read_clips(published)
    for place in (published / "JPEGImages_24fps", published):
        video = video_of(clip, [place, place / "JPEGImages_24fps"])
        seen = [frame.image.rgb[0, 0, 0] for frame in video.frames() if frame.index in (0, 4, 8)]
        assert seen == pytest.approx([0, 36, 72], abs=2)


def test_they_become_other_formats(published: Path, tmp_path: Path) -> None:
    CLIP_FORMATS["ytvis"].write(read_clips(published), tmp_path / "ytvis.json", None)
    again = read_clips(tmp_path / "ytvis.json")
    assert [content(clip) for clip in again] == [content(clip) for clip in read_clips(published)]


def test_davis_is_not_taken_for_it(tmp_path: Path) -> None:
    """Its clips may be called by numbers, too."""
    png(tmp_path / "Annotations" / "480p" / "001" / "00000.png", HAND.astype(np.uint8) * 7)
    for path in (tmp_path, tmp_path / "Annotations", tmp_path / "Annotations" / "480p"):
        (clip,) = read_clips(path)
        assert content(clip) == [(0, {7: Mask.from_array(HAND)})]


@pytest.mark.parametrize(
    ("name", "pixels", "reason"),
    [
        ("00004.png", np.zeros((8, 8), np.uint8), r"001/00004\.png' can't be read: it has 8 x 8"),
        ("00004.png", np.zeros((*SIZE_HW, 3), np.uint8), r"001/00004\.png' .* colors"),
        ("last.png", np.zeros(SIZE_HW, np.uint8), "not named after the number of its frame"),
    ],
)
def test_what_can_not_be_is_told_by_its_file(
    published: Path, name: str, pixels: NDArray[np.generic], reason: str
) -> None:
    png(published / "Annotations_6fps" / "sav_000001" / "001" / name, pixels)
    with pytest.raises(InvalidMask, match=reason):
        _ = [content(clip) for clip in read_clips(published)]
