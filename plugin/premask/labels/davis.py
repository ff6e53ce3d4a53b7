"""Clips <-> DAVIS: an indexed PNG a frame with the number of each pixel's object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask
from premask.files import write_atomically
from premask.images import Image
from premask.labels.clip_frames import (
    ClipStems,
    Frames,
    ObjectNumbers,
    frame_number,
    frame_stem,
    looked_at,
    places_of_frames,
)
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import number_in, read_json, reading
from premask.labels.png import pixels_from_png, png_from_numbers
from premask.labels.sav_pictures import are_sav_pictures
from premask.shaping.maps import HIGHEST_NUMBER, masks_from_number_map, number_map

PICTURES_NAME = "Annotations"
LEGEND_NAME = "meta.json"
VOID = 255
"""What evaluations leave out, in a PNG of 8 bits; so no object gets this number."""

_RESOLUTIONS = ("480p", "Full-Resolution")
_LEGEND = 'JSON as in YouTube-VOS: {"videos": {"clip": {"objects": {"1": {"category": "cat"}}}}}'


def write_davis(
    clips: Iterable[LabeledClip], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write `Annotations/<clip>/<frame>.png`, and the objects' labels into YouTube-VOS's meta.json.

    A number is the object's track if all are from 1 to 254; otherwise objects are counted. Where
    objects overlap the smaller one of the frame is on top. Beyond 254 objects a PNG has 16 bits and
    no colors. Scores, times, and objects without a mask are left out.
    """
    stems, legend = ClipStems(), dict[str, Any]()
    for clip in clips:
        numbers = ObjectNumbers(clip, keeps_to=VOID - 1, highest=HIGHEST_NUMBER)
        stem = stems.of(clip.name)
        # Where 255 is an object like others, all pictures have 16 bits.
        highest = numbers.largest if numbers.largest < VOID else HIGHEST_NUMBER
        for labeled in looked_at(clip):
            own = [numbers.of(annotation) for annotation in labeled.annotations]
            pixels = number_map(labeled.annotations, own, labeled.image.size_hw, highest=highest)
            path = folder / PICTURES_NAME / stem / f"{frame_stem(labeled)}.png"
            write_atomically(path, png_from_numbers(pixels))
        objects = {
            str(number): {"category": label} for number, label in sorted(numbers.labels.items())
        }
        legend[stem] = {"name": clip.name, "fps": clip.fps, "objects": objects}
    write_atomically(folder / LEGEND_NAME, json.dumps({"videos": legend}, indent=1).encode())
    return (folder,)


def read_davis(folder: Path, clips: Iterable[LabeledClip] = ()) -> Iterator[LabeledClip]:
    """Each folder of PNGs as a clip; without meta.json objects have no labels.

    A frame has the number in its name, or its place where there is none. Of `clips` the names, the
    rates and the times are taken.
    """
    pictures = _pictures_below(folder)
    legend = _read_legend(folder / LEGEND_NAME) if (folder / LEGEND_NAME).is_file() else {}
    stems = ClipStems()
    named = {stems.of(clip.name): clip for clip in clips}
    found = {path.name: path for path in sorted(pictures.glob("*")) if any(path.glob("*.png"))}
    if not found and not legend:
        raise InvalidMask(f"'{pictures}' has no folders of PNGs, one for each clip.")
    for stem in named or dict.fromkeys((*legend, *found)):
        if stem in legend or stem in found:
            files = sorted(found[stem].glob("*.png")) if stem in found else []
            yield _clip(files, stem, legend.get(stem, {}), named.get(stem))


def is_davis(glimpse: Glimpse) -> bool:
    """Whether a folder has PNGs in folders of its own, or where DAVIS has them."""
    first = glimpse.first(".png")
    return first is not None and first.parent != glimpse.path and not are_sav_pictures(glimpse)


def _pictures_below(folder: Path) -> Path:
    """The folder of the clips' folders: the one given, or where DAVIS and YouTube-VOS have it."""
    pictures = folder / PICTURES_NAME if (folder / PICTURES_NAME).is_dir() else folder
    return next((pictures / name for name in _RESOLUTIONS if (pictures / name).is_dir()), pictures)


def _read_legend(path: Path) -> Mapping[str, Any]:
    videos = read_json(path, _LEGEND)
    with reading(path, _LEGEND):
        legend = dict(videos["videos"])
        for video in legend.values():
            for number, found in dict(video.get("objects") or {}).items():
                int(number), str(found["category"])
            number_in(video.get("fps"))
        return legend


def _clip(
    files: Sequence[Path], stem: str, legend: Mapping[str, Any], known: LabeledClip | None
) -> LabeledClip:
    objects = legend.get("objects") or {}
    labels = {int(number): str(found["category"]) for number, found in objects.items()}
    places, name = places_of_frames(known), known.name if known else str(legend.get("name", stem))

    def frames() -> Iterator[Labeled]:
        for position, file in enumerate(files):
            numbers = pixels_from_png(file.read_bytes())
            size_hw = (numbers.shape[0], numbers.shape[1])
            own = Labeled(
                image=Image(name=f"{name}/{file.name}", size_hw=size_hw),
                frame=frame_number(int(file.stem)) if file.stem.isdecimal() else position,
            )
            found = (
                Annotation(
                    label=labels.get(number, ""), box_xyxy=mask.box_xyxy, mask=mask, track=number
                )
                for number, mask in masks_from_number_map(numbers).items()
            )
            yield replace(places.get(file.stem, own), annotations=tuple(found))

    first = pixels_from_png(files[0].read_bytes()).shape if files else (0, 0)
    return LabeledClip(
        name=name,
        size_hw=(first[0], first[1]),
        frames=Frames(frames),
        fps=known.fps if known else number_in(legend.get("fps")) or 0.0,
        phrases=known.phrases if known else (),
    )
