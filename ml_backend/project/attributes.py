"""Attributes of objects: what a project asks of each region, beside its label and its shape."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_backend.studio.protocol import Json
from premask.exchange.records import SentLabel, Value
from premask.labels.label_studio import META_KEY

YES, NO = "yes", "no"
"""The choices of an attribute that is true or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeControl:
    """A control with `perRegion="true"`, which has the name of the attribute."""

    name: str
    tag: str
    choices: tuple[str, ...] = ()

    @property
    def region_type(self) -> str:
        return self.tag.lower()

    def value_of(self, value: Value) -> Json | None:
        """What a region's value says for an attribute; None where the control can't say it."""
        return _WRITERS[self.tag](self, value)

    def read(self, value: Mapping[str, Any]) -> Value | None:
        """The attribute in a region's value; of several choices or texts, all with commas."""
        said = value.get(_KEYS[self.tag])
        if isinstance(said, list):
            said = ", ".join(map(str, said)) or None
        if self.is_bool and said in (YES, NO):
            return bool(said == YES)
        return said if isinstance(said, (str, int, float)) else None

    @property
    def is_bool(self) -> bool:
        return sorted(self.choices) == [NO, YES]


def _choice(control: AttributeControl, value: Value) -> Json | None:
    text = (YES if value else NO) if isinstance(value, bool) else str(value)
    return {"choices": [text]} if text in control.choices else None


def _number(control: AttributeControl, value: Value) -> Json | None:
    return None if isinstance(value, (str, bool)) else {"number": value}


def _text(control: AttributeControl, value: Value) -> Json | None:
    return {"text": [value]} if isinstance(value, str) else None


_WRITERS: dict[str, Callable[[AttributeControl, Value], Json | None]] = {
    "Choices": _choice,
    "Number": _number,
    "TextArea": _text,
}
_KEYS = {"Choices": "choices", "Number": "number", "TextArea": "text"}


def attribute_controls(label_config: str) -> tuple[AttributeControl, ...]:
    """The controls of a label config that ask something of each region."""
    found = (
        element
        for element in ET.fromstring(label_config).iter()
        if element.tag in _WRITERS and element.get("perRegion") == "true"
    )
    return tuple(
        AttributeControl(
            name=str(element.get("name")),
            tag=element.tag,
            choices=tuple(
                str(choice.get("alias") or choice.get("value")) for choice in element.iter("Choice")
            ),
        )
        for element in found
    )


def attribute_regions(
    regions: Sequence[Json], labels: Mapping[str, SentLabel], controls: Iterable[AttributeControl]
) -> Iterator[Json]:
    """What is known of each object, said of the first of its regions."""
    controls = tuple(controls)
    for region in regions:
        known = region["meta"][META_KEY]
        if known["part"] != 0 or not region["value"]:
            continue
        for control in controls:
            value = labels[known["object"]].attributes.get(control.name)
            said = None if value is None else control.value_of(value)
            if said is not None:
                yield {
                    "id": region["id"],
                    "type": control.region_type,
                    "from_name": control.name,
                    "to_name": region["to_name"],
                    "original_width": region["original_width"],
                    "original_height": region["original_height"],
                    "image_rotation": 0,
                    "value": said,
                }


def attributes_said(
    results: Iterable[Mapping[str, Any]], controls: Iterable[AttributeControl]
) -> dict[str, dict[str, Value | None]]:
    """By the id of the region that it is said of: the value of each control, or None."""
    by_name = {control.name: control for control in controls}
    said: dict[str, dict[str, Value | None]] = {}
    for result in results:
        control = by_name.get(str(result.get("from_name")))
        if control is not None and isinstance(result.get("value"), Mapping):
            own = said.setdefault(str(result.get("id")), dict.fromkeys(by_name))
            own[control.name] = control.read(result["value"])
    return said
