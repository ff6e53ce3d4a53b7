"""The images and categories of a COCO file: which there are, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from premask.datasets.image_files import ImageFiles
from premask.datasets.problems import Health
from premask.datasets.record_check import KnownImage, looked_up
from premask.decoding import upright_size
from premask.errors import UnreadableImage
from premask.masks import Size

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class ImageCheck:
    """Looks at images and categories, and keeps their mended records."""

    files: ImageFiles
    health: Health
    images: dict[object, KnownImage] = field(default_factory=dict)
    labels: dict[object, str] = field(default_factory=dict)
    image_records: list[Json] = field(default_factory=list)
    category_records: list[Json] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add_image(self, record: object) -> None:
        self.health.images += 1
        number = looked_up(record.get("id")) if isinstance(record, dict) else None
        if not isinstance(record, dict) or number is None:
            where = f"image {self.health.images}"
            self.health.add("no record", where, "it has no id", "left out")
            return
        name = str(record.get("file_name", ""))
        where = f"image {name or number}"
        if number in self.images:
            what = f"an image before it has the same id, {number}"
            self.health.add("id", where, what, "left out, its annotations are the first one's")
            return
        if not name or name in self._names:
            what = "an image before it has the same name" if name else "it has no file_name"
            self.health.add("name", where, what)
        self._names.add(name)
        size_hw = self._size_of(record, name, where)
        self.images[number] = KnownImage(name, size_hw)
        sides = {} if size_hw is None else {"height": size_hw[0], "width": size_hw[1]}
        self.image_records.append({**record, **sides})

    def add_categories(self, records: object) -> None:
        for place, record in enumerate(records if isinstance(records, list) else ()):
            number = looked_up(record.get("id")) if isinstance(record, dict) else None
            where = f"category {place + 1}"
            if number is None:
                self.health.add("no record", where, "it has no id", "left out")
            elif number in self.labels:
                what = f"one before it has the same id, {number}"
                self.health.add("id", where, what, "left out")
            else:
                name = str(record.get("name", ""))
                if not name or name in self.labels.values():
                    what = f"one before it is called '{name}', too" if name else "it has no name"
                    self.health.add("name", where, what)
                self.labels[number] = name
                self.category_records.append(record)

    def _size_of(self, record: Json, name: str, where: str) -> Size | None:
        """What the record says, or else the file; None if nobody knows."""
        height, width = (_side_of(record.get(side)) for side in ("height", "width"))
        told = record.get("height"), record.get("width")
        what = f"its height and width are {told[0]!r} and {told[1]!r}"
        if height and width:
            if told != (height, width):
                self.health.add("size", where, what, "numbers")
            check_file(name, (height, width), self.files, self.health)
            return height, width
        real = check_file(name, (0, 0), self.files, self.health)
        self.health.add("size", where, what, "the file's" if real else "")
        return real


def check_file(name: str, size_hw: Size, files: ImageFiles, health: Health) -> Size | None:
    """Note if the file of an image is missing or has another size than it says; its real size.

    (0, 0) says nothing. Without any files nothing is looked at.
    """
    if not files:
        return None
    where = f"image {name}"
    try:
        real = upright_size(files.require(name))
    except UnreadableImage as error:
        health.add("file", where, str(error))
        return None
    if size_hw not in (real, (0, 0)):
        turned = " It lies on a side: its EXIF turns it." if real == size_hw[::-1] else ""
        what = f"it says {size_hw[1]} x {size_hw[0]}, and the file has {real[1]} x {real[0]} pixels"
        health.add("size", where, f"{what}.{turned}")
    return real


def _side_of(value: object) -> int:
    """A length in pixels, also one that was written as 640.0 or "640"; 0 for what is none."""
    try:
        length = float(str(value))
    except ValueError:
        return 0
    return int(length) if length.is_integer() and length > 0 else 0
