"""Annotations <-> COCO's panoptic format: JSON, and a PNG for each image beside it."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import replacing, write_atomically
from premask.images import Image
from premask.labels.coco import labels_from_head, reading_coco
from premask.labels.coco_ids import CocoIds
from premask.labels.coco_index import CocoIndex
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import write_list, write_record
from premask.labels.numbering import Stems
from premask.labels.png import png_from_picture
from premask.labels.png_objects import object_map
from premask.masks import Mask, Size, masks_by_number

Json = dict[str, Any]


def write_coco_panoptic(
    labeled: Iterable[Labeled],
    path: Path,
    categories: Sequence[str] | None = None,
    *,
    ids: CocoIds | None = None,
) -> tuple[Path, ...]:
    """Write the JSON, and the PNGs in a folder of its name; the smallest object is on top."""
    ids = CocoIds.counted(categories) if ids is None else ids.fresh()
    folder, stems, place = path.with_suffix(""), Stems(), 0
    with replacing(path) as file, tempfile.TemporaryFile(dir=path.parent) as spool:
        file.write(b'{"images": [')
        for one in labeled:
            if one.error is not None:
                continue
            place += 1
            numbers = object_map(one).astype(np.int64)
            name = f"{stems.of(one.image.name)}.png"
            write_atomically(folder / name, _png(numbers))
            image_id = ids.image(one.image.name, one.extra.get("id"))
            height, width = one.image.size_hw
            image = {"id": image_id, "file_name": one.image.name}
            write_record(file, image | {"width": width, "height": height}, place)
            segments = _segments(one, masks_by_number(numbers), ids)
            record = {"image_id": image_id, "file_name": name, "segments_info": segments}
            write_record(spool, record, place)
        file.write(b'\n],\n"annotations": [')
        spool.seek(0)
        shutil.copyfileobj(spool, file)
        known = map(ids.category_record, ids.categories)
        write_list(file, "categories", ({"isthing": 1, **record} for record in known))
        file.write(b"\n]}\n")
    return path, folder


def is_coco_panoptic(glimpse: Glimpse) -> bool:
    """Whether the annotations of a file are segments of maps."""
    return "segments_info" in glimpse.keys.get("annotations", ())


def read_coco_panoptic(path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read the segments of each image from its PNG, which lies in a folder of the file's name."""
    with reading_coco(path), path.open("rb") as file:
        index = CocoIndex.of(file)
        labels = labels_from_head(index.head)
        for image in index.images(file):
            size_hw = (int(image["height"]), int(image["width"]))
            records = index.annotations.of(image["id"], file)
            yield Labeled(
                image=Image(name=image["file_name"], size_hw=size_hw),
                annotations=tuple(
                    found
                    for record in records
                    for found in _annotations(record, path, size_hw, labels)
                ),
                extra={
                    key: value
                    for key, value in image.items()
                    if key not in ("file_name", "height", "width")
                },
            )


def _segments(one: Labeled, visible: dict[int, Mask], ids: CocoIds) -> list[Json]:
    """What can be seen of each object; COCO has no segments without a pixel."""
    segments = []
    for number, found in enumerate(one.annotations, start=1):
        mask = visible.get(number)
        if mask is not None:
            x0, y0, x1, y1 = mask.box_xyxy
            segments.append(
                {
                    "id": number,
                    "category_id": ids.category(found.label),
                    "area": mask.area,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": int(found.crowd),
                }
            )
    return segments


def _annotations(
    record: Json, path: Path, size_hw: Size, labels: dict[object, str]
) -> Iterator[Annotation]:
    numbers = _numbers(_find_png(path, record["file_name"]))
    if numbers.shape != size_hw:
        raise InvalidMask(f"'{record['file_name']}' has another size than its image.")
    masks = masks_by_number(numbers)
    for segment in record["segments_info"]:
        mask = masks.get(segment["id"])
        if mask is None or segment["category_id"] not in labels:
            raise InvalidMask(
                f"Segment {segment['id']} of '{record['file_name']}' has no pixels, or a category "
                "that is not in the file. Correct it, or take it out."
            )
        yield Annotation(
            label=labels[segment["category_id"]],
            box_xyxy=mask.box_xyxy,
            mask=mask,
            crowd=bool(segment.get("iscrowd")),
        )


def _find_png(path: Path, name: str) -> Path:
    """In the folder of the file's name, as COCO's own are, or beside the file."""
    for folder in (path.with_suffix(""), path.parent):
        found = (folder / name).resolve()
        if found.is_file() and path.parent.resolve() in found.parents:
            return found
    raise InvalidMask(f"'{path.with_suffix('') / name}' is not there, which has its segments.")


def _png(numbers: NDArray[np.int64]) -> bytes:
    """COCO's colors: red + 256 green + 65536 blue."""
    rgb = np.stack([numbers >> (8 * channel) & 255 for channel in range(3)], axis=-1)
    return png_from_picture(PIL.Image.fromarray(rgb.astype(np.uint8)))


def _numbers(path: Path) -> NDArray[np.int64]:
    try:
        with PIL.Image.open(io.BytesIO(path.read_bytes()), formats=["PNG"]) as picture:
            rgb = np.asarray(picture.convert("RGB")).astype(np.int64)
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise InvalidMask(f"'{path}' is no PNG that can be read ({error}).") from error
    numbers: NDArray[np.int64] = rgb[..., 0] + (rgb[..., 1] << 8) + (rgb[..., 2] << 16)
    return numbers
