"""The ids of images and categories in a COCO file: a person's own, or numbers from 1 on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from premask.errors import InvalidSetting
from premask.labels.image_names import ImageNames
from premask.labels.numbering import numbered

ImageId = int | str
"""COCO's own are numbers, other people's may be texts."""


class UnusedIds:
    """Hands out each id once."""

    def __init__(self) -> None:
        # Nearly always ids are counted from 1 on, and then a million of them need no memory.
        self._all_up_to = self._highest = 0
        self._others: set[ImageId] = set()

    def take(self, own: object = None) -> ImageId:
        """The id that something has already, unless it is taken, or else the number after all."""
        if own is None and self._highest == self._all_up_to:  # the short way, nearly always
            self._highest = self._all_up_to = self._highest + 1
            return self._highest
        taken: ImageId = self._highest + 1
        if isinstance(own, (int, str)) and self._is_free(own):
            taken = own
        if taken == self._all_up_to + 1:
            self._all_up_to += 1
        else:
            self._others.add(taken)
        if isinstance(taken, int):
            self._highest = max(self._highest, taken)
        return taken

    def _is_free(self, own: ImageId) -> bool:
        is_counted = isinstance(own, int) and 0 < own <= self._all_up_to
        return not is_counted and own not in self._others and not isinstance(own, bool)


@dataclass(slots=True, kw_only=True)
class CocoIds:
    """Ids by name. Where no file gave the images' ids, they are counted in the order they come in.

    A label that no category has gets the number after the highest. `head` is what else a file says
    of the whole dataset, and `category_records` what it says of each category.
    """

    categories: dict[str, int] = field(default_factory=dict)
    images: Mapping[str, ImageId] | None = None
    source: str = ""
    head: Mapping[str, object] = field(default_factory=dict)
    category_records: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    _own: UnusedIds = field(default_factory=UnusedIds)
    _names: ImageNames = field(default_factory=ImageNames)

    @classmethod
    def counted(cls, categories: Iterable[str] | None = None) -> CocoIds:
        """Numbers from 1 on, those of the categories in the order given."""
        return cls(categories=numbered(categories))

    @classmethod
    def from_file(cls, path: Path) -> CocoIds:
        """The ids of a person's COCO file, with its categories in the order of their ids."""
        try:
            data = json.loads(path.read_bytes())
            categories = {str(item["name"]): int(item["id"]) for item in data["categories"]}
            images = {str(item["file_name"]): item["id"] for item in data["images"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidSetting(
                f"The ids can't be taken from '{path}' ({type(error).__name__}: {error}). It must "
                "be a COCO file with 'images' and 'categories'."
            ) from error
        ordered = dict(sorted(categories.items(), key=lambda item: item[1]))
        names = ImageNames.of(images)
        return cls(categories=ordered, images=images, source=str(path), _names=names)

    def fresh(self) -> CocoIds:
        """The same for another file: what was counted and learned for this one is forgotten."""
        return CocoIds(
            categories=dict(self.categories),
            images=self.images,
            source=self.source,
            head=self.head,
            category_records=self.category_records,
            _names=self._names,
        )

    def category_record(self, label: str) -> dict[str, object]:
        """An entry of COCO's `categories`, with what the file said of it."""
        told = self.category_records.get(label, {})
        return {"id": self.categories[label], "name": label} | {
            key: value for key, value in told.items() if key not in ("id", "name")
        }

    def category(self, label: str) -> int:
        number = self.categories.get(label)
        if number is None:
            number = self.categories[label] = max(self.categories.values(), default=0) + 1
        return number

    def image(self, name: str, own: object = None) -> ImageId:
        """The id of the image that the file calls so, or of the only one of that name anywhere.

        Without a file it is the image's own, if no other image has it, or the next number.
        """
        if self.images is None:
            return self._own.take(own)
        if name in self.images:
            return self.images[name]
        own_name = self._names.find(name)
        if own_name is None:
            alike = self._names.alike(name)
            found = f"{len(alike)} images of that name" if alike else "no image of that name"
            raise InvalidSetting(
                f"'{name}' has no id: {self.source} has {found}. Annotate the images that it "
                "names, or choose another --root, below which the names are the same."
            )
        return self.images[own_name]

    def require_images(self, names: Iterable[str]) -> None:
        """Raise for an image that the file does not name."""
        if self.images is not None:
            for name in names:
                self.image(name)
