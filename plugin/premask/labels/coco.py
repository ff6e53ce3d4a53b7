"""Annotations <-> COCO JSON: exact run lengths, boxes from masks, mattes as bit planes."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import replacing
from premask.geometry import Box, box_area
from premask.images import Image
from premask.json_stream import JsonStream
from premask.labels.coco_ids import CocoIds, ImageId, UnusedIds
from premask.labels.coco_index import CocoIndex
from premask.labels.coco_rle import (
    mask_from_segmentation,
    mask_to_polygons,
    masks_of_records,
    matte_from_planes,
    matte_to_planes,
)
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import write_list, write_record
from premask.masks import Mask, Size

Json = dict[str, Any]

# No date: the same labels give the same bytes.
_HEAD: Json = {"info": {"description": "Annotated by premask"}, "licenses": []}

_IMAGE_KEYS = frozenset({"file_name", "width", "height"})
_ANNOTATION_KEYS = frozenset(
    {"image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "score"}
) | {"alpha_planes", "track_id", "source", "keyframe"}
"""The keys whose meaning is in `Labeled` and `Annotation`. The others are kept as they are."""


def write_coco(
    labeled: Iterable[Labeled],
    path: Path,
    categories: Sequence[str] | None = None,
    *,
    polygons: bool = False,
    mattes: bool = False,
    ids: CocoIds | None = None,
    in_clip: Callable[[Labeled], Json] | None = None,
    videos: Sequence[Json] = (),
) -> tuple[Path, ...]:
    """Write one COCO file in one pass, with one image's labels in memory at a time.

    Categories are numbered from 1 in the order given, then in the order of first appearance,
    unless there are `ids`. Images that failed are left out, because nothing is known about them.
    Alpha planes are only written on request (`mattes`): they are nearly all of a file. For frames
    of clips, `in_clip` tells what their records say besides, and `videos` is read at the end.
    """
    ids = CocoIds.counted(categories) if ids is None else ids.fresh()
    record_of = partial(annotation_to_coco, polygons=polygons, mattes=mattes)
    # COCO lists all images before all annotations, so the annotations wait in a file of their own.
    with replacing(path) as file, tempfile.TemporaryFile(dir=path.parent) as spool:
        head = {**_HEAD, **ids.head}
        file.write(b"{")
        for key, value in head.items():
            file.write(f"{json.dumps(key)}: {json.dumps(value)},\n".encode())
        file.write(b'"images": [')
        _write_lists(labeled, file, spool, ids, record_of, in_clip)
        file.write(b'\n],\n"annotations": [')
        spool.seek(0)
        shutil.copyfileobj(spool, file)
        write_list(file, "categories", map(ids.category_record, ids.categories))
        if videos:
            write_list(file, "videos", videos)
        file.write(b"\n]}\n")
    return (path,)


def annotation_to_coco(
    annotation: Annotation,
    *,
    image_id: ImageId,
    annotation_id: ImageId,
    category_id: int,
    polygons: bool = False,
    mattes: bool = False,
) -> Json:
    """An entry of COCO's `annotations`; its box and area are the mask's where there is a mask."""
    record: Json = {"id": annotation_id, "image_id": image_id, "category_id": category_id}
    record |= shape_to_coco(annotation, polygons=polygons) | {"iscrowd": int(annotation.crowd)}
    if annotation.score is not None:
        record["score"] = float(annotation.score)
    if mattes and annotation.matte is not None:
        record["alpha_planes"] = matte_to_planes(annotation.matte)
    if annotation.track is not None:
        record["track_id"] = int(annotation.track)
    if annotation.keyframe:
        record["keyframe"] = True
    if annotation.source:
        record["source"] = list(annotation.source)
    return record


def shape_to_coco(annotation: Annotation, *, polygons: bool = False) -> Json:
    """Box, area and, where there is one, mask. Most readers choke on an empty `segmentation`."""
    mask = annotation.mask
    if mask is None:
        box = [float(side) for side in _xywh(annotation.box_xyxy)]
        return {"bbox": box, "area": float(box_area(annotation.box_xyxy))}
    record: Json = {"bbox": _xywh(mask.box_xyxy), "area": mask.area}
    segmentation = mask_to_polygons(mask) if polygons else mask.rle
    return {**record, "segmentation": segmentation} if segmentation else record


def read_coco(path: Path) -> tuple[Labeled, ...]:
    """Read a COCO file; the images come without their pixels."""
    return tuple(stream_coco(path))


def stream_coco(path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read a COCO file image after image, with the annotations of one in memory at a time.

    COCO itself tells all about its `images`, so none have to be given.
    """
    with reading_coco(path), path.open("rb") as file:
        yield from _labeled(file)


def labeled_from_coco(data: Mapping[str, Any]) -> Iterator[Labeled]:
    """Every image of a COCO dict with its annotations, in the file's order."""
    return _labeled(io.BytesIO(json.dumps(data).encode()))


def is_coco(glimpse: Glimpse) -> bool:
    """Whether a file has COCO's lists; those of videos and of panoptic maps are other formats."""
    lists = {"images", "annotations", "categories"} & glimpse.keys.keys()
    of_records = glimpse.keys.get("annotations", frozenset())
    if of_records:
        return "image_id" in of_records and "segments_info" not in of_records
    return len(lists) > 1 and "videos" not in glimpse.keys


def coco_ids(path: Path) -> CocoIds:
    """The categories of a COCO file with their ids, and what else it says of the whole dataset."""
    with reading_coco(path), path.open("rb") as file:
        stream, head = JsonStream(file), {}
        for key in stream.object_keys():
            if key in ("images", "annotations"):
                stream.skip()
            else:
                head[key] = stream.value()
        return _ids_from_head(head)


@contextmanager
def reading_coco(path: Path) -> Iterator[None]:
    """Turn what goes wrong inside the block into an `InvalidMask` that names the file."""
    try:
        yield
    except InvalidMask as error:
        raise InvalidMask(f"'{path}': {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidMask(
            f"'{path}' can't be read as COCO: {type(error).__name__}: {error}. It must be JSON "
            "with the lists 'images', 'annotations' and 'categories'."
        ) from error


def _ids_from_head(head: Json) -> CocoIds:
    records = {str(record["name"]): record for record in head["categories"]}
    return CocoIds(
        categories={name: int(record["id"]) for name, record in records.items()},
        head={key: value for key, value in head.items() if key != "categories"},
        category_records=records,
    )


def _labeled(file: BinaryIO) -> Iterator[Labeled]:
    index = CocoIndex.of(file)
    index.annotations.require_images(index.image_ids, file)
    labels = labels_from_head(index.head)
    for image in index.images(file):
        records = index.annotations.of(image["id"], file)
        yield labeled_from_records(image, records, labels)


def labels_from_head(head: Json) -> dict[object, str]:
    """The names of the categories by their ids."""
    return {category["id"]: str(category["name"]) for category in head["categories"]}


def labeled_from_records(
    image: Json, records: Iterable[Json], labels: Mapping[object, str]
) -> Labeled:
    """An entry of COCO's `images` with entries of its `annotations`."""
    size_hw, records = size_of_record(image), list(records)
    masks = masks_of_records(records, [size_hw] * len(records))
    return Labeled(
        image=Image(name=image["file_name"], size_hw=size_hw),
        annotations=tuple(
            annotation_from_coco(record, _label_of(record, labels), size_hw, mask)
            for record, mask in zip(records, masks, strict=True)
        ),
        extra=_others(image, _IMAGE_KEYS),
    )


def _label_of(record: Json, labels: Mapping[object, str]) -> str:
    if record.get("category_id") not in labels:
        raise _invalid(record, f"its category_id {record.get('category_id')!r} is not in the file")
    return labels[record["category_id"]]


def _others(record: Mapping[str, Any], known: frozenset[str]) -> Json:
    return {key: value for key, value in record.items() if key not in known}


def size_of_record(image: Mapping[str, Any]) -> Size:
    """Height and width of an entry of `images` or `videos`."""
    return _length_of(image, "height"), _length_of(image, "width")


def _length_of(image: Mapping[str, Any], side: str) -> int:
    """A side of an image; pandas writes those of a column with gaps as 640.0."""
    length = image.get(side)
    if isinstance(length, float) and length.is_integer():
        length = int(length)
    if not isinstance(length, int) or length < 0:
        raise InvalidMask(
            f"The image '{image.get('file_name')}' has the {side} {length!r}, which is no number "
            "of pixels. Write its size into the file."
        )
    return length


def annotation_from_coco(
    record: Mapping[str, Any], label: str, size_hw: Size, mask: Mask | None = None
) -> Annotation:
    """Read an entry of COCO's `annotations`; where it has a mask the box is the mask's.

    The `mask` is the record's own, where it was read before.
    """
    try:
        segmentation, planes = record.get("segmentation"), record.get("alpha_planes")
        if segmentation and mask is None:
            mask = mask_from_segmentation(segmentation, size_hw)
        return Annotation(
            label=label,
            box_xyxy=_box_of(record["bbox"]) if mask is None else mask.box_xyxy,
            score=record.get("score"),
            mask=mask,
            matte=matte_from_planes(planes, size_hw) if planes else None,
            track=record.get("track_id"),
            source=tuple(record.get("source", ())),
            crowd=bool(record.get("iscrowd")),
            keyframe=bool(record.get("keyframe")),
            extra=_others(record, _ANNOTATION_KEYS),
        )
    except (InvalidMask, KeyError, TypeError, ValueError) as error:
        raise _invalid(record, f"{type(error).__name__}: {error}") from error


def _write_lists(
    labeled: Iterable[Labeled],
    file: BinaryIO,
    spool: BinaryIO,
    ids: CocoIds,
    record_of: Callable[..., Json],
    in_clip: Callable[[Labeled], Json] | None,
) -> None:
    """Images go into the file, annotations into the spool; `ids` learns new labels."""
    annotation_ids, written = UnusedIds(), 0
    looked_at = (one for one in labeled if one.error is None)
    for place, one in enumerate(looked_at, start=1):
        height, width = one.image.size_hw
        image_id = ids.image(one.image.name, one.extra.get("id"))
        image = {"id": image_id, "file_name": one.image.name, "width": width, "height": height}
        more = _others(one.extra, frozenset({"id"})) | (in_clip(one) if in_clip else {})
        write_record(file, image | more, place)
        for annotation in one.annotations:
            written += 1
            record = record_of(
                annotation,
                image_id=image_id,
                annotation_id=annotation_ids.take(annotation.extra.get("id")),
                category_id=ids.category(annotation.label),
            )
            if annotation.extra:  # only what was read has any, and this is done for each object
                record |= _others(annotation.extra, frozenset({"id"}))
            if "video_id" in more:
                record["video_id"] = more["video_id"]
            write_record(spool, record, written)


def _xywh(box_xyxy: Box) -> list[float]:
    x0, y0, x1, y1 = box_xyxy
    return [x0, y0, x1 - x0, y1 - y0]


def _box_of(bbox: Sequence[float]) -> Box:
    x, y, width, height = (float(side) for side in bbox)
    if not (width >= 0 and height >= 0):
        raise InvalidMask(f"its bbox {list(bbox)} has a side that is no length")
    return x, y, x + width, y + height


def _invalid(record: Mapping[str, Any], reason: str) -> InvalidMask:
    return InvalidMask(
        f"Annotation {record.get('id')} can't be read: {reason}. Correct it, or take it out."
    )
