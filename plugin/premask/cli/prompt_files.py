"""Prompts for several frames of a clip, from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from premask.errors import InvalidRequest, PremaskError
from premask.images import read_file
from premask.masks import Mask
from premask.prompts import Hint, Phrase, Point, Prompts
from premask.terminal.flags import mask_from_file

EXAMPLE = (
    '{"0": [{"track": 1, "label": "cup", "box": [10, 20, 90, 80]}], '
    '"40": [{"track": 1, "points": [[50, 60]], "negative_points": [[5, 5]]}]}'
)


def prompts_from_file(path: Path) -> dict[int, Prompts]:
    """By the index of a frame, a list of objects; "text" is a list of phrases to look for.

    A mask is the name of a PNG beside the file, or a COCO RLE.
    """
    try:
        table = json.loads(read_file(path, str(path)))
        phrases = tuple(Phrase(text=str(text)) for text in table.pop("text", ()))
        frames = {int(frame): _prompts(objects, path.parent) for frame, objects in table.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequest(
            f"The prompts in {path} can't be read ({error}). They look like: {EXAMPLE}"
        ) from error
    if phrases:
        first = min(frames, default=0)
        frames[first] = Prompts(phrases=phrases, objects=frames.get(first, Prompts()).objects)
    return frames


def _prompts(objects: Any, folder: Path) -> Prompts:
    if not isinstance(objects, list):
        raise ValueError("each frame has a list of objects")
    return Prompts(objects=tuple(_hint(found, folder) for found in objects))


_KEYS = {"track", "label", "box", "points", "negative_points", "mask"}


def _hint(found: Mapping[str, Any], folder: Path) -> Hint:
    for key in found:
        if key not in _KEYS:
            raise ValueError(f"an object has no '{key}'; it has {', '.join(sorted(_KEYS))}")
    box, mask = found.get("box"), found.get("mask")
    signed = [(point, True) for point in found.get("points", ())]
    signed += [(point, False) for point in found.get("negative_points", ())]
    label = str(found.get("label", ""))
    return Hint(
        label=label,
        box_xyxy=None if box is None else _box(box),
        points=tuple(
            Point(x=float(x), y=float(y), positive=positive, label=label)
            for (x, y), positive in signed
        ),
        mask=None if mask is None else _mask(mask, folder),
        track=None if found.get("track") is None else int(found["track"]),
    )


def _box(sides: Any) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(side) for side in sides)
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"the box {sides} is empty: it is left, top, right, bottom")
    return x0, y0, x1, y1


def _mask(mask: Any, folder: Path) -> Mask:
    if isinstance(mask, str):
        return mask_from_file(folder / mask)
    try:
        return Mask.from_rle(mask)
    except PremaskError as error:
        raise ValueError(str(error)) from error
