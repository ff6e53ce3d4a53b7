"""Label Studio's own SDK accepts our regions and decodes the same pixels."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, ModelFailed
from premask.images import Image
from premask.labels.label_studio import (
    TagNames,
    annotations_from_regions,
    label_config,
    local_file_url,
    prediction_score,
    read_tasks,
    regions_from_annotation,
    task_from_labeled,
    write_label_studio,
)
from premask.labels.label_studio.prediction_scores import NOTHING_KNOWN
from premask.masks import Mask, Matte
from premask.shaping.doubt import stability, threshold_stability
from tests.golden.dataset import adversarial_images, adversarial_masks

SIZE = (13, 17)
TOOLS = ("BrushLabels", "RectangleLabels", "PolygonLabels")
AWKWARD_LABELS = ["cat", "a & b", '"quoted" <tag>', "Käse 图", "it's"]


def shape(name: str, **fields: Any) -> Annotation:
    mask = Mask.from_array(adversarial_masks(*SIZE)[name])
    return Annotation(label="cat", box_xyxy=mask.box_xyxy, mask=mask, **fields)


def soft() -> Annotation:
    alpha = np.arange(13 * 17).reshape(SIZE).astype(np.uint8)
    matte = Matte.from_array(alpha)
    mask = matte.mask()
    return Annotation(label="cat", box_xyxy=mask.box_xyxy, mask=mask, matte=matte)


@pytest.mark.parametrize("name", adversarial_masks())
def test_the_sdk_decodes_the_same_mask(name: str) -> None:
    (region,) = regions_from_annotation(shape(name), SIZE)
    alpha = decode_rle(region["value"]["rle"]).reshape(*SIZE, 4)[..., 3]
    np.testing.assert_array_equal(alpha, adversarial_masks(*SIZE)[name] * 255)


def test_the_sdk_decodes_every_level_of_a_matte() -> None:
    annotation = soft()
    (region,) = regions_from_annotation(annotation, SIZE)
    assert annotation.matte is not None
    alpha = decode_rle(region["value"]["rle"]).reshape(*SIZE, 4)[..., 3]
    np.testing.assert_array_equal(alpha, annotation.matte.to_array())
    assert annotations_from_regions([region]) == (annotation,)


def test_the_sdk_validates_config_and_predictions() -> None:
    interface = LabelInterface(label_config(AWKWARD_LABELS))
    interface.validate()
    annotations = [shape("ring"), shape("parts"), soft(), replace(shape("full"), score=0.5)]
    annotations += [replace(shape("ring"), label=label) for label in AWKWARD_LABELS]
    task = task_from_labeled(
        Labeled(image=Image(name="a.jpg", size_hw=SIZE), annotations=tuple(annotations)),
        image_url="/a.jpg",
        controls=TOOLS,
    )
    for prediction in task["predictions"]:
        assert interface.validate_prediction(prediction, return_errors=True) == []
    unknown = regions_from_annotation(replace(shape("ring"), label="cow"), SIZE)
    assert not interface.validate_prediction({"model_version": "1", "result": unknown})


def test_the_config_has_each_label_in_each_tool() -> None:
    view = ET.fromstring(
        label_config(AWKWARD_LABELS, TagNames(image="i", controls={"BrushLabels": "b & c"}))
    )
    panels = list(view.iter("Panel"))
    tools = {tool.tag: [label.get("value") for label in tool] for panel in panels for tool in panel}
    assert set(tools) == {"BrushLabels", "RectangleLabels", "PolygonLabels"}
    assert all(labels == AWKWARD_LABELS for labels in tools.values())
    brush = view.find(".//BrushLabels")
    assert brush is not None
    assert (brush.get("name"), brush.get("toName")) == ("b & c", "i")


def test_a_label_is_shown_once_at_a_time_below_the_name_of_its_tool() -> None:
    view = ET.fromstring(label_config(["cup"]))
    panels = [(panel.get("value"), panel.get("open")) for panel in view.iterfind("Collapse/Panel")]
    assert panels == [("Brush", "true"), ("Rectangle", None), ("Polygon", None)]
    assert len(list(view.iter("Label"))) == len(list(view.iterfind("Collapse/Panel/*/Label"))) == 3


def test_a_region_has_the_fields_of_a_real_one() -> None:
    (region,) = regions_from_annotation(replace(shape("ring"), score=0.25), SIZE)
    value = region.pop("value")
    assert len(region.pop("id")) == 10
    assert region == {
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "original_width": 17,
        "original_height": 13,
        "image_rotation": 0,
        "score": 0.25,
    }
    assert (value["format"], value["brushlabels"]) == ("rle", ["cat"])


def test_ids_are_unique_and_the_same_in_every_run() -> None:
    twins = Labeled(
        image=Image(name="a.jpg", size_hw=SIZE),
        annotations=(shape("parts"),) * 3 + (shape("ring"),),
    )
    runs = [task_from_labeled(twins, image_url="/a", controls=TOOLS) for _ in range(2)]
    ids = [region["id"] for region in runs[0]["predictions"][0]["result"]]
    assert len(ids) == len(set(ids)) > 12
    assert runs[0] == runs[1]


@pytest.mark.parametrize("size", [(13, 17), (480, 640), (1079, 1921), (3001, 4097)])
def test_whole_boxes_survive_percent(size: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    for _ in range(300):
        y0, y1 = sorted(random.choice(size[0] + 1, 2, replace=False).tolist())
        x0, x1 = sorted(random.choice(size[1] + 1, 2, replace=False).tolist())
        box = Annotation(label="cat", box_xyxy=(x0, y0, x1, y1))
        assert annotations_from_regions(regions_from_annotation(box, size)) == (box,)


def test_an_ellipse_fills_the_box() -> None:
    box = Annotation(label="cat", box_xyxy=(10, 20, 50, 30))
    (region,) = regions_from_annotation(
        box, (50, 80), controls=["EllipseLabels"], names=TagNames(controls={"EllipseLabels": "e"})
    )
    assert (region["type"], region["from_name"]) == ("ellipselabels", "e")
    assert region["value"] == {
        "x": 37.5,
        "y": 50,
        "radiusX": 25,
        "radiusY": 10,
        "rotation": 0,
        "ellipselabels": ["cat"],
    }


def test_a_box_beyond_the_image_is_cut_off_at_its_edge() -> None:
    box = Annotation(label="cat", box_xyxy=(-3, 1, 99, 5))
    (region,) = regions_from_annotation(box, (10, 20))
    assert (region["value"]["x"], region["value"]["width"]) == (0, 100)


def test_a_turned_rectangle_becomes_the_box_around_it() -> None:
    (region,) = regions_from_annotation(Annotation(label="a", box_xyxy=(10, 10, 30, 20)), (50, 80))
    region["value"]["rotation"] = 90
    (read,) = annotations_from_regions([region])
    assert read.box_xyxy == (0, 10, 10, 30)


@pytest.mark.parametrize("name", ["ring", "parts", "noise", "full", "first pixel"])
def test_the_parts_of_a_polygon_are_the_mask(name: str) -> None:
    regions = regions_from_annotation(shape(name), SIZE, controls=["PolygonLabels"])
    assert annotations_from_regions(regions) == (shape(name),)


@pytest.mark.parametrize("lost", [None, "brushlabels", "polygonlabels", "rectanglelabels"])
def test_regions_of_one_object_are_read_as_one_by_the_most_exact(lost: str | None) -> None:
    """A person may have deleted some of them."""
    objects = (shape("parts"), shape("ring", score=0.5), shape("parts"))
    regions = [
        region
        for index, annotation in enumerate(objects)
        for region in regions_from_annotation(annotation, SIZE, index=index, controls=TOOLS)
        if region["type"] != lost
    ]
    assert len(regions) > len(objects)
    assert annotations_from_regions(reversed(regions)) == objects[::-1]


def test_a_box_counts_where_it_is_all_that_is_left_of_an_object() -> None:
    regions = regions_from_annotation(shape("ring"), SIZE, controls=TOOLS)
    left = [region for region in regions if region["type"] == "rectanglelabels"]
    box = Annotation(label="cat", box_xyxy=shape("ring").box_xyxy)
    assert annotations_from_regions(left) == (box,)


def test_a_copy_that_a_person_made_is_an_object_of_its_own() -> None:
    regions = regions_from_annotation(shape("ring"), SIZE, controls=TOOLS)
    copies = [{**region, "id": f"copy {place}"} for place, region in enumerate(regions)]
    assert annotations_from_regions([*regions, *copies]) == (shape("ring"),) * 2
    assert annotations_from_regions([regions[0], copies[0]]) == (shape("ring"),) * 2


def test_a_region_that_a_person_gave_another_label_is_not_lost() -> None:
    brush, box = regions_from_annotation(shape("ring"), SIZE, controls=TOOLS[:2])
    box["value"]["rectanglelabels"] = ["dog"]
    assert [read.label for read in annotations_from_regions([brush, box])] == ["cat", "dog"]


@pytest.mark.parametrize("meta", [None, [], "x", {"text": ["a note"]}, {"premask": 3}])
def test_other_peoples_meta_joins_nothing(meta: Any) -> None:
    (brush,) = regions_from_annotation(shape("ring"), SIZE)
    assert "meta" not in brush
    regions = [{**brush, "meta": meta}] * 2
    assert annotations_from_regions(regions) == (shape("ring"),) * 2


def test_kinds_that_need_a_mask_are_left_out_without_one() -> None:
    box = Annotation(label="cat", box_xyxy=(1, 2, 3, 4))
    regions = regions_from_annotation(
        box, SIZE, controls=["BrushLabels", "PolygonLabels", "RectangleLabels"]
    )
    assert [region["type"] for region in regions] == ["rectanglelabels"]


def test_a_prediction_is_as_sure_as_its_least_sure_region() -> None:
    image = Image(name="a", size_hw=SIZE)
    ring, full = shape("ring", score=0.75), shape("full")
    predictions = [
        task_from_labeled(Labeled(image=image, annotations=found), image_url="/a")["predictions"][0]
        for found in ((ring, shape("parts", score=0.25)), (ring, full), (full,), (soft(),), ())
    ]
    assert full.mask is not None
    stable = stability(full.mask)
    matte = soft().matte
    assert matte is not None
    assert [prediction["score"] for prediction in predictions] == [
        0.25,
        min(0.75, stable),
        stable,
        threshold_stability(matte),
        NOTHING_KNOWN,
    ]
    # A region's score is the model's own, or none.
    assert "score" not in predictions[2]["result"][0]


def test_a_box_without_a_score_tells_nothing() -> None:
    box = Annotation(label="a", box_xyxy=(1, 1, 3, 3))
    assert prediction_score(regions_from_annotation(box, SIZE)) == NOTHING_KNOWN
    regions = regions_from_annotation(box, SIZE) + regions_from_annotation(
        replace(box, score=0.9), SIZE, index=1
    )
    assert prediction_score(regions) == 0.9


def test_nothing_found_is_a_prediction_and_a_failure_is_no_task(tmp_path: Path) -> None:
    images = [
        Labeled(image=Image.unread("broken.jpg"), error=ModelFailed("no")),
        Labeled(image=Image(name="nothing.jpg", size_hw=SIZE)),
    ]
    write_label_studio(images, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == ["/data/local-files/?d=nothing.jpg"]
    nothing = {"model_version": "premask", "result": [], "score": NOTHING_KNOWN}
    assert tasks[0]["predictions"] == [nothing]


def test_the_written_config_fits_the_written_tasks(tmp_path: Path) -> None:
    tasks_path, config_path = write_label_studio(adversarial_images(), tmp_path / "tasks.json")
    interface = LabelInterface(config_path.read_text())
    offered = {label.get("value") for label in ET.parse(config_path).iter("Label")}
    found = {one.label for image in adversarial_images() for one in image.annotations}
    assert offered == found
    for task in json.loads(tasks_path.read_text()):
        for prediction in task["predictions"]:
            assert interface.validate_prediction(prediction, return_errors=True) == []


def test_the_url_of_an_awkward_name_holds_the_name() -> None:
    name = "sub folder/naïve & 100% #1?\n.jpg"
    query = urlsplit(local_file_url(name)).query
    assert parse_qs(query)["d"] == [name]


def task(name: str, **said: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """A task on which people and models said these results, one after another."""
    results = {who: [{"result": result} for result in given] for who, given in said.items()}
    return {"data": {"image": local_file_url(name)}} | results


def test_a_persons_last_annotation_counts_more_than_a_prediction(tmp_path: Path) -> None:
    ring, full, noise = (regions_from_annotation(shape(n), SIZE) for n in ("ring", "full", "noise"))
    choice: Any = {"type": "choices", "value": {"choices": ["a"]}}
    tasks = [
        task("a b.jpg", annotations=[ring, [choice, *full]], predictions=[noise]),
        task("c.jpg", annotations=[], predictions=[noise, ring]),
        task("not looked at.jpg", annotations=[], predictions=[]),
        task("nothing.jpg", annotations=[[]]),
    ]
    tasks[1]["annotations"] = [{"result": full, "was_cancelled": True}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    known = Image(name="c.jpg", size_hw=SIZE, digest="c")
    read = list(read_tasks(tmp_path / "tasks.json", [known]))
    assert [(one.image.name, one.image.size_hw) for one in read] == [
        ("a b.jpg", SIZE),
        ("c.jpg", SIZE),
        ("nothing.jpg", (0, 0)),
    ]
    assert read[1].image is known
    assert [one.annotations for one in read] == [(shape("full"),), (shape("ring"),), ()]


@pytest.mark.parametrize("text", ["", "[1]", '[{"predictions": [{"result": []}]}]'])
def test_a_file_that_holds_no_tasks_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(text)
    with pytest.raises(InvalidMask, match=r"tasks\.json' can't be read as tasks of Label Studio"):
        list(read_tasks(tmp_path / "tasks.json"))


def test_regions_of_other_kinds_are_passed_over() -> None:
    (brush,) = regions_from_annotation(shape("ring"), SIZE)
    others: list[dict[str, Any]] = [{"type": "choices", "value": {"choices": ["a"]}}, {"id": "r"}]
    assert annotations_from_regions([*others, brush]) == (shape("ring"),)


@pytest.mark.parametrize(
    "broken",
    [
        {"value": {"rle": [1, 2, 3]}},
        {"value": {}},
        {"value": None},
        {"original_width": 16},
        {"original_height": None},
        {"type": "polygonlabels", "value": {"points": [[1, 2]], "polygonlabels": ["a"]}},
        {"type": "rectanglelabels", "value": {"x": "a", "y": 1, "width": 1, "height": 1}},
    ],
)
def test_a_broken_region_is_named(broken: dict[str, Any]) -> None:
    (region,) = regions_from_annotation(shape("ring"), SIZE)
    with pytest.raises(InvalidMask, match=f"Region '{region['id']}' can't be read"):
        annotations_from_regions([region | broken])


def test_labels_beside_a_shape_are_read_from_a_file_of_tasks(tmp_path: Path) -> None:
    (brush,) = regions_from_annotation(shape("ring"), SIZE)
    rle = {"format": "rle", "rle": brush["value"]["rle"]}
    label = {"id": brush["id"], "type": "labels", "value": {"labels": ["dog"]}}
    result = [{**brush, "type": "brush", "value": rle}, label]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"data": {"image": "/a"}, "annotations": [{"result": result}]}]))
    ((found,),) = (labeled.annotations for labeled in read_tasks(path))
    assert (found.label, found.mask) == ("dog", shape("ring").mask)
