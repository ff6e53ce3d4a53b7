"""A <Repeater> of a label config: tags that are made anew for each item of a task's data."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_backend.project.task_data import shown_list

FLAG = "{{idx}}"
"""What stands for an item's number where the tag has no `indexFlag`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeater:
    """`on` is what it repeats (as in `$pages`); `flag` stands for the number of the item."""

    on: str
    flag: str = FLAG

    @classmethod
    def of(cls, element: ET.Element) -> Repeater:
        return cls(on=str(element.get("on")), flag=element.get("indexFlag") or FLAG)

    def numbers(self, data: Mapping[str, Any]) -> range:
        """The numbers of the items in a task's data, from 0 on."""
        return range(len(shown_list(self.on, data)))

    def repeated(self, text: str, number: int) -> str:
        """An attribute of a tag in it, for one of the items."""
        return text.replace(self.flag, str(number))
