"""Objects are written with the tags and labels of the project, exact to the pixel."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface

from ml_backend.project.label_config import parse_label_config
from ml_backend.project.regions import regions_from_annotations, without_label
from premask.annotations import Annotation
from premask.labels import brush_rle
from premask.labels.label_studio import annotations_from_regions
from premask.masks import Mask, Matte

SIZE = (13, 17)
LABELS = '<Label value="Cat"/><Label value="Dog" model_phrases="hound"/>'
TOOLS = ("BrushLabels", "RectangleLabels", "PolygonLabels", "EllipseLabels")
TAGS = "".join(f'<{tool} name="{tool}" toName="img">{LABELS}</{tool}>' for tool in TOOLS)
XML = (
    f'<View><Image name="img" value="$image"/>{TAGS}'
    '<Choices name="kind" toName="img"><Choice value="Dog"/><Choice value="Cat"/></Choices></View>'
)
CONFIG = parse_label_config(XML)


def ring(label: str = "Cat", score: float | None = None) -> Annotation:
    array = np.zeros(SIZE, bool)
    array[2:9, 3:12] = True
    array[4:6, 5:8] = False
    mask = Mask.from_array(array)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, score=score)


def written(*annotations: Annotation, tool: str | None = None) -> list[dict[str, Any]]:
    controls = [control for control in CONFIG.outputs("img") if tool in (None, control.tag)]
    return regions_from_annotations(annotations, SIZE, controls, "img")


def test_an_object_is_written_once_with_the_most_exact_tag() -> None:
    found = [ring(score=0.25), Annotation(label="hound", box_xyxy=(1, 2, 5, 6), score=0.75)]
    brush, box, choice = written(*found)
    assert (brush["from_name"], box["from_name"]) == ("BrushLabels", "RectangleLabels")
    assert choice["value"] == {"choices": ["Cat"]}
    assert not any("meta" in region for region in (brush, box, choice))


def test_the_order_of_the_tags_in_the_config_decides_nothing() -> None:
    backwards = "".join(
        f'<{tool} name="{tool}" toName="img">{LABELS}</{tool}>' for tool in reversed(TOOLS)
    )
    config = parse_label_config(f'<View><Image name="img" value="$image"/>{backwards}</View>')
    names = [control.name for control in config.outputs("img")]
    assert names == ["BrushLabels", "PolygonLabels", "RectangleLabels", "EllipseLabels"]


def test_a_tag_with_the_label_is_better_than_one_without() -> None:
    xml = XML.replace(LABELS, '<Label value="Bird"/><Label value="Fish"/>', 1)
    controls = parse_label_config(xml).drawn("img")
    (region,) = regions_from_annotations([ring()], SIZE, controls, "img")
    assert region["from_name"] == "PolygonLabels"


def test_each_tag_that_is_asked_for_writes_the_object_in_its_way() -> None:
    config = parse_label_config(XML.replace('toName="img">', 'toName="img" model_also="true">'))
    regions = regions_from_annotations([ring(score=0.25)], SIZE, config.outputs("img"), "img")
    kinds = [(region["from_name"], region["type"]) for region in regions]
    assert kinds == [
        ("BrushLabels", "brushlabels"),
        ("PolygonLabels", "polygonlabels"),
        ("RectangleLabels", "rectanglelabels"),
        ("EllipseLabels", "ellipselabels"),
        ("kind", "choices"),
    ]
    assert {region["to_name"] for region in regions} == {"img"}
    assert [region.get("score") for region in regions] == [0.25] * 4 + [None]
    prediction = {"model_version": "v", "result": regions}
    assert LabelInterface(XML).validate_prediction(prediction, return_errors=True) == []
    assert annotations_from_regions(regions) == (ring(score=0.25),)


@pytest.mark.parametrize("tool", ["BrushLabels", "PolygonLabels"])
def test_holes_stay_holes(tool: str) -> None:
    (read,) = annotations_from_regions(written(ring(), tool=tool))
    assert read.mask == ring().mask


def test_a_matte_is_a_soft_brush() -> None:
    alpha = np.arange(13 * 17).reshape(SIZE).astype(np.uint8)
    matte = Matte.from_array(alpha)
    annotation = Annotation(
        label="Cat", box_xyxy=matte.mask().box_xyxy, mask=matte.mask(), matte=matte
    )
    (region,) = written(annotation, tool="BrushLabels")
    np.testing.assert_array_equal(brush_rle.decode(region["value"]["rle"], SIZE), alpha)


def test_a_box_without_a_mask_is_no_brush() -> None:
    box = Annotation(label="cat", box_xyxy=(1, 2, 5, 6))
    assert [region["from_name"] for region in written(box)] == ["RectangleLabels", "kind"]


def test_labels_are_written_as_the_project_spells_them() -> None:
    regions = written(ring("CAT"), ring("hound"), ring("cow"), tool="BrushLabels")
    assert [region["value"]["brushlabels"] for region in regions] == [["Cat"], ["Dog"]]
    assert without_label([ring("cow"), ring("cow"), ring("cat")], CONFIG.outputs("img")) == Counter(
        cow=2
    )


def test_one_choice_is_the_surest_and_several_are_all() -> None:
    found = [ring("Cat", 0.2), ring("Dog", 0.9), ring("Cat", 0.1)]
    (one,) = written(*found, tool="Choices")
    assert one["value"] == {"choices": ["Dog"]}
    several = parse_label_config(XML.replace('name="kind"', 'name="kind" choice="multiple"'))
    controls = [control for control in several.outputs("img") if control.tag == "Choices"]
    (all_of_them,) = regions_from_annotations(found, SIZE, controls, "img")
    assert all_of_them["value"] == {"choices": ["Dog", "Cat"]}


def test_nothing_found_chooses_nothing() -> None:
    assert written() == []


def test_no_two_regions_have_the_same_id() -> None:
    regions = written(*[ring()] * 20) + written(*[ring()] * 20)
    ids = {region["id"] for region in regions}
    assert len(ids) == len(regions)
    assert all(len(identifier) == 10 for identifier in ids)


def test_a_mask_of_no_pixel_is_not_drawn() -> None:
    nothing = Annotation(label="Cat", box_xyxy=(0, 0, 0, 0), mask=Mask.empty(SIZE))
    assert written(nothing) == []
