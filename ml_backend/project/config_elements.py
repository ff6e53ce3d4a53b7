"""The XML of a label config, element by element; what a <Repeater> makes anew is apart."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from ml_backend.project.repeaters import Repeater
from premask.errors import UnusableLabelConfig


def root_of(xml: str) -> ET.Element:
    # A label config has no use for a document type, and its entities can fill the memory.
    if "<!DOCTYPE" in xml.upper():
        raise UnusableLabelConfig("The label config has a document type (<!DOCTYPE>); remove it.")
    try:
        return ET.fromstring(xml)
    except ET.ParseError as error:
        raise UnusableLabelConfig(f"The label config is no XML ({error}); correct it.") from error


def elements_of(root: ET.Element) -> Iterator[ET.Element]:
    """All elements but those in a <Repeater>."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(child for child in reversed(element) if child.tag != "Repeater")


def repeated_elements(root: ET.Element) -> Iterator[tuple[ET.Element, Repeater]]:
    """The elements in each <Repeater>; what is repeated within that is left to people."""
    for element in elements_of(root):
        for child in element:
            if child.tag == "Repeater":
                for repeated in child.iterfind("*"):
                    if repeated.tag != "Repeater":
                        yield from ((inner, Repeater.of(child)) for inner in elements_of(repeated))
