"""Annotations <-> CVAT's XML for images: masks as run lengths along the rows, boxes, polygons."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement, iterparse
from xml.sax.saxutils import escape

import numpy as np

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import replacing
from premask.geometry import Box, clip_box, pixel_box
from premask.images import Image
from premask.labels.coco_rle import mask_from_segmentation
from premask.labels.glimpse import Glimpse
from premask.labels.numbering import number_new, numbered
from premask.labels.xml_files import number_in, xml_bytes
from premask.masks import Mask, Size

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
Shape = tuple[Box, Mask | None]


def write_cvat(
    labeled: Iterable[Labeled], path: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write one file in one pass; the labels, which come first, are known last."""
    numbers, place = numbered(categories), 0
    with replacing(path) as file, tempfile.TemporaryFile(dir=path.parent) as spool:
        for one in labeled:
            if one.error is None:
                number_new(numbers, one.annotations)
                spool.write(xml_bytes(_to_xml(one, place)))
                place += 1
        labels = "".join(f"<label><name>{escape(name)}</name></label>\n" for name in numbers)
        meta = f"<meta><task><labels>\n{labels}</labels></task></meta>\n"
        file.write((_HEAD + meta).encode())
        spool.seek(0)
        shutil.copyfileobj(spool, file)
        file.write(b"</annotations>\n")
    return (path,)


def is_cvat(glimpse: Glimpse) -> bool:
    """Whether a file is CVAT's XML for images; that for videos has tracks in it."""
    return b"<annotations>" in glimpse.head and b"<version>1.1" in glimpse.head


def read_cvat(path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read image after image; tracks of videos are not read."""
    try:
        for _, element in iterparse(path, events=("end",)):
            if element.tag == "track":
                raise InvalidMask("it has tracks of a video; export it as 'CVAT for images'")
            if element.tag == "image":
                yield _from_xml(element)
                element.clear()
    except (InvalidMask, ParseError, OSError, ValueError, TypeError) as error:
        raise InvalidMask(f"'{path}' can't be read as CVAT: {error}") from error


def _to_xml(one: Labeled, place: int) -> Element:
    height, width = one.image.size_hw
    root = Element(
        "image", id=str(place), name=one.image.name, width=str(width), height=str(height)
    )
    for found in one.annotations:
        values = {"label": found.label, "source": "auto" if found.source else "manual"}
        if found.mask is None or not found.mask.area:
            sides = zip(("xtl", "ytl", "xbr", "ybr"), found.box_xyxy, strict=True)
            values |= {name: f"{side:.10g}" for name, side in sides}
        else:
            values |= _mask_values(found.mask)
        kind = "mask" if "rle" in values else "box"
        shape = SubElement(root, kind, {**values, "occluded": "0", "z_order": "0"})
        if found.score is not None:
            SubElement(shape, "attribute", name="score").text = repr(float(found.score))
    return root


def _mask_values(mask: Mask) -> dict[str, str]:
    """The lengths of runs of 0 and 1 along the rows of the box, beginning with 0."""
    x0, y0, x1, y1 = mask.box_xyxy
    pixels = mask.crop().ravel()
    edges = np.flatnonzero(np.diff(pixels, prepend=False))
    lengths = np.diff(edges, prepend=0, append=pixels.size).tolist()
    sides = {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}
    return {"rle": ", ".join(map(str, lengths)), **{name: str(n) for name, n in sides.items()}}


def _from_xml(element: Element) -> Labeled:
    size_hw = (int(element.attrib["height"]), int(element.attrib["width"]))
    found = []
    for shape in element:
        if shape.tag in _READERS:
            try:
                box, mask = _READERS[shape.tag](shape, size_hw)
            except (InvalidMask, KeyError, ValueError) as error:
                raise InvalidMask(f"a <{shape.tag}> of '{element.get('name')}': {error}") from error
            score = shape.findtext("attribute[@name='score']")
            found.append(
                Annotation(
                    label=shape.attrib["label"],
                    box_xyxy=box if mask is None else mask.box_xyxy,
                    mask=mask,
                    score=None if score is None else float(score),
                    source=(),
                )
            )
    image = Image(name=str(element.get("name")), size_hw=size_hw)
    return Labeled(image=image, annotations=tuple(found))


def _read_box(shape: Element, size_hw: Size) -> Shape:
    """The upright box around a box that may be turned around its middle."""
    x0, y0, x1, y1 = (number_in(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    turn = math.radians(float(shape.get("rotation", 0)))
    if not turn:
        return (x0, y0, x1, y1), None
    cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
    x, y, across, down = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    right, below = across * cosine + down * sine, across * sine + down * cosine
    return clip_box((x - right, y - below, x + right, y + below), size_hw), None


def _read_mask(shape: Element, size_hw: Size) -> Shape:
    x, y, width, height = (
        int(number_in(shape, name)) for name in ("left", "top", "width", "height")
    )
    lengths = np.array([int(number) for number in shape.attrib["rle"].split(",")], np.int64)
    if width < 1 or height < 1 or (lengths < 0).any() or lengths.sum() != width * height:
        raise InvalidMask(f"its run lengths don't fill {width} x {height} pixels")
    if x < 0 or y < 0 or x + width > size_hw[1] or y + height > size_hw[0]:
        raise InvalidMask("it does not lie on its image")
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
    mask = Mask.from_crop(pixels, (x, y), size_hw)
    return mask.box_xyxy, mask


def _read_polygon(shape: Element, size_hw: Size) -> Shape:
    points = [point.split(",") for point in shape.attrib["points"].split(";")]
    flat = [float(side) for x, y in points for side in (x, y)]
    mask = mask_from_segmentation([flat], size_hw)
    return mask.box_xyxy, mask


def _read_ellipse(shape: Element, size_hw: Size) -> Shape:
    x, y, across, down = (number_in(shape, name) for name in ("cx", "cy", "rx", "ry"))
    turn = math.radians(float(shape.get("rotation", 0)))
    reach = max(across, down)
    x0, y0, x1, y1 = pixel_box((x - reach, y - reach, x + reach, y + reach), size_hw)
    right, below = np.arange(x0, x1) + 0.5 - x, np.arange(y0, y1)[:, None] + 0.5 - y
    along = (right * math.cos(turn) + below * math.sin(turn)) / max(across, 1e-9)
    aside = (below * math.cos(turn) - right * math.sin(turn)) / max(down, 1e-9)
    mask = Mask.from_crop(along**2 + aside**2 <= 1, (x0, y0), size_hw)
    return mask.box_xyxy, mask


_READERS: dict[str, Callable[[Element, Size], Shape]] = {
    "box": _read_box,
    "mask": _read_mask,
    "polygon": _read_polygon,
    "ellipse": _read_ellipse,
}
