"""Annotations <-> LabelMe's JSON beside each image: masks, polygons, rectangles, circles."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, PremaskError
from premask.files import write_atomically
from premask.geometry import pixel_box
from premask.images import Image
from premask.labels.coco_rle import mask_from_segmentation
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import read_json
from premask.labels.numbering import Stems, told_files
from premask.labels.png import pixels_from_png, png_from_gray
from premask.masks import Mask, Size

Json = dict[str, Any]

VERSION = "5.3.1"
"""The first LabelMe that has masks; it asks for a version, and warns of others."""


def write_labelme(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a JSON for each image, where LabelMe expects the image, too."""
    stems = Stems()
    for one in labeled:
        if one.error is None:
            text = json.dumps(_to_json(one), indent=1)
            write_atomically(folder / f"{stems.of(one.image.name)}.json", text.encode())
    return (folder,)


def is_labelme(glimpse: Glimpse) -> bool:
    """Whether it is one of LabelMe's files, or a folder of them."""
    first = glimpse.first(".json")
    keys = Glimpse.of(first).keys if first is not None else glimpse.keys
    return "shapes" in keys and {"imagePath", "version", "flags"} & keys.keys() != set()


def read_labelme(path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read a file, or all below a folder; shapes of one group and label are parts of one object."""
    top = path if path.is_dir() else path.parent
    for image, file in told_files(top, ".json", images) if path.is_dir() else [(None, path)]:
        try:
            one = _from_json(read_json(file, "what LabelMe writes"), file.relative_to(top))
            if image is not None:
                # The size is the file's own: its masks have it, whatever the image's EXIF says.
                one = replace(one, image=Image(name=image.name, size_hw=one.image.size_hw))
            yield one
        except InvalidMask as error:
            raise InvalidMask(f"'{file}': {error}") from error
        except (PremaskError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidMask(
                f"'{file}' can't be read as LabelMe: {type(error).__name__}: {error}"
            ) from error


def _to_json(one: Labeled) -> Json:
    height, width = one.image.size_hw
    return {
        "version": VERSION,
        "flags": {},
        "shapes": [_shape_of(found) for found in one.annotations],
        "imagePath": PurePosixPath(one.image.name).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _shape_of(found: Annotation) -> Json:
    shape: Json = {"label": found.label, "group_id": None, "description": "", "flags": {}}
    x0, y0, x1, y1 = (float(side) for side in found.box_xyxy)
    if found.mask is None or not found.mask.area:
        shape |= {"shape_type": "rectangle", "points": [[x0, y0], [x1, y1]]}
    else:
        # The second point is the last pixel of the mask, not what is behind it.
        crop = found.mask.crop().view(np.uint8)
        png = base64.b64encode(png_from_gray(crop * np.uint8(255))).decode("ascii")
        shape |= {"shape_type": "mask", "points": [[x0, y0], [x1 - 1, y1 - 1]], "mask": png}
    return shape if found.score is None else shape | {"score": float(found.score)}


def _from_json(data: Mapping[str, Any], place: Path) -> Labeled:
    size_hw = (int(data["imageHeight"]), int(data["imageWidth"]))
    file_name = PurePosixPath(str(data["imagePath"]).replace("\\", "/")).name
    groups: dict[object, list[Annotation]] = {}
    for number, shape in enumerate(data["shapes"]):
        found = _annotation(shape, size_hw)
        if found is not None:
            group = shape.get("group_id")
            key = number if group is None else ("group", group, found.label)
            groups.setdefault(key, []).append(found)
    return Labeled(
        image=Image(name=(place.parent / file_name).as_posix(), size_hw=size_hw),
        annotations=tuple(map(_joined, groups.values())),
    )


def _annotation(shape: Mapping[str, Any], size_hw: Size) -> Annotation | None:
    """A shape as an object; points and lines have no area, and are none."""
    kind, points = shape.get("shape_type", "polygon"), np.asarray(shape["points"], np.float64)
    if kind in ("point", "points", "line", "linestrip"):
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    box, mask = (low[0], low[1], high[0], high[1]), None
    if kind == "mask":
        mask = _mask_of(shape["mask"], points, size_hw)
    elif kind == "circle":
        mask = _disk(points, size_hw)
    elif kind == "polygon":
        mask = mask_from_segmentation([points.ravel().tolist()], size_hw)
    elif kind != "rectangle":
        raise InvalidMask(f"a shape of the type {kind!r} is not known")
    return Annotation(
        label=str(shape["label"]),
        box_xyxy=(float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        if mask is None
        else mask.box_xyxy,
        mask=mask,
        score=shape.get("score"),
    )


def _mask_of(png: str, points: np.ndarray[Any, np.dtype[np.float64]], size_hw: Size) -> Mask:
    pixels = pixels_from_png(base64.b64decode(png)) != 0
    x, y = points.min(axis=0).round().astype(int).tolist()
    return Mask.from_crop(pixels, (x, y), size_hw)


def _disk(points: np.ndarray[Any, np.dtype[np.float64]], size_hw: Size) -> Mask:
    """Around the first point, through the second."""
    (x, y), radius = points[0], math.dist(points[0], points[1])
    x0, y0, x1, y1 = pixel_box((x - radius, y - radius, x + radius, y + radius), size_hw)
    across, down = np.arange(x0, x1) + 0.5 - x, np.arange(y0, y1)[:, None] + 0.5 - y
    return Mask.from_crop(np.hypot(across, down) <= radius, (x0, y0), size_hw)


def _joined(parts: Sequence[Annotation]) -> Annotation:
    masks = [part.mask for part in parts if part.mask is not None]
    if len(masks) < 2:
        return parts[0]
    mask = masks[0].union(*masks[1:])
    return Annotation(label=parts[0].label, box_xyxy=mask.box_xyxy, mask=mask, score=parts[0].score)
