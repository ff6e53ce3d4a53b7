"""Clips <-> MOTS texts: a line `frame id class height width run-lengths` for each object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask
from premask.files import replacing_text, write_atomically
from premask.images import Image, read_file
from premask.labels.clip_frames import (
    MAX_FRAMES,
    ClipStems,
    Frames,
    ObjectNumbers,
    frame_number,
    looked_at,
)
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import list_in, number_in, read_json, reading
from premask.labels.numbering import number_new, numbered
from premask.masks import Mask, Size
from premask.video.frames import frame_name

LEGEND_NAME = "clips.json"

OBJECTS = 1000
"""An id is `OBJECTS * class + instance`."""

IGNORED = 10
"""The class of regions in which nothing counts, for evaluations; no label has its number."""

_FIELDS = ("frame", "id", "class", "height", "width", "run-lengths")
_LONGEST_LINE = 2**20
_LEGEND = 'JSON that names the classes: {"classes": {"1": "cat"}, "clips": {}}'


def write_mots(
    clips: Iterable[LabeledClip], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a text for each clip, and the names of clips and classes into clips.json.

    Frames have their own numbers, from 0. An instance is the object's track if all are from 1 to
    999; otherwise objects are counted. MOTS has no pixel of two objects: where they overlap the
    smaller one of the frame is on top. Crowds are one region that evaluations ignore. Scores and
    objects without a mask are left out.
    """
    numbers, stems, legend = numbered(categories), ClipStems(), dict[str, Any]()
    for clip in clips:
        objects = ObjectNumbers(clip, keeps_to=OBJECTS - 1, highest=OBJECTS - 1)
        stem, frames = stems.of(clip.name), []
        with replacing_text(folder / f"{stem}.txt") as text:
            for labeled in looked_at(clip):
                number_new(numbers, labeled.annotations)
                text.writelines(f"{line}\n" for line in _lines(labeled, objects, numbers))
                frames.append([labeled.frame, labeled.time])
        height, width = clip.size_hw
        size = {"width": width, "height": height}
        legend[stem] = {"name": clip.name, "fps": clip.fps, **size, "frames": frames}
    classes = {_class_id(number): name for name, number in numbers.items()}
    text_of_legend = json.dumps({"classes": classes, "clips": legend})
    write_atomically(folder / LEGEND_NAME, text_of_legend.encode())
    return (folder,)


def _class_id(number: int) -> int:
    return number if number < IGNORED else number + 1


def _lines(
    labeled: Labeled, objects: ObjectNumbers, categories: Mapping[str, int]
) -> Iterator[str]:
    own = [objects.of(annotation) for annotation in labeled.annotations]
    annotations = dict(zip(own, labeled.annotations, strict=True))
    ignored = []
    for number, mask in sorted(_on_top(annotations).items()):
        if annotations[number].crowd:
            ignored.append(mask)
        else:
            class_id = _class_id(categories[annotations[number].label])
            yield _line(labeled, class_id * OBJECTS + number, class_id, mask)
    if ignored:
        yield _line(labeled, IGNORED * OBJECTS, IGNORED, ignored[0].union(*ignored[1:]))


def _on_top(annotations: Mapping[int, Annotation]) -> dict[int, Mask]:
    """What can be seen of each object if the smaller ones lie on the larger ones."""
    masks = {number: found.mask for number, found in annotations.items() if found.mask is not None}
    seen: dict[int, Mask] = {}
    covered: Mask | None = None
    for number, mask in sorted(masks.items(), key=lambda item: item[1].area):
        visible = mask if covered is None else mask.difference(covered)
        covered = mask if covered is None else covered.union(mask)
        if visible.area:
            seen[number] = visible
    return seen


def _line(labeled: Labeled, object_id: int, class_id: int, mask: Mask) -> str:
    height, width = mask.size_hw
    return f"{labeled.frame} {object_id} {class_id} {height} {width} {mask.rle['counts']}"


def read_mots(folder: Path, clips: Iterable[LabeledClip] = ()) -> Iterator[LabeledClip]:
    """Each text as a clip, in which regions to ignore are crowds.

    What the texts don't tell is in clips.json: the labels (or else the class numbers), and frames
    in which nothing is. Of `clips` the names and the frames are taken.
    """
    path = folder / LEGEND_NAME
    labels, described = _read_legend(path) if path.is_file() else ({}, {})
    stems = ClipStems()
    known = {stems.of(clip.name): clip for clip in clips}
    texts = [folder / f"{stem}.txt" for stem in known] or sorted(folder.glob("*.txt"))
    if not texts:
        raise InvalidMask(f"'{folder}' has no MOTS texts.")
    for text in texts:
        unknown = LabeledClip(name=text.stem, size_hw=(0, 0), frames=())
        yield _clip(text, labels, known.get(text.stem) or described.get(text.stem, unknown))


def is_mots(glimpse: Glimpse) -> bool:
    """Whether a folder has texts with lines of six."""
    first = glimpse.first(".txt")
    if first is None or first.parent != glimpse.path:
        return glimpse.has(LEGEND_NAME)
    with first.open("rb") as text:
        return len(text.readline(_LONGEST_LINE).split()) == len(_FIELDS) or not text.tell()


def _read_legend(path: Path) -> tuple[dict[int, str], dict[str, LabeledClip]]:
    """The labels by the class's number, and the clips, with nothing in their frames, by stem."""
    legend = read_json(path, _LEGEND)
    with reading(path, _LEGEND):
        labels = {int(number): str(name) for number, name in legend["classes"].items()}
        return labels, {stem: _described(clip) for stem, clip in legend["clips"].items()}


def _described(clip: Mapping[str, Any]) -> LabeledClip:
    name, size_hw = str(clip["name"]), (int(clip["height"]), int(clip["width"]))
    frames = tuple(
        Labeled(
            image=Image(name=frame_name(name, frame_number(frame)), size_hw=size_hw),
            frame=frame,
            time=number_in(time),
        )
        for frame, time in list_in(clip["frames"])
    )
    fps = number_in(clip["fps"]) or 0.0
    return LabeledClip(name=name, size_hw=size_hw, frames=frames, fps=fps)


def _clip(text: Path, labels: Mapping[int, str], clip: LabeledClip) -> LabeledClip:
    """The clip with what the text has in its frames; if it has none, it is as long as the text."""
    lines, size_hw = _lines_by_frame(text), clip.size_hw
    if size_hw == (0, 0) and lines:
        first = _object(next(iter(lines.values()))[0], labels, text).mask
        size_hw = first.size_hw if first is not None else size_hw
    known = {labeled.frame for labeled in looked_at(clip)}
    unknown = next((frame for frame in lines if known and frame not in known), None)
    if unknown is not None:
        raise InvalidMask(f"'{text}' has the frame {unknown}, which '{clip.name}' does not have.")

    def frames() -> Iterator[Labeled]:
        for labeled in looked_at(clip) if known else _counted(text.stem, lines, size_hw):
            found = (_object(line, labels, text) for line in lines.get(labeled.frame or 0, ()))
            yield replace(labeled, annotations=tuple(found))

    return replace(clip, frames=Frames(frames), size_hw=size_hw)


def _counted(stem: str, lines: Mapping[int, object], size_hw: Size) -> Iterator[Labeled]:
    for frame in range(max(lines, default=-1) + 1):
        yield Labeled(image=Image(name=frame_name(stem, frame), size_hw=size_hw), frame=frame)


def _lines_by_frame(text: Path) -> dict[int, list[str]]:
    lines = dict[int, list[str]]()
    for line in read_file(text, text.name).decode("ascii", "replace").splitlines():
        frame = line.split(" ", 1)[0]
        if not line.strip():
            continue
        if not frame.isdecimal() or int(frame) >= MAX_FRAMES:
            raise InvalidMask(f"'{text}': {line[:40]!r} does not begin with the number of a frame.")
        lines.setdefault(int(frame), []).append(line)
    return lines


def _object(line: str, labels: Mapping[int, str], text: Path) -> Annotation:
    try:
        _, object_id, class_id, height, width, counts = line.split()
        mask = Mask.from_rle({"size": [int(height), int(width)], "counts": counts})
        if int(class_id) == IGNORED:
            return Annotation(label="", box_xyxy=mask.box_xyxy, mask=mask, crowd=True)
        label = labels.get(int(class_id), class_id)
        track = int(object_id) % OBJECTS
    except (InvalidMask, ValueError) as error:
        raise InvalidMask(
            f"'{text}': {line[:40]!r} can't be read ({error}). It must be: {' '.join(_FIELDS)}."
        ) from error
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, track=track)
