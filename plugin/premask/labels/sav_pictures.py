"""Clips <- SA-V's sets for validation and test: a PNG for each object in every fourth frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask
from premask.images import Image
from premask.labels.clip_frames import ClipStems, Frames, frame_number
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import reading
from premask.labels.png import mask_from_png
from premask.masks import Mask, Size

PICTURES_NAME = "Annotations_6fps"
FPS = 24.0
"""Of the videos, whose frames the PNGs are named after; six of them in a second have masks."""

_OF_DAVIS = ("Annotations", "480p", "Full-Resolution")
_EXPECTED = "a PNG of one object, not black where it is, and as large as the clip's other ones"

Files = Mapping[int, Sequence[tuple[int, Path]]]
"""The tracks in each frame, with their PNGs."""


def read_sav_pictures(folder: Path, clips: Iterable[LabeledClip] = ()) -> Iterator[LabeledClip]:
    """Each video's folder as a clip, in the order of `clips` if there are any; without labels.

    Frames are called as those in JPEGImages_24fps. An object is where its PNG is not black.
    """
    below = folder / PICTURES_NAME
    folder = below if below.is_dir() else folder
    stems = ClipStems()
    named = [stems.of(clip.name) for clip in clips]
    for name in named or sorted(path.name for path in folder.iterdir() if path.is_dir()):
        files = _files(folder / name)
        if files:
            yield _clip(name, files)


def are_sav_pictures(glimpse: Glimpse) -> bool:
    """Whether a folder has PNGs at VIDEO/OBJECT/FRAME.png, where objects have three digits."""
    if glimpse.has(PICTURES_NAME):
        return True
    first = glimpse.first(".png")
    parts = () if first is None else first.relative_to(glimpse.path).parts
    if len(parts) != 3 or parts[0] in _OF_DAVIS:
        return False
    _, track, frame = parts
    return len(track) == 3 and track.isdecimal() and Path(frame).stem.isdecimal()


def _files(video: Path) -> Files:
    files = defaultdict[int, list[tuple[int, Path]]](list)
    for track in sorted(video.glob("*")):
        for path in sorted(track.glob("*.png")) if track.name.isdecimal() else ():
            if not path.stem.isdecimal():
                raise InvalidMask(f"'{path}' is not named after the number of its frame.")
            files[frame_number(int(path.stem))].append((int(track.name), path))
    return dict(sorted(files.items()))


def _clip(name: str, files: Files) -> LabeledClip:
    size_hw = _mask(next(iter(files.values()))[0][1], None).size_hw

    def frames() -> Iterator[Labeled]:
        for number, of_frame in files.items():
            masks = {track: _mask(path, size_hw) for track, path in of_frame}
            yield Labeled(
                image=Image(name=f"{name}/{of_frame[0][1].stem}.jpg", size_hw=size_hw),
                annotations=tuple(
                    Annotation(label="", box_xyxy=mask.box_xyxy, mask=mask, track=track)
                    for track, mask in masks.items()
                    if mask.area
                ),
                frame=number,
                time=number / FPS,
            )

    return LabeledClip(name=name, size_hw=size_hw, frames=Frames(frames), fps=FPS)


def _mask(path: Path, size_hw: Size | None) -> Mask:
    with reading(path, _EXPECTED):
        mask = mask_from_png(path.read_bytes())
        if size_hw not in (None, mask.size_hw):
            raise InvalidMask(f"it has {mask.size_hw[1]} x {mask.size_hw[0]} pixels")
        return mask
