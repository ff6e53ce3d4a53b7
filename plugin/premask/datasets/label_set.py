"""All labels of one side of a comparison, with the boxes and areas that its file tells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from premask.annotations import Labeled
from premask.datasets.image_files import Images
from premask.datasets.reading import read
from premask.errors import InvalidMask, InvalidSetting
from premask.evaluation.objects import TableRow
from premask.labels.coco_rle import (
    mask_from_segmentation,
    masks_from_segmentations,
    matte_from_planes,
)
from premask.masks import Mask, Matte, Size

Json = dict[str, Any]
Source = str | Path | Iterable[Labeled]
"""A file or a folder of labels in any format that can be read, or the labels themselves."""


@dataclass(slots=True, kw_only=True)
class LabeledImage:
    """One image's objects; `phrases` are what was looked for, where the file says so."""

    name: str
    size_hw: Size
    rows: list[TableRow] = field(default_factory=list)
    mattes: list[Matte] = field(default_factory=list)
    phrases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """Images by name, in order; `image_ids` and `class_ids` are COCO's own, by id."""

    source: str
    images: Mapping[str, LabeledImage]
    classes: Sequence[str] = ()
    image_ids: Mapping[object, str] = field(default_factory=dict)
    class_ids: Mapping[object, str] = field(default_factory=dict)


def read_label_set(
    source: Source, images: Images | None = None, *, truth: LabelSet | None = None
) -> LabelSet:
    """Read one side; a list of results takes the names of images and classes from the truth.

    Formats that don't tell how large their images are need the `images`.
    """
    if not isinstance(source, (str, Path)):
        return _from_labeled(source, "labels")
    path = Path(source)
    data = _json_of(path)
    if isinstance(data, list) and (_is_result(data[0]) if data else truth is not None):
        return _from_results(data, path, truth)
    if isinstance(data, dict) and _is_coco(data):
        return _from_coco(data, path)
    return _from_labeled(read(path, images), str(path))


def _from_labeled(labeled: Iterable[Labeled], source: str) -> LabelSet:
    images: dict[str, LabeledImage] = {}
    for one in labeled:
        if one.error is not None:
            continue
        name = one.image.name
        if name in images:
            raise InvalidSetting(f"{source} has two images with the name '{name}'.")
        images[name] = LabeledImage(
            name=name,
            size_hw=one.image.size_hw,
            rows=[TableRow.of(annotation) for annotation in one.annotations],
            mattes=[found.matte for found in one.annotations if found.matte is not None],
        )
    return LabelSet(source=source, images=images)


def _json_of(path: Path) -> object:
    """What a JSON file holds; None for other files, folders, and JSON that is broken."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # whoever reads the format says what is wrong


def _is_coco(data: Json) -> bool:
    """Whether it has COCO's lists; those of panoptic maps and of videos have other records."""
    annotations = data.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else {}
    is_other = isinstance(first, dict) and "segments_info" in first
    return {"images", "annotations", "categories"} <= data.keys() and not is_other


def _is_result(record: object) -> bool:
    return isinstance(record, dict) and {"image_id", "category_id"} <= record.keys()


def _from_coco(data: Json, path: Path) -> LabelSet:
    """COCO's own boxes and areas: those of drawn polygons are not quite those of their pixels."""
    with _reading(path):
        labels = {category["id"]: str(category["name"]) for category in data["categories"]}
        # pycocotools goes by the ids, and of equal scores the first one counts first.
        records = sorted(data["images"], key=lambda image: _sortable(image["id"]))
        images = {image["id"]: _image_of(image, labels) for image in records}
        names = {image_id: image.name for image_id, image in images.items()}
        if len(set(names.values())) < len(records):
            raise InvalidMask("two of its images have the same name or the same id")
        owners = [images[record["image_id"]] for record in data["annotations"]]
        names_of = [labels[record["category_id"]] for record in data["annotations"]]
        for image, row in zip(owners, _rows(data["annotations"], names_of, owners), strict=True):
            image.rows.append(row)
        for image, record in zip(owners, data["annotations"], strict=True):
            if record.get("alpha_planes"):
                image.mattes.append(matte_from_planes(record["alpha_planes"], image.size_hw))
    return LabelSet(
        source=str(path),
        images={image.name: image for image in images.values()},
        # Each once: a file may have two categories of one name.
        classes=tuple(dict.fromkeys(labels[number] for number in sorted(labels, key=_sortable))),
        image_ids=names,
        class_ids=labels,
    )


def _image_of(image: Json, labels: Mapping[object, str]) -> LabeledImage:
    size_hw = int(image["height"]), int(image["width"])
    phrases = {labels[number] for number in image.get("neg_category_ids", ())}
    return LabeledImage(name=str(image["file_name"]), size_hw=size_hw, phrases=frozenset(phrases))


def _from_results(records: Sequence[Json], path: Path, truth: LabelSet | None) -> LabelSet:
    """Rows as pycocotools' `loadRes` has them: with the area of the box, if the first has one."""
    if truth is None or not truth.image_ids:
        raise InvalidSetting(
            f"'{path}' is a list of results with ids in the place of names. Compare it with the "
            "COCO file that has these ids."
        )
    images = {
        name: LabeledImage(name=name, size_hw=truth.images[name].size_hw)
        for name in truth.image_ids.values()
    }
    by_box = bool(records and records[0].get("bbox"))
    with _reading(path):
        for record in records:
            for key, known in (("image_id", truth.image_ids), ("category_id", truth.class_ids)):
                if record[key] not in known:
                    raise InvalidMask(
                        f"its {key} {record[key]!r} is not in '{truth.source}'. Is it another "
                        "dataset's?"
                    )
        owners = [images[truth.image_ids[record["image_id"]]] for record in records]
        labels = [truth.class_ids[record["category_id"]] for record in records]
        for image, row in zip(owners, _rows(records, labels, owners), strict=True):
            *_, width, height = row.box_xywh
            by_mask = 0 if row.mask is None else row.mask.area
            image.rows.append(row._replace(area=width * height if by_box else by_mask, crowd=False))
    return LabelSet(
        source=str(path),
        images=images,
        classes=truth.classes,
        image_ids=truth.image_ids,
        class_ids=truth.class_ids,
    )


def _rows(
    records: Sequence[Json], labels: Sequence[str], owners: Sequence[LabeledImage]
) -> Iterator[TableRow]:
    """All records' rows; their masks are read together, which is much faster."""
    sizes = [owner.size_hw for owner in owners]
    masked = [place for place, record in enumerate(records) if record.get("segmentation")]
    masks: dict[int, Mask] = {}
    segmentations = [records[place]["segmentation"] for place in masked]
    try:
        read = masks_from_segmentations(segmentations, [sizes[place] for place in masked])
        masks = dict(zip(masked, read, strict=True))
    except InvalidMask:
        pass  # one of them is broken: below it is read again, and named
    for place, record in enumerate(records):
        try:
            mask = masks.get(place)
            if mask is None and record.get("segmentation"):
                mask = mask_from_segmentation(record["segmentation"], sizes[place])
            yield _row(record, labels[place], mask)
        except (InvalidMask, TypeError, ValueError) as error:
            raise InvalidMask(f"annotation {record.get('id')} is wrong: {error}") from error


def _row(record: Json, label: str, mask: Mask | None) -> TableRow:
    box, area, score = (record.get(key) for key in ("bbox", "area", "score"))
    if mask is not None and not box:
        x0, y0, x1, y1 = mask.box_xyxy
        box = x0, y0, x1 - x0, y1 - y0
    if box is None:
        raise InvalidMask("it has neither a segmentation nor a bbox")
    x, y, width, height = (float(side) for side in box)
    if area is None:
        area = width * height if mask is None else mask.area
    return TableRow(
        label=label,
        score=None if score is None else float(score),
        box_xywh=(x, y, width, height),
        area=float(area),
        crowd=bool(record.get("iscrowd")),
        mask=mask,
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say which file it is that can't be read."""
    try:
        yield
    except (InvalidMask, KeyError, TypeError, ValueError, AttributeError) as error:
        kind = "" if isinstance(error, InvalidMask) else f"{type(error).__name__}: "
        raise InvalidMask(
            f"'{path}' can't be read as COCO: {kind}{error}. What is wrong with it says "
            f"`premask check {path}`, and --fix mends what can be mended."
        ) from error


def _sortable(number: object) -> tuple[bool, float, str]:
    """Ids in order; COCO's own are numbers, other people's may be texts."""
    is_number = isinstance(number, (int, float))
    return not is_number, float(str(number)) if is_number else 0.0, str(number)
