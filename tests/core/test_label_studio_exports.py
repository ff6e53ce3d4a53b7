"""Exports as Label Studio makes them: brushes of its SDK, bitmasks, JSON and the SDK's JSON_MIN."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import premask
from premask.errors import InvalidMask
from tests.golden.dataset import adversarial_masks

SIZE = (13, 17)
RING = adversarial_masks(*SIZE)["ring"]
CONFIG = """<View><Image name="image" value="$photo"/>
<BrushLabels name="brush" toName="image"><Label value="a"/></BrushLabels>
<BitmaskLabels name="bitmask" toName="image"><Label value="b"/></BitmaskLabels>
<RectangleLabels name="box" toName="image"><Label value="c"/></RectangleLabels>
<EllipseLabels name="ellipse" toName="image"><Label value="d"/></EllipseLabels>
<PolygonLabels name="polygon" toName="image"><Label value="e"/></PolygonLabels></View>"""


def region(name: str, region_type: str, label: str, **value: Any) -> dict[str, Any]:
    sizes = {"original_width": SIZE[1], "original_height": SIZE[0], "image_rotation": 0}
    value[region_type] = [label]
    return {"id": name, "from_name": name, "to_name": "image", "type": region_type} | {
        **sizes,
        "value": value,
    }


def png_url(mask: NDArray[np.bool_], mode: str) -> str:
    alpha = mask.astype(np.uint8) * 255
    colors = np.dstack((alpha, alpha // 2, 0 * alpha, alpha))
    picture = PIL.Image.fromarray(colors if mode == "RGBA" else colors[..., :3])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def exported(mode: str = "RGBA") -> list[dict[str, Any]]:
    """Two tasks, of which the second was annotated twice, and a third that nobody looked at."""
    brush: Any = pytest.importorskip("label_studio_sdk.converter.brush")
    rle = brush.encode_rle(np.repeat(RING.astype(np.uint8).ravel() * 255, 4))
    result = [
        region("brush", "brushlabels", "a", format="rle", rle=[int(byte) for byte in rle]),
        region("bitmask", "bitmasklabels", "b", imageDataURL=png_url(RING, mode)),
        region("box", "rectanglelabels", "c", x=50, y=0, width=50, height=50, rotation=90),
        region("ellipse", "ellipselabels", "d", x=50, y=50, radiusX=20, radiusY=10, rotation=0),
        region("polygon", "polygonlabels", "e", points=[[0, 0], [50, 0], [50, 50]], closed=True),
    ]
    names = [
        "/data/upload/7/0a1b2c3d-cat%20one.jpg",
        "/data/local-files/?d=sub/dog.jpg",
        "s3://x/n.png",
    ]
    results = [[result], [result, result[:1]], []]
    return [
        {
            "id": place,
            "data": {"other": "text", "photo": name},
            "annotations": [
                {"id": 10 * place + number, "result": given, "created_at": "", "completed_by": 1}
                for number, given in enumerate(given_results)
            ],
        }
        for place, (name, given_results) in enumerate(zip(names, results, strict=True), start=1)
    ]


def masks(path: Path, images: list[premask.Image] | None = None) -> list[Any]:
    dataset = premask.read(path, images)
    assert dataset.format == "label-studio"
    return [(one.image.name, one.image.size_hw, one.annotations) for one in dataset]


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_an_export_is_read_whatever_the_tool_it_was_made_with(tmp_path: Path, mode: str) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(exported(mode)))
    (name, size, found), (second, _, last) = masks(tmp_path / "tasks.json")
    assert (name, size, second) == ("0a1b2c3d-cat one.jpg", SIZE, "sub/dog.jpg")
    assert [one.label for one in found] == list("abcde")
    for exact in found[:2]:
        assert exact.mask is not None
        np.testing.assert_array_equal(exact.mask.to_array(), RING)
    assert found[2].box_xyxy == pytest.approx((8.5 - 6.5, 0, 8.5, 8.5))
    assert [one.label for one in last] == ["a"]


def test_the_soft_edge_of_the_editors_own_pen_is_kept(tmp_path: Path) -> None:
    """The editor writes its canvas: black, and as opaque as it was painted."""
    task = exported()[0]
    alpha = np.linspace(0, 255, num=SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint8)
    black = np.zeros((*SIZE, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.dstack((black, alpha))).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    task["annotations"][0]["result"][1]["value"]["imageDataURL"] = url
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    ((_, _, found),) = masks(tmp_path / "tasks.json")
    np.testing.assert_array_equal(found[1].matte.to_array(), alpha)
    np.testing.assert_array_equal(found[1].mask.to_array(), alpha >= 128)


def test_the_short_form_of_the_sdk_says_the_same(tmp_path: Path) -> None:
    converter: Any = pytest.importorskip("label_studio_sdk.converter").Converter
    (tmp_path / "tasks.json").write_text(json.dumps(exported()))
    tool = converter(CONFIG, str(tmp_path), upload_dir=str(tmp_path))
    tool.convert_to_json_min(str(tmp_path / "tasks.json"), str(tmp_path / "min"), is_dir=False)
    (short,) = (tmp_path / "min").glob("*.json")
    assert "brushlabels" in short.read_text()
    assert masks(short) == masks(tmp_path / "tasks.json")


PLAIN_CONFIG = """<View><Image name="image" value="$photo"/>
<Labels name="labels" toName="image"><Label value="a"/></Labels>
<Taxonomy name="kinds" toName="image" perRegion="true">
<Choice value="b"><Choice value="c"/></Choice></Taxonomy>
<Bitmask name="bitmask" toName="image"/><Rectangle name="box" toName="image"/></View>"""


def exported_plain() -> list[dict[str, Any]]:
    """As the editor writes plain shapes: each label beside its shape, which it repeats."""
    task = exported()[0]
    (_, bitmask, box, *_) = task["annotations"][0]["result"]
    result = []
    for shape, labels in (
        (bitmask, {"labels": ["a"]}),
        (box, {"taxonomy": [["b", "c"], ["b"]]}),
        ({**box, "id": "none"}, {}),
    ):
        (labeled_type,) = (key for key in shape["value"] if key.endswith("labels"))
        value = {key: part for key, part in shape["value"].items() if key != labeled_type}
        if not labels:
            value["width"] = 20
        result.append({**shape, "type": labeled_type.removesuffix("labels"), "value": value})
        name = "labels" if "labels" in labels else "kinds"
        result += [
            {**shape, "from_name": name, "type": key, "value": {**value, key: said}}
            for key, said in labels.items()
        ]
    return [{**task, "annotations": [{**task["annotations"][0], "result": result}]}]


def test_plain_shapes_have_the_labels_beside_them_in_both_forms(tmp_path: Path) -> None:
    converter: Any = pytest.importorskip("label_studio_sdk.converter").Converter
    (tmp_path / "tasks.json").write_text(json.dumps(exported_plain()))
    ((_, _, found),) = masks(tmp_path / "tasks.json")
    assert [one.label for one in found] == ["a", "b / c", ""]
    np.testing.assert_array_equal(found[0].mask.to_array(), RING)
    tool = converter(PLAIN_CONFIG, str(tmp_path), upload_dir=str(tmp_path))
    tool.convert_to_json_min(str(tmp_path / "tasks.json"), str(tmp_path / "min"), is_dir=False)
    (short,) = (tmp_path / "min").glob("*.json")
    ((_, _, short_found),) = masks(short)
    assert sorted(map(str, short_found)) == sorted(map(str, found))


PAGES = ["/data/upload/7/0a1b2c3d-one.png", "/data/upload/7/0a1b2c3d-two.png"]


@pytest.mark.parametrize(
    ("data", "places"),
    [
        ({"pages": PAGES}, [{"item_index": 0}, {"item_index": 1}]),
        ({"pages": PAGES}, [{}, {"item_index": 1}]),
        ({"pages": PAGES}, [{"to_name": "page_0"}, {"to_name": "page_1"}]),
        (
            {"pages": [{"text": "x", "url": page} for page in PAGES]},
            [{"to_name": "page_0"}, {"to_name": "page_1"}],
        ),
        (
            {"left": PAGES[0], "right": PAGES[1]},
            [{"to_name": "left"}, {"to_name": "right"}],
        ),
    ],
)
def test_each_of_several_images_has_its_own_regions(
    tmp_path: Path, data: dict[str, Any], places: list[dict[str, Any]]
) -> None:
    task = exported()[0]
    shapes = task["annotations"][0]["result"][1:3]
    result = [shape | place for shape, place in zip(shapes, places, strict=True)]
    task |= {"data": data, "annotations": [{"result": result, "id": 1}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    found = [(name, [one.label for one in own]) for name, _, own in masks(tmp_path / "tasks.json")]
    assert found == [("0a1b2c3d-one.png", ["b"]), ("0a1b2c3d-two.png", ["c"])]


def test_pages_on_which_nothing_is_were_looked_at(tmp_path: Path) -> None:
    task = exported()[0] | {"data": {"pages": PAGES}, "annotations": [{"result": [], "id": 1}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    assert [len(own) for _, _, own in masks(tmp_path / "tasks.json")] == [0, 0]


def test_images_that_an_export_does_not_tell_apart_are_refused(tmp_path: Path) -> None:
    task = exported()[0]
    shapes = task["annotations"][0]["result"][1:3]
    result = [shape | {"to_name": name} for shape, name in zip(shapes, ("x", "y"), strict=True)]
    task |= {"data": {"a": PAGES[0], "b": PAGES[1]}, "annotations": [{"result": result, "id": 1}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    with pytest.raises(InvalidMask, match=r"several images \(x, y\).*ml_backend pull"):
        masks(tmp_path / "tasks.json")


def test_the_short_form_does_not_tell_pages_apart(tmp_path: Path) -> None:
    box = {"x": 1, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["a"]}
    size = {"original_width": SIZE[1], "original_height": SIZE[0]}
    told = {"annotation_id": 1, "annotator": 1, "lead_time": 1, "pages": PAGES}
    (tmp_path / "tasks.json").write_text(json.dumps([{**told, "box": [box | size]}]))
    with pytest.raises(InvalidMask, match="JSON tells more than JSON_MIN"):
        masks(tmp_path / "tasks.json")


def test_uploads_are_the_images_that_were_uploaded(tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(exported()))
    images = [
        premask.Image(name=f"photos/{name}", size_hw=SIZE) for name in ("cat one.jpg", "dog.jpg")
    ]
    assert [name for name, _, _ in masks(tmp_path / "tasks.json", images)] == [
        "photos/cat one.jpg",
        "photos/dog.jpg",
    ]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/a.png", "PNG in a data URL"),
        ("data:image/png;base64,???", "Error"),
        ("data:image/png;base64,aGVsbG8=", "no PNG that can be read"),
        (png_url(np.ones((3, 3), np.bool_), "RGB"), "3 x 3 pixels, but its image has 17 x 13"),
    ],
)
def test_a_hostile_bitmask_is_named(tmp_path: Path, url: str, why: str) -> None:
    task = exported()[0]
    task["annotations"][0]["result"][1]["value"]["imageDataURL"] = url
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    with pytest.raises(InvalidMask, match=f"Region 'bitmask' can't be read: .*{why}"):
        masks(tmp_path / "tasks.json")
