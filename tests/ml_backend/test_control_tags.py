"""Every control tag in the table does what its entry says; a new entry is tested at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface

from ml_backend.predict.chosen_recipes import ChosenRecipes
from ml_backend.project.label_config import LabelConfig, parse_label_config
from ml_backend.project.region_prompts import prompts_from_regions, regions_by_image
from ml_backend.project.regions import regions_from_annotations
from ml_backend.server.setup_report import setup_report
from premask.annotations import Annotation
from premask.labels.label_studio import CONTROL_TAGS, ControlTag, annotations_from_regions
from premask.masks import Mask
from premask.prompts import Prompts
from premask.recipes.recipe import recipe_of
from tests.ml_backend.label_studio_calls import HEIGHT, WIDTH, Json, clicked, keypoint, text

SIZE = (HEIGHT, WIDTH)

DRAWN_BY_PEOPLE: dict[str, Json] = {
    "KeyPointLabels": keypoint(30, 20),
    "KeyPoint": keypoint(30, 20) | {"type": "keypoint"},
    "TextArea": text("a red cat"),
}
"""Regions of the tags that premask reads as prompts, but writes nothing with."""

TAGS = CONTROL_TAGS.values()
WRITTEN = [tag for tag in TAGS if tag.is_written]
READ_AGAIN = [tag for tag in TAGS if tag.write and tag.read]
PROMPTS = [tag for tag in TAGS if tag.prompt]


def name_of(tag: ControlTag) -> str:
    return tag.name


def config_xml(tag: ControlTag, attributes: str = "") -> str:
    """The tag with one label, beside a brush that predictions can be written with."""
    child = "Choice" if tag.write_classes else "Label"
    if tag.is_plain:
        return (
            '<View><Image name="img" value="$image"/>'
            '<Labels name="labels" toName="img"><Label value="Cat"/></Labels>'
            '<Brush name="plain" toName="img"/>'
            f'<{tag.name} name="tried" toName="img" {attributes}/></View>'
        )
    return (
        '<View><Image name="img" value="$image"/>'
        '<BrushLabels name="plain" toName="img"><Label value="Cat"/></BrushLabels>'
        f'<{tag.name} name="tried" toName="img" {attributes}><{child} value="Cat"/></{tag.name}>'
        "</View>"
    )


def ring() -> Annotation:
    array = np.zeros(SIZE, bool)
    array[8:40, 12:60] = True
    array[16:24, 20:40] = False
    mask = Mask.from_array(array)
    return Annotation(label="cat", box_xyxy=mask.box_xyxy, mask=mask, score=0.25)


def written_with(tag: ControlTag, config: LabelConfig) -> list[dict[str, Any]]:
    controls = [control for control in config.controls if control.name == "tried"]
    return regions_from_annotations([ring()], SIZE, controls, "img")


def drawn_by_people(tag: ControlTag) -> list[Json]:
    if tag.name not in DRAWN_BY_PEOPLE:
        pytest.fail(
            f"premask reads what people ask for with <{tag.name}>, but writes nothing with it: add "
            "a region as Label Studio sends it to DRAWN_BY_PEOPLE."
        )
    return [DRAWN_BY_PEOPLE[tag.name]]


@pytest.mark.parametrize("tag", TAGS, ids=name_of)
def test_a_tag_in_the_table_is_good_for_something(tag: ControlTag) -> None:
    assert tag.is_written or tag.read or tag.prompt
    assert bool(tag.prompt) == bool(tag.prompt_name)
    (control,) = (
        control
        for control in parse_label_config(config_xml(tag)).controls
        if control.name == "tried"
    )
    assert control.definition is tag


@pytest.mark.parametrize("tag", WRITTEN, ids=name_of)
def test_label_studio_accepts_what_is_written(tag: ControlTag) -> None:
    xml = config_xml(tag)
    regions = written_with(tag, parse_label_config(xml))
    labels = {"labels"} if tag.is_plain else set()
    assert {region["type"] for region in regions} == {tag.region_type} | labels
    prediction = {"model_version": "v", "result": regions}
    assert LabelInterface(xml).validate_prediction(prediction, return_errors=True) == []


@pytest.mark.parametrize("tag", WRITTEN, ids=name_of)
def test_a_tag_that_needs_a_mask_writes_nothing_without(tag: ControlTag) -> None:
    box = Annotation(label="Cat", box_xyxy=(1, 2, 5, 6))
    assert bool(tag.write and list(tag.write(box, SIZE))) == bool(tag.write and not tag.needs_mask)


@pytest.mark.parametrize("tag", READ_AGAIN, ids=name_of)
def test_what_is_written_is_read_at_the_same_place(tag: ControlTag) -> None:
    read = annotations_from_regions(written_with(tag, parse_label_config(config_xml(tag))))
    assert {annotation.label for annotation in read} == {"Cat"}
    boxes = np.array([annotation.box_xyxy for annotation in read])
    hull = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
    assert hull == pytest.approx(ring().box_xyxy)


@pytest.mark.parametrize("tag", PROMPTS, ids=name_of)
def test_what_a_person_draws_with_a_smart_tag_is_asked_for(tag: ControlTag) -> None:
    config = parse_label_config(config_xml(tag, 'smart="true"'))
    regions = written_with(tag, config) or drawn_by_people(tag)
    drawn = regions_by_image(clicked(*regions), config)["img"]
    prompts = prompts_from_regions(drawn, SIZE, config, "img")
    assert prompts != Prompts()
    assert bool(prompts.phrases) == tag.takes_words
    labels = {phrase.label for phrase in prompts.phrases}
    labels |= {point.label for point in prompts.points} | {box.label for box in prompts.boxes}
    assert labels | ({prompts.mask_label} if prompts.mask else set()) == {"Cat"}


@pytest.mark.parametrize("tag", PROMPTS, ids=name_of)
def test_the_setup_report_says_what_can_be_asked_for(tag: ControlTag) -> None:
    xml = config_xml(tag, 'smart="true"')
    recipes = ChosenRecipes(for_tasks=recipe_of("subject"), for_clicks=recipe_of("click"))
    report = " ".join(setup_report(parse_label_config(xml), xml, recipes))
    assert tag.prompt_name in report.lower()
    assert f'<{tag.name} name="tried">' in report
    assert "Left to people" not in report
