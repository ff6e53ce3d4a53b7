"""COCO files and lists of results as sides of a comparison, with the boxes and areas they tell."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from premask.datasets.comparison_side import LabeledImage, LabelSet
from premask.errors import InvalidMask, InvalidSetting
from premask.evaluation.objects import TableRow
from premask.json_stream import JsonStream
from premask.labels.coco import labels_from_head
from premask.labels.coco_index import CocoIndex, OwnedRecords
from premask.labels.coco_rle import mask_from_segmentation, masks_of_records, matte_from_planes
from premask.masks import Mask, Size
from premask.runs.progress import ProgressCounter, ProgressWatcher

Json = dict[str, Any]


def coco_set(path: Path, on_progress: ProgressWatcher | None = None) -> LabelSet:
    """COCO's own boxes and areas: those of drawn polygons are not quite those of their pixels."""
    records = _Records(path, on_progress)
    with _reading(path):
        index = CocoIndex.of(records.file, on_annotation=records.note)
        index.annotations.require_images(index.image_ids, records.file)
        labels = labels_from_head(index.head)
        # pycocotools goes by the ids, and of equal scores the first one counts first.
        images = sorted(index.images(records.file), key=lambda image: _sortable(image["id"]))
        names = {image["id"]: str(image["file_name"]) for image in images}
        if len(set(names.values())) < len(images):
            raise InvalidMask("two of its images have the same name or the same id")
        records.owned, records.labels = index.annotations, labels
        records.ids = {name: number for number, name in names.items()}
        records.sizes = {
            name: (int(image["height"]), int(image["width"]))
            for name, image in zip(names.values(), images, strict=True)
        }
        records.phrases = {
            names[image["id"]]: frozenset(labels[n] for n in image["neg_category_ids"])
            for image in images
            if image.get("neg_category_ids")
        }
        used = frozenset(labels[number] for number in records.class_ids)
    return LabelSet(
        source=str(path),
        sizes=records.sizes,
        load=records.load,
        # Each once: a file may have two categories of one name.
        classes=tuple(dict.fromkeys(labels[number] for number in sorted(labels, key=_sortable))),
        labels=used,
        stuff=stuff_among(index.head["categories"]),
        has_mattes=records.has_mattes,
        names_phrases=bool(records.phrases),
        image_ids=names,
        class_ids=labels,
    )


def stuff_among(categories: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """The names of COCO's categories that are no things, where it says so."""
    return frozenset(str(one["name"]) for one in categories if one.get("isthing") == 0)


def results_set(
    path: Path, truth: LabelSet | None, on_progress: ProgressWatcher | None = None
) -> LabelSet:
    """Rows as pycocotools' `loadRes` has them: with the area of the box, if the first has one."""
    if truth is None or not truth.image_ids:
        raise InvalidSetting(
            f"'{path}' is a list of results with ids in the place of names. Compare it with the "
            "COCO file that has these ids."
        )
    records = _Records(path, on_progress)
    records.labels, records.sizes = truth.class_ids, truth.sizes
    records.ids = {name: number for number, name in truth.image_ids.items()}
    known = {"image_id": truth.image_ids, "category_id": truth.class_ids}
    areas: list[Callable[[TableRow], float]] = []

    def note(record: Json) -> None:
        for key, ids in known.items():
            if record[key] not in ids:
                raise InvalidMask(
                    f"its {key} {record[key]!r} is not in '{truth.source}'. Is it another "
                    "dataset's?"
                )
        if not areas:
            areas.append(_box_area if record.get("bbox") else _mask_area)
        records.note(record)

    with _reading(path):
        records.owned.add_list(JsonStream(records.file), note)

    def load(names: Sequence[str]) -> list[LabeledImage]:
        images = records.load(names)
        for image in images:
            image.rows = [row._replace(area=areas[0](row), crowd=False) for row in image.rows]
        return images

    return LabelSet(
        source=str(path),
        sizes=truth.sizes,
        load=load,
        classes=truth.classes,
        labels=frozenset(truth.class_ids[number] for number in records.class_ids),
        image_ids=truth.image_ids,
        class_ids=truth.class_ids,
    )


class _Records:
    """The annotations of a file that stays open; in memory is where each of them is."""

    def __init__(self, path: Path, on_progress: ProgressWatcher | None) -> None:
        self.path, self.file = path, path.open("rb")
        weakref.finalize(self, self.file.close)
        self.owned = OwnedRecords()
        self.labels: Mapping[object, str] = {}
        self.ids: Mapping[str, object] = {}
        self.sizes: Mapping[str, Size] = {}
        self.phrases: Mapping[str, frozenset[str]] = {}
        self.class_ids = set[object]()
        self.has_mattes = False
        self._counter = ProgressCounter(on_progress=on_progress, thing="annotations")

    def note(self, record: Json) -> None:
        """See a record on the way to its place in the index."""
        self.class_ids.add(record["category_id"])
        self.has_mattes |= bool(record.get("alpha_planes"))
        self._counter.count()

    def load(self, names: Sequence[str]) -> list[LabeledImage]:
        with _reading(self.path):
            owned = [self.owned.of(self.ids[name], self.file) for name in names]
            sizes = [self.sizes[name] for name in names]
            of_size = [
                (record, size_hw)
                for records, size_hw in zip(owned, sizes, strict=True)
                for record in records
            ]
            rows = _rows(of_size, self.labels)
            return [
                LabeledImage(
                    name=name,
                    size_hw=size_hw,
                    rows=[next(rows) for _ in records],
                    mattes=[
                        matte_from_planes(record["alpha_planes"], size_hw)
                        for record in records
                        if record.get("alpha_planes")
                    ],
                    phrases=self.phrases.get(name, frozenset()),
                )
                for name, size_hw, records in zip(names, sizes, owned, strict=True)
            ]


def _rows(of_size: Sequence[tuple[Json, Size]], labels: Mapping[object, str]) -> Iterator[TableRow]:
    """The rows of records, each with its image's size; masks are read together, much faster."""
    masks = masks_of_records([record for record, _ in of_size], [size for _, size in of_size])
    for (record, size_hw), mask in zip(of_size, masks, strict=True):
        try:
            if mask is None and record.get("segmentation"):
                mask = mask_from_segmentation(record["segmentation"], size_hw)
            yield _row(record, labels[record["category_id"]], mask)
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


def _box_area(row: TableRow) -> float:
    *_, width, height = row.box_xywh
    return width * height


def _mask_area(row: TableRow) -> float:
    return 0 if row.mask is None else row.mask.area


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
