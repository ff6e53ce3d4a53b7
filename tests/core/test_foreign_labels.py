"""Labels as VOC's devkit, LabelMe, CVAT and Hugging Face have them, and hostile ones."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask
from premask.errors import InvalidMask, PremaskError
from premask.labels.palette import png_palette

VOC_XML = """<annotation><folder>VOC2007</folder><filename>2007_000032.jpg</filename>
<source><database>The VOC2007 Database</database></source>
<size><width>20</width><height>10</height><depth>3</depth></size><segmented>1</segmented>
<object><name>person</name><pose>Left</pose><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax>
<ymax>5</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>
<ymax>2</ymax></bndbox></part></object>
<object><name>cat</name><bndbox><xmax>20</xmax><xmin>11</xmin><ymax>10</ymax><ymin>6</ymin></bndbox>
</object></annotation>"""
LABELME: dict[str, Any] = {
    "version": "5.0.1",
    "flags": {},
    "imagePath": "..\\photos\\a.jpg",
    "imageData": None,
    "imageHeight": 10,
    "imageWidth": 20,
    "shapes": [
        {"label": "a", "points": [[0, 0], [5, 0], [5, 5], [0, 5]], "group_id": 1},
        {"label": "a", "points": [[8, 0], [12, 0], [12, 5]], "group_id": 1},
        {"label": "b", "points": [[5.5, 6.5], [2.0, 1.0]], "shape_type": "rectangle"},
        {"label": "c", "points": [[10, 5], [13, 5]], "shape_type": "circle"},
        {"label": "d", "points": [[1, 1]], "shape_type": "point"},
    ],
}
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><job><labels><label><name>a</name></label></labels></job></meta>
  <image id="0" name="a.jpg" width="20" height="10">
    <polygon label="a" occluded="0" points="0.00,0.00;5.00,0.00;5.00,5.00;0.00,5.00" z_order="0"/>
    <box label="b" occluded="0" xtl="8.0" ytl="4.0" xbr="12.0" ybr="6.0" rotation="90.0"/>
    <ellipse label="c" cx="10.0" cy="5.0" rx="3.0" ry="3.0"/>
    <mask label="d" source="manual" rle="1, 2, 1" left="3" top="2" width="2" height="2"/>
    <points label="e" points="1,1"/>
    <tag label="f"/>
  </image>
</annotations>"""


def only(path: Path, images: Path | None = None, *, form: str) -> premask.Labeled:
    dataset = premask.read(path, images)
    assert dataset.format == form
    (one,) = dataset
    return one


def voc(folder: Path, xml: str = VOC_XML) -> Path:
    for name in ("Annotations", "SegmentationObject"):
        (folder / name).mkdir(parents=True)
    (folder / "Annotations/2007_000032.xml").write_text(xml)
    numbers = np.zeros((10, 20), np.uint8)
    # The devkit's maps have a border of 255 around objects, and count in an order of their own.
    numbers[5:10, 10:20], numbers[5, 10:20] = 1, 255
    numbers[6, 19] = 1
    numbers[0:5, 0:4] = 2
    picture = PIL.Image.fromarray(numbers)
    picture.putpalette(png_palette())
    picture.save(folder / "SegmentationObject/2007_000032.png")
    return folder


def test_a_devkit_of_voc(tmp_path: Path) -> None:
    one = only(voc(tmp_path), form="voc")
    assert (one.image.name, one.image.size_hw) == ("2007_000032.jpg", (10, 20))
    person, cat = one.annotations
    assert (person.label, person.box_xyxy) == ("person", (0, 0, 4, 5))
    assert (cat.label, cat.box_xyxy) == ("cat", (10, 6, 20, 10))
    assert person.mask is not None
    assert cat.mask is not None
    assert (person.mask.area, cat.mask.area) == (20, 40)


def test_labelme_with_groups_and_shapes(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(LABELME))
    for path in (tmp_path, tmp_path / "a.json"):
        grouped, box, disk = only(path, form="labelme").annotations
        assert grouped.mask is not None
        assert grouped.box_xyxy[0] == 0
        assert grouped.box_xyxy[2] == 12
        assert (box.label, box.box_xyxy, box.mask) == ("b", (2, 1, 5.5, 6.5), None)
        assert disk.mask is not None
        assert disk.mask.area == pytest.approx(np.pi * 9, abs=4)


def test_cvats_shapes(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(CVAT)
    square, box, disk, mask = only(tmp_path / "annotations.xml", form="cvat").annotations
    assert square.box_xyxy == (0, 0, 5, 5)
    assert box.box_xyxy == pytest.approx((9, 3, 11, 7))
    assert disk.box_xyxy == (7, 2, 13, 8)
    assert mask.mask is not None
    assert mask.mask.to_array()[2:4, 3:5].tolist() == [[False, True], [True, False]]


def test_an_image_folder_as_the_hub_has_them(tmp_path: Path) -> None:
    line = {
        "file_name": "0001.png",
        "objects": {"bbox": [[302.0, 109.0, 73.0, 52.0]], "categories": [0], "id": [114]},
    }
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line) + "\n\n")
    PIL.Image.new("RGB", (640, 480)).save(tmp_path / "0001.png")
    one = only(tmp_path, tmp_path, form="image-folder")
    assert one.image.size_hw == (480, 640)
    assert one.annotations[0].box_xyxy == (302, 109, 375, 161)
    assert one.annotations[0].label == "0"


def panoptic(folder: Path, **changes: Any) -> Path:
    """As COCO's own: ids are any colors, and the PNGs lie in a folder of the file's name."""
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[:2], rgb[2:, :3] = (1, 2, 3), (200, 0, 1)
    (folder / "panoptic_val").mkdir()
    PIL.Image.fromarray(rgb).save(folder / "panoptic_val/a.png")
    segments = [
        {"id": 1 + 2 * 256 + 3 * 65536, "category_id": 5, "iscrowd": 0, "area": 12},
        {"id": 200 + 65536, "category_id": 9, "iscrowd": 1, "area": 6},
    ]
    segments[0] |= changes
    data = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": 4, "width": 6}],
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": [
            {"id": 5, "name": "sky", "isthing": 0, "supercategory": "stuff"},
            {"id": 9, "name": "person", "isthing": 1},
        ],
    }
    (folder / "panoptic_val.json").write_text(json.dumps(data))
    return folder / "panoptic_val.json"


def test_panoptic_maps_as_coco_has_them(tmp_path: Path) -> None:
    path = panoptic(tmp_path)
    sky, person = only(path, form="coco-panoptic").annotations
    assert (sky.label, sky.box_xyxy, sky.crowd) == ("sky", (0, 0, 6, 2), False)
    assert (person.label, person.box_xyxy, person.crowd) == ("person", (0, 2, 3, 4), True)
    premask.write(premask.read(path), "coco-panoptic", tmp_path / "again.json")
    theirs, ours = (json.loads((tmp_path / name).read_text()) for name in (path.name, "again.json"))
    assert ours["categories"] == theirs["categories"]
    assert ours["images"] == theirs["images"]


def bomb(mask: bytes = b"") -> str:
    buffer = io.BytesIO()
    PIL.Image.new("L", (30, 30), 255).save(buffer, "PNG")
    return base64.b64encode(mask or buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xml", VOC_XML.replace("<size>", "<sizes>").replace("</size>", "</sizes>")),
        ("a.xml", VOC_XML[:200]),
        ("a.xml", VOC_XML.replace("<xmin>1<", "<xmin>one<")),
        ("a.xml", '<!DOCTYPE a [<!ENTITY a "aaaa">]>' + VOC_XML),
        ("a.json", json.dumps({**LABELME, "imageHeight": None})),
        ("a.json", json.dumps({**LABELME, "shapes": [{"label": "a", "points": []}]})),
        ("a.json", json.dumps({**LABELME, "shapes": [{"label": "a", "points": [[1, 2]]}]})),
        (
            "a.json",
            json.dumps(
                {
                    **LABELME,
                    "shapes": [
                        {"label": "a", "shape_type": "mask", "points": [[0, 0]], "mask": bomb()}
                    ],
                }
            ),
        ),
        (
            "a.json",
            json.dumps(
                {
                    **LABELME,
                    "shapes": [
                        {"label": "a", "shape_type": "mask", "points": [[0, 0]], "mask": "YQ=="}
                    ],
                }
            ),
        ),
        ("metadata.jsonl", "{}"),
        ("metadata.jsonl", '{"file_name": "a", "objects": {"bbox": [[1]], "category": [1]}}'),
        ("metadata.jsonl", '{"file_name": "a", "objects": {"bbox": [], "category": [1]}}'),
        (
            "metadata.jsonl",
            '{"file_name": "a", "objects": {"bbox": [[1, 1, 1, 1]], "category": ["a"]}, '
            '"masks_file_names": ["../../etc/passwd"]}',
        ),
        ("metadata.jsonl", "[" * 100_000),
    ],
)
def test_hostile_files_are_clear_errors(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidMask, match=name):
        list(premask.read(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('rle="1, 2, 1"', 'rle="1, 2"'),
        ('rle="1, 2, 1"', 'rle="1, -2, 5"'),
        ('rle="1, 2, 1"', 'rle="x"'),
        ('left="3"', 'left="19"'),
        ('width="2" height="2"', 'width="200000" height="2"'),
        ('points="0.00', 'points="nan'),
        ("</annotations>", ""),
        ("<image ", "<track/><image "),
        ('height="10"', 'height="x"'),
    ],
)
def test_a_hostile_cvat_is_a_clear_error(tmp_path: Path, old: str, new: str) -> None:
    assert old in CVAT
    (tmp_path / "a.xml").write_text(CVAT.replace(old, new))
    with pytest.raises(InvalidMask, match=r"a\.xml' can't be read as CVAT"):
        list(premask.read(tmp_path / "a.xml"))


@pytest.mark.parametrize("changes", [{"id": 5}, {"category_id": 4}])
def test_a_hostile_panoptic_file_is_a_clear_error(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = panoptic(tmp_path, **changes)
    with pytest.raises(PremaskError, match="has no pixels, or a category"):
        list(premask.read(path))
    (tmp_path / "panoptic_val/a.png").write_bytes(b"no png")
    with pytest.raises(PremaskError, match="is no PNG that can be read"):
        list(premask.read(path))
    (tmp_path / "panoptic_val/a.png").unlink()
    with pytest.raises(PremaskError, match="is not there, which has its segments"):
        list(premask.read(path))
