"""Annotations <-> Pascal VOC: boxes in XML, and maps of the classes and of the objects in PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, UnwritableOutput
from premask.files import write_atomically
from premask.geometry import Box, snapped
from premask.images import Image
from premask.labels.coco_ids import CocoIds
from premask.labels.glimpse import Glimpse
from premask.labels.numbering import Stems, number_new, numbered, told_files
from premask.labels.palette import color
from premask.labels.png import pixels_from_png, png_from_numbers
from premask.labels.png_objects import object_map
from premask.labels.xml_files import number_in, read_xml, text_in, xml_bytes
from premask.masks import Mask, Size
from premask.shaping.maps import masks_from_number_map, number_map

BOXES, CLASSES, OBJECTS = "Annotations", "SegmentationClass", "SegmentationObject"
IMAGES = "JPEGImages"
LEGEND_NAME = "labelmap.txt"
"""Where CVAT and Datumaro say which number is which class: a line each, from the background on."""

BACKGROUND, VOID = "background", 255
_SAME_BOX = 2.0
"""In pixels. Tools count the pixels of a box from 0 or from 1."""


def write_voc(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write an XML for each image, and maps where something in it has a mask."""
    numbers, stems = numbered(categories), Stems()
    for one in labeled:
        if one.error is not None:
            continue
        number_new(numbers, one.annotations)
        _require_names(numbers)
        stem = stems.of(one.image.name)
        has_masks = any(found.mask is not None for found in one.annotations)
        if has_masks:
            own = [numbers[found.label] for found in one.annotations]
            classes = number_map(one.annotations, own, one.image.size_hw, highest=len(numbers))
            write_atomically(folder / CLASSES / f"{stem}.png", png_from_numbers(classes))
            write_atomically(folder / OBJECTS / f"{stem}.png", png_from_numbers(object_map(one)))
        write_atomically(folder / BOXES / f"{stem}.xml", xml_bytes(_to_xml(one, has_masks)))
    names = {BACKGROUND: 0, **numbers}
    lines = [f"{name}:{','.join(map(str, color(place)))}::\n" for name, place in names.items()]
    text = "# label:color_rgb:parts:actions\n" + "".join(lines)
    write_atomically(folder / LEGEND_NAME, text.encode())
    return (folder,)


def is_voc(glimpse: Glimpse) -> bool:
    """Whether a folder has VOC's XML, beside each other or in a folder of their own."""
    first = glimpse.first(".xml")
    try:
        return first is not None and b"<annotation" in first.read_bytes()[:2000]
    except OSError:
        return False


def voc_ids(folder: Path) -> CocoIds:
    """The classes that the legend lists; none without one."""
    path = folder / LEGEND_NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.split(":")[0] for line in lines if line.strip() and not line.startswith("#")]
    return CocoIds.counted(name for name in names if name != BACKGROUND)


def read_voc(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read each XML, with the masks of its objects where there is a map of them."""
    top = folder / BOXES if (folder / BOXES).is_dir() else folder
    for image, path in told_files(top, ".xml", images):
        place = path.relative_to(top)
        try:
            one = _from_xml(read_xml(path), place, folder / OBJECTS / place.with_suffix(".png"))
            if image is not None:
                # The size is the file's own: its masks have it, whatever the image's EXIF says.
                one = replace(one, image=Image(name=image.name, size_hw=one.image.size_hw))
            yield one
        except (InvalidMask, OSError, ValueError) as error:
            raise InvalidMask(f"'{path}' can't be read as Pascal VOC: {error}") from error


def _require_names(names: Iterable[str]) -> None:
    odd = next((name for name in names if ":" in name or "\n" in name), None)
    if odd is not None:
        raise UnwritableOutput(f"VOC can't have a class {odd!r}: its legend has names up to a ':'.")


def _to_xml(one: Labeled, has_masks: bool) -> Element:
    root, name = Element("annotation"), PurePosixPath(one.image.name)
    SubElement(root, "folder").text = name.parent.as_posix()
    SubElement(root, "filename").text = name.name
    size = SubElement(root, "size")
    for tag, number in zip(("height", "width", "depth"), (*one.image.size_hw, 3), strict=True):
        SubElement(size, tag).text = str(number)
    SubElement(root, "segmented").text = str(int(has_masks))
    for found in one.annotations:
        element = SubElement(root, "object")
        SubElement(element, "name").text = found.label
        for tag in ("truncated", "difficult"):
            SubElement(element, tag).text = "0"
        box = SubElement(element, "bndbox")
        x0, y0, x1, y1 = (float(side) for side in found.box_xyxy)
        # VOC counts pixels from 1, and the last one belongs to the box.
        for tag, side in {"xmin": x0 + 1, "ymin": y0 + 1, "xmax": x1, "ymax": y1}.items():
            SubElement(box, tag).text = f"{side:.10g}"
    return root


def _from_xml(root: Element, place: Path, objects: Path) -> Labeled:
    size = root.find("size")
    if size is None:
        raise InvalidMask("it has no <size>")
    size_hw = (int(number_in(size, "height")), int(number_in(size, "width")))
    file_name = PurePosixPath(text_in(root, "filename").replace("\\", "/")).name
    name = (PurePosixPath(place.as_posix()).parent / file_name).as_posix()
    boxes = [(text_in(item, "name"), _box_of(item)) for item in root.iter("object")]
    masks = _masks(objects, size_hw) if objects.is_file() else {}
    return Labeled(
        image=Image(name=name, size_hw=size_hw),
        annotations=tuple(
            Annotation(label=label, box_xyxy=box if mask is None else mask.box_xyxy, mask=mask)
            for (label, box), mask in zip(boxes, _matched(boxes, masks), strict=True)
        ),
    )


def _box_of(item: Element) -> Box:
    box = item.find("bndbox")
    if box is None:
        raise InvalidMask("an <object> has no <bndbox>")
    x0, y0, x1, y1 = (number_in(box, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    return snapped(x0 - 1), snapped(y0 - 1), snapped(x1), snapped(y1)


def _masks(path: Path, size_hw: Size) -> dict[int, Mask]:
    numbers = pixels_from_png(path.read_bytes())
    if numbers.shape != size_hw:
        raise InvalidMask(f"'{path}' has another size than its image")
    masks = masks_from_number_map(numbers)
    return {number: mask for number, mask in masks.items() if number != VOID}


def _matched(boxes: Sequence[tuple[str, Box]], masks: Mapping[int, Mask]) -> list[Mask | None]:
    """The mask of each box: of its number, if that is the same box, or else of the same box.

    Of what is partly hidden the mask has a smaller box, and only the number tells.
    """
    rules: list[Callable[[int, int], bool]] = [
        lambda number, other: number == other and _are_near(masks[other], boxes[number - 1][1]),
        lambda number, other: _are_near(masks[other], boxes[number - 1][1]),
        lambda number, other: number == other and _is_inside(masks[other], boxes[number - 1][1]),
    ]
    found: dict[int, int] = {}
    for is_same in rules:
        for number in range(1, len(boxes) + 1):
            if number not in found:
                free = (other for other in masks if other not in found.values())
                same = next((other for other in free if is_same(number, other)), None)
                if same is not None:
                    found[number] = same
    return [masks[found[n]] if n in found else None for n in range(1, len(boxes) + 1)]


def _are_near(mask: Mask, box: Box) -> bool:
    return bool(np.abs(np.subtract(mask.box_xyxy, box)).max() <= _SAME_BOX)


def _is_inside(mask: Mask, box: Box) -> bool:
    x0, y0, x1, y1 = np.subtract(mask.box_xyxy, box)
    return bool(min(x0, y0, -x1, -y1) >= -_SAME_BOX)
