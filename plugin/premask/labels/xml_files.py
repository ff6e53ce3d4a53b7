"""XML that somebody else wrote, up to a size, and without entities that grow."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from premask.errors import InvalidMask
from premask.images import read_file

MOST_BYTES = 2**29


def read_xml(path: Path) -> Element:
    """The root of a file; `InvalidMask` if it is no XML, or defines entities."""
    if path.stat().st_size > MOST_BYTES:
        raise InvalidMask(f"'{path}' has more than {MOST_BYTES:,} bytes.")
    data = read_file(path, path.name)
    if b"<!ENTITY" in data:
        raise InvalidMask(f"'{path}' defines entities, which no label needs.")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise InvalidMask(f"'{path}' is no XML that can be read: {error}.") from error


def text_in(element: Element, name: str) -> str:
    """The text of a child; `InvalidMask` where there is none."""
    text = element.findtext(name)
    if text is None:
        raise InvalidMask(f"<{element.tag}> has no <{name}>.")
    return text


def number_in(element: Element, name: str) -> float:
    """The number in an attribute, or else in a child."""
    text = element.get(name)
    return float(text_in(element, name) if text is None else text)


def xml_bytes(root: Element) -> bytes:
    """The file of an element, indented."""
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8")
    return data + b"\n"
