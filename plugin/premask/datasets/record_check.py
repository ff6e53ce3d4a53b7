"""One annotation of a COCO file, which may be wrong in any way: what is wrong, and mended."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from premask.datasets.problems import Health
from premask.errors import InvalidMask
from premask.labels.coco_rle import mask_from_segmentation, plain_polygons
from premask.masks import Mask, Size

Json = dict[str, Any]

SLACK = 2.0
"""So many pixels boxes and drawn polygons may be off their own pixels, and nothing is wrong."""


class KnownImage(NamedTuple):
    """An image that annotations may be of; its size is None where the file does not tell."""

    name: str
    size_hw: Size | None


@dataclass(slots=True, kw_only=True)
class RecordCheck:
    """Looks at one record after the other, and notes what is wrong in `health`.

    `free_id` is a number from which on no annotation has an id.
    """

    images: Mapping[object, KnownImage]
    labels: Mapping[object, str]
    health: Health
    free_id: int
    _ids: set[object] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)

    def mended(self, record: object) -> tuple[Json | None, Mask | None]:
        """The record as a mended copy has it, None if it is left out; and its mask."""
        self.health.annotations += 1
        if not isinstance(record, dict):
            self.health.add("no record", f"annotation {self.health.annotations}", "it is no object")
            return None, None
        where = f"annotation {record.get('id')}"
        image = self._image_of(record, where)
        if image is None:
            return None, None
        where = f"{where} of {image.name}"
        record = self._with_own_id(record, where)
        mask = None
        if image.size_hw is not None:
            record, mask = self._with_mask(record, image.size_hw, where)
            checked = self._with_box(record, mask, image.size_hw, where)
            if checked is None:
                return None, None
            record = checked
        self._note_numbers(record, where)
        return (None, None) if self._is_twice(record, mask, where) else (record, mask)

    def _image_of(self, record: Json, where: str) -> KnownImage | None:
        image, category = looked_up(record.get("image_id")), looked_up(record.get("category_id"))
        if image not in self.images:
            what = f"its image_id {record.get('image_id')!r} is no image's"
            self.health.add("unknown image", where, what, "left out")
            return None
        if category not in self.labels:
            what = f"its category_id {record.get('category_id')!r} is no category's"
            self.health.add("unknown category", where, what, "left out")
            return None
        return self.images[image]

    def _with_own_id(self, record: Json, where: str) -> Json:
        number = looked_up(record.get("id"))
        if number is not None and number not in self._ids:
            self._ids.add(number)
            return record
        what = "it has no id" if number is None else "an annotation before it has the same id"
        self.health.add("id", where, what, f"id {self.free_id}")
        self.free_id += 1
        return {**record, "id": self.free_id - 1}

    def _with_mask(self, record: Json, size_hw: Size, where: str) -> tuple[Json, Mask | None]:
        segmentation = record.get("segmentation")
        if not segmentation:
            return record, None
        try:
            mask = mask_from_segmentation(segmentation, size_hw)
        except InvalidMask as error:
            return self._with_what_is_left(record, size_hw, where, str(error))
        if isinstance(segmentation, list):
            polygons = plain_polygons(segmentation)
            if polygons != segmentation:
                what = "its segmentation is no list of polygons [x, y, x, y, ...]"
                self.health.add("form", where, what, "such a list")
                segmentation, record = polygons, {**record, "segmentation": polygons}
        if isinstance(segmentation, list) and _sticks_out(segmentation, size_hw):
            what = "its polygons reach beyond the image"
            self.health.add("outside", where, what, "an RLE of what is inside")
            record = {**record, "segmentation": mask.rle}
        return record, mask

    def _with_what_is_left(
        self, record: Json, size_hw: Size, where: str, why: str
    ) -> tuple[Json, Mask | None]:
        """The polygons that can be read, or else no segmentation."""
        good = []
        for polygon in record["segmentation"] if isinstance(record["segmentation"], list) else ():
            try:
                mask_from_segmentation([polygon], size_hw)
                good.append(polygon)
            except InvalidMask:
                continue
        if good:
            self.health.add("broken mask", where, why, "the other polygons")
            return {**record, "segmentation": good}, mask_from_segmentation(good, size_hw)
        self.health.add("broken mask", where, why, "no segmentation")
        return {key: value for key, value in record.items() if key != "segmentation"}, None

    def _with_box(self, record: Json, mask: Mask | None, size_hw: Size, where: str) -> Json | None:
        """The record with a box and an area that fit; None where there is nothing to be seen."""
        if mask is not None:
            if not mask.area:
                self.health.add("empty", where, "its mask has no pixel", "left out")
                return None
            return self._fitted(record, mask, where)
        box = _numbers(record.get("bbox"), 4)
        if box is None:
            what = f"it has no mask, and its bbox {record.get('bbox')!r} is no box"
            self.health.add("no shape", where, what, "left out")
            return None
        inside = _clipped(box, size_hw)
        if inside[2] <= 0 or inside[3] <= 0:
            what = f"its bbox {_short(box)} has no pixel on the image"
            self.health.add("empty", where, what, "left out")
            return None
        if _apart(box, inside) > SLACK:
            what = f"its bbox {_short(box)} reaches beyond the image"
            self.health.add("outside", where, what, f"bbox {_short(inside)}")
            return {**record, "bbox": inside}
        return record

    def _fitted(self, record: Json, mask: Mask, where: str) -> Json:
        x0, y0, x1, y1 = mask.box_xyxy
        own = [float(side) for side in (x0, y0, x1 - x0, y1 - y0)]
        # Where polygons get thin, no pixel is inside: the box of their corners is right, too.
        right = [own, *_corner_boxes(record["segmentation"])]
        box, area = _numbers(record.get("bbox"), 4), _numbers([record.get("area")], 1)
        if "bbox" in record and (box is None or all(_apart(box, fit) > SLACK for fit in right)):
            what = f"its bbox {_short(record['bbox'])} is not its mask's"
            self.health.add("box", where, what, f"bbox {_short(own)}")
            record = {**record, "bbox": own}
        # What lies within a pixel of the outline may count or not.
        slack = max(0.1 * mask.area, own[2] + own[3])
        if "area" in record and (area is None or abs(area[0] - mask.area) > slack):
            what = f"its area {record['area']!r} is not its mask's"
            self.health.add("area", where, what, f"area {mask.area}")
            record = {**record, "area": mask.area}
        return record

    def _note_numbers(self, record: Json, where: str) -> None:
        score = record.get("score")
        if score is not None and not (isinstance(score, (int, float)) and 0 <= score <= 1):
            self.health.add("score", where, f"its score {score!r} is not between 0 and 1")
        if record.get("iscrowd") not in (None, 0, 1):
            self.health.add("crowd", where, f"its iscrowd {record['iscrowd']!r} is not 0 or 1")

    def _is_twice(self, record: Json, mask: Mask | None, where: str) -> bool:
        shape = record.get("bbox") if mask is None else mask.counts
        told = (looked_up(record["image_id"]), looked_up(record["category_id"]), shape)
        # A million masks have no room; of each a hash is kept.
        key = hashlib.blake2b(repr(told).encode(), digest_size=16).digest()
        if key in self._seen:
            what = "one before it has the same class and the same pixels"
            self.health.add("twice", where, what, "left out")
            return True
        self._seen.add(key)
        return False


def looked_up(value: object) -> object:
    """An id that can be looked up; COCO's are numbers or texts, what else there is is none.

    A whole number may be 1.0, as pandas writes it: it finds what has the id 1.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def _numbers(values: object, count: int) -> list[float] | None:
    if not isinstance(values, (list, tuple)) or len(values) != count:
        return None
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
        return None
    return [float(value) for value in values]


def _sides(box_xywh: Sequence[float]) -> tuple[float, ...]:
    x, y, width, height = box_xywh
    return x, y, x + width, y + height


def _apart(box_xywh: Sequence[float], other_xywh: Sequence[float]) -> float:
    """How far the sides that are farthest from each other are, in pixels."""
    sides = zip(_sides(box_xywh), _sides(other_xywh), strict=True)
    return max(abs(one - other) for one, other in sides)


def _corner_boxes(segmentation: object) -> list[list[float]]:
    """The box around the corners of all polygons, if it is polygons."""
    if not isinstance(segmentation, list):
        return []
    x = [number for polygon in segmentation for number in polygon[0::2]]
    y = [number for polygon in segmentation for number in polygon[1::2]]
    return [[min(x), min(y), max(x) - min(x), max(y) - min(y)]]


def _clipped(box_xywh: Sequence[float], size_hw: Size) -> list[float]:
    x0, y0, x1, y1 = _sides(box_xywh)
    height, width = size_hw
    left, top = min(max(x0, 0.0), width), min(max(y0, 0.0), height)
    return [left, top, min(max(x1, 0.0), width) - left, min(max(y1, 0.0), height) - top]


def _sticks_out(polygons: Sequence[Sequence[float]], size_hw: Size) -> bool:
    height, width = size_hw
    return any(
        min(polygon) < -SLACK
        or max(polygon[0::2]) > width + SLACK
        or max(polygon[1::2]) > height + SLACK
        for polygon in polygons
    )


def _short(box: object) -> str:
    numbers = _numbers(box, 4)
    return repr(box)[:60] if numbers is None else "[" + ", ".join(f"{n:g}" for n in numbers) + "]"
