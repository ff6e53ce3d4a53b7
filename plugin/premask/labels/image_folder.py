"""Annotations <-> an image folder of Hugging Face's datasets: metadata.jsonl and PNG masks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import replacing_text, write_atomically
from premask.images import Image
from premask.labels.glimpse import Glimpse
from premask.labels.numbering import Stems
from premask.labels.png import mask_from_png, png_from_mask
from premask.masks import Mask, Size

METADATA = "metadata.jsonl"
MASKS = "masks"
_LONGEST_LINE = 2**26
_BROKEN = (InvalidMask, OSError, LookupError, TypeError, ValueError, AttributeError, RecursionError)


def write_image_folder(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a line for each image, and a PNG for each mask.

    `datasets` opens the files that `masks_file_names` names as images. An object without a mask has
    an empty name there, which `datasets` can't open: then there is no such key, but `mask_names`.
    """
    stems = Stems()
    with replacing_text(folder / METADATA) as file:
        for one in labeled:
            if one.error is not None:
                continue
            stem, names = stems.of(one.image.name), list[str]()
            for place, found in enumerate(one.annotations):
                names.append("" if found.mask is None else f"{MASKS}/{stem}_{place}.png")
                if found.mask is not None:
                    write_atomically(folder / names[-1], png_from_mask(found.mask))
            file.write(json.dumps(_to_line(one, names), ensure_ascii=False) + "\n")
    return (folder,)


def is_image_folder(glimpse: Glimpse) -> bool:
    """Whether a folder has the file of lines."""
    return glimpse.has(METADATA)


def read_image_folder(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read line after line; the sizes are those of the masks, or of the `images`, or are told."""
    sizes = {image.name: image.size_hw for image in images}
    path = folder / METADATA
    try:
        with path.open(encoding="utf-8") as lines:
            number = 0
            while line := lines.readline(_LONGEST_LINE):
                number += 1
                if line.strip():
                    yield _from_line(json.loads(line), folder, sizes)
    except _BROKEN as error:
        raise InvalidMask(
            f"Line {number} of '{path}' can't be read: {type(error).__name__}: {error}. Each is "
            'JSON with a "file_name", and with "objects" that have lists of "bbox" and "category".'
        ) from error


def _to_line(one: Labeled, names: Sequence[str]) -> dict[str, Any]:
    height, width = one.image.size_hw
    objects: dict[str, list[Any]] = {"bbox": [], "category": [], "score": [], "iscrowd": []}
    for found in one.annotations:
        x0, y0, x1, y1 = (float(side) for side in found.box_xyxy)
        objects["bbox"].append([x0, y0, x1 - x0, y1 - y0])
        objects["category"].append(found.label)
        objects["score"].append(None if found.score is None else float(found.score))
        objects["iscrowd"].append(int(found.crowd))
    key = "masks_file_names" if all(names) else "mask_names"
    size = {"width": width, "height": height}
    return {"file_name": one.image.name, **size, "objects": objects, key: list(names)}


def _from_line(line: Mapping[str, Any], folder: Path, sizes: Mapping[str, Size]) -> Labeled:
    objects = line.get("objects") or {}
    labels = objects.get("category", objects.get("categories", ()))
    names = line.get("masks_file_names") or line.get("mask_names") or [""] * len(labels)
    masks = [_mask(folder, name) for name in names]
    image = Image(name=str(line["file_name"]), size_hw=_size(line, masks, sizes))
    rows = zip(objects.get("bbox", ()), labels, masks, strict=True)
    found = []
    for place, ((x, y, width, height), label, mask) in enumerate(rows):
        score, crowd = (objects.get(key) for key in ("score", "iscrowd"))
        found.append(
            Annotation(
                label=str(label),
                box_xyxy=(x, y, x + width, y + height) if mask is None else mask.box_xyxy,
                mask=mask,
                score=score[place] if score else None,
                crowd=bool(crowd and crowd[place]),
            )
        )
    return Labeled(image=image, annotations=tuple(found))


def _mask(folder: Path, name: str) -> Mask | None:
    if not name:
        return None
    path = (folder / name).resolve()
    if folder.resolve() not in path.parents:
        raise InvalidMask(f"'{name}' is outside of its folder")
    return mask_from_png(path.read_bytes())


def _size(line: Mapping[str, Any], masks: Sequence[Mask | None], sizes: Mapping[str, Size]) -> Size:
    told = {mask.size_hw for mask in masks if mask is not None}
    if "width" in line and "height" in line:
        told.add((int(line["height"]), int(line["width"])))
    if len(told) > 1:
        raise InvalidMask(f"the masks of '{line['file_name']}' have several sizes: {sorted(told)}")
    return next(iter(told), sizes.get(str(line["file_name"]), (0, 0)))
