"""A person takes over predictions, clicks, draws and writes; pull then gets the same masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.photos import PHOTOS
from premask.geometry import pixels_of_percent, snapped
from premask.images import read_image
from premask.labels.label_studio import label_config
from premask.prompts import BoxPrompt, Phrase, Prompts
from premask.recipes.recipe import recipe_of
from tests.e2e.label_studio_backend import access_to, pulled, running_backend
from tests.e2e.label_studio_checks import (
    annotated,
    assert_drawn,
    assert_same,
    only_pulled,
    points_of,
    types_of,
)
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import TOKEN, LabelStudio
from tests.tiny import TinyModels

if TYPE_CHECKING:
    pass

Json = dict[str, Any]

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image">
    <Label value="{label}" background="#ff00ff"/>
  </BrushLabels>
  <RectangleLabels name="box" toName="image" smart="true" smartOnly="true">
    <Label value="{label}"/>
  </RectangleLabels>
  <KeyPointLabels name="point" toName="image" smart="true" smartOnly="true">
    <Label value="{label}"/>
  </KeyPointLabels>
  <TextArea name="words" toName="image" smart="true" maxSubmissions="1" showSubmitButton="true"/>
</View>
"""
"""As in the README; regions get a color that no photo has."""

CHOICES = (
    "</View>",
    '<Choices name="kind" toName="image"><Choice value="suit"/></Choices></View>',
)
"""What turns it into one with a choice that has the name of the label."""

ASTRONAUT, CAT, COFFEE = (
    PHOTOS.index(f"{name}.png") for name in ("astronaut", "chelsea", "coffee")
)
CUP = (165, 12, 415, 290)
DOTS = 200
"""How many pixels the marks of two clicks may hide."""


def test_a_person_takes_over_what_was_proposed(
    label_studio: LabelStudio,
    editor: Editor,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    environment = access_to(label_studio.url, label_studio.personal_token())
    with running_backend(tmp_path, environment, "--recipe", "subject") as backend:
        project = label_studio.new_project(CONFIG.format(label="subject"))
        task = label_studio.upload(project, photos)[CAT]
        label_studio.connect(project, backend)
        editor.retrieve_predictions(project, len(photos))
        editor.look("1-retrieved")

        editor.open_task(project, task)
        editor.show_prediction()
        expected = annotated(photos[CAT], recipe_of("subject"))
        assert_drawn(editor, photos[CAT], expected)
        editor.look("2-prediction")

        editor.copy_prediction()
        editor.submit()
        editor.look("3-submitted")
        editor.open_status(backend, row="subject 1 0 0 0")
        editor.look("4-status")
    said = label_studio.task(task)
    assert brush_of(said["annotations"]) == brush_of(said["predictions"])
    assert_same(only_pulled(project, tmp_path, environment), expected)


def test_a_person_clicks_and_takes_the_mask(
    label_studio: LabelStudio, editor: Editor, photos: list[Path], tmp_path: Path
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    flags = ("--recipe", "faces", "--interactive-recipe", "click")
    with running_backend(tmp_path, environment, *flags) as backend:
        project = label_studio.new_project(CONFIG.format(label="suit").replace(*CHOICES))
        (task,) = label_studio.upload(project, [photos[ASTRONAUT]])
        label_studio.connect(project, backend)
        editor.start_annotating(project, task)
        editor.choose_smart("key-point-tool")
        first = points_of(editor.click("suit", (250, 330)))
        both = points_of(editor.click("suit", (55, 190), negative=True))
        expected = annotated(photos[ASTRONAUT], recipe_of("click"), both)
        assert_drawn(editor, photos[ASTRONAUT], expected, besides=DOTS)
        editor.look("5-clicked")
        editor.accept()
        assert_drawn(editor, photos[ASTRONAUT], expected)
        editor.submit()
        editor.look("6-submitted")
    assert [(point.x, point.y, point.positive) for point in both.points] == [
        (250, 330, True),
        (55, 190, False),
    ]
    assert expected.mask != annotated(photos[ASTRONAUT], recipe_of("click"), first).mask
    assert types_of(label_studio.task(task)["annotations"]) == ["brushlabels"]
    assert_same(only_pulled(project, tmp_path, environment), expected)


def test_a_person_draws_a_box(
    label_studio: LabelStudio,
    editor: Editor,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    flags = ("--recipe", "subject", "--interactive-recipe", "click")
    with running_backend(tmp_path, environment, *flags) as backend:
        project = label_studio.new_project(CONFIG.format(label="cup"))
        (task,) = label_studio.upload(project, [photos[COFFEE]])
        label_studio.connect(project, backend)
        editor.start_annotating(project, task)
        editor.choose_smart("rectangle-tool")
        drawn = box_of(*editor.draw_box("cup", CUP))
        expected = annotated(photos[COFFEE], recipe_of("click"), drawn)
        editor.look("8-boxed")
        editor.accept()
        assert_drawn(editor, photos[COFFEE], expected)
        editor.submit()
    assert [box.box_xyxy for box in drawn.boxes] == [CUP]
    assert_same(only_pulled(project, tmp_path, environment), expected)


def test_an_object_in_several_regions_stays_one_object(
    label_studio: LabelStudio,
    editor: Editor,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    config = label_config(["subject"]).replace('toName="image"', 'toName="image" model_also="true"')
    with running_backend(tmp_path, environment, "--recipe", "subject") as backend:
        project = label_studio.new_project(config)
        (task,) = label_studio.upload(project, [photos[CAT]])
        label_studio.connect(project, backend)
        editor.retrieve_predictions(project, 1)
        editor.open_task(project, task)
        editor.copy_prediction()
        editor.submit()
        editor.look("9-several-regions")
    types = types_of(label_studio.task(task)["annotations"])
    assert set(types) == {"brushlabels", "rectanglelabels", "polygonlabels"}
    assert_same(
        only_pulled(project, tmp_path, environment), annotated(photos[CAT], recipe_of("subject"))
    )


def test_a_person_draws_while_the_view_is_turned(
    label_studio: LabelStudio, editor: Editor, photos: list[Path], tmp_path: Path
) -> None:
    config = label_config(["cup", "spoon"]).replace("zoom=", 'rotateControl="true" zoom=')
    project = label_studio.new_project(config)
    (task,) = label_studio.upload(project, [photos[COFFEE]])
    editor.open_alone(project, task)
    editor.turn()
    editor.draw("Brush", "cup", (100, 350), (300, 500))
    editor.draw("Rectangle", "spoon", (50, 250), (150, 330))
    editor.look("10-turned")
    editor.submit()
    ((brush, box),) = (
        labeled.annotations
        for labeled in pulled(project, tmp_path / "pulled", access_to(label_studio.url, TOKEN))
    )
    (said,) = label_studio.task(task)["annotations"]
    assert {region["image_rotation"] for region in said["result"]} == {90}

    # Clockwise, what is at (x, y) of the upright photo is shown at (height - y, x).
    height, _ = read_image(photos[COFFEE]).size_hw
    assert (brush.label, box.label) == ("cup", "spoon")
    assert box.box_xyxy == pytest.approx((250, height - 150, 330, height - 50), abs=1)
    editor.open_alone(project, task)
    editor.look("11-upright-again")
    assert_drawn(editor, photos[COFFEE], brush, beside=box)


def test_what_a_person_writes_is_looked_for(
    label_studio: LabelStudio, editor: Editor, photos: list[Path], tmp_path: Path
) -> None:
    model = TinyModels(tmp_path / "models")["sam3"]
    settings = {"find.model": model, "find.threshold": 0.0, "select.top": 1}
    recipe = recipe_of("sam3").with_settings(settings)
    flags = [f"--set={name}={value}" for name, value in settings.items()]
    environment = access_to(label_studio.url, TOKEN)
    with running_backend(tmp_path, environment, "--recipe", "sam3", *flags) as backend:
        project = label_studio.new_project(CONFIG.format(label="spoon"))
        (task,) = label_studio.upload(project, [photos[COFFEE]])
        label_studio.connect(project, backend)
        editor.start_annotating(project, task)
        asked = editor.write("a silver spoon")
        expected = annotated(photos[COFFEE], recipe, phrase("a silver spoon"))
        editor.accept()
        assert_drawn(editor, photos[COFFEE], expected)
        editor.look("7-words")
        editor.submit()
    assert [region["value"]["text"] for region in asked] == [["a silver spoon"]]
    assert expected.mask != annotated(photos[COFFEE], recipe, phrase("spoon")).mask
    assert_same(only_pulled(project, tmp_path, environment), expected)


def phrase(text: str) -> Prompts:
    return Prompts(phrases=(Phrase(text=text, label="spoon"),))


def box_of(region: Json) -> Prompts:
    """The box of a call, in pixels of the photo."""
    value, size_hw = region["value"], (region["original_height"], region["original_width"])
    x, y = pixels_of_percent((value["x"], value["y"]), size_hw)
    width, height = pixels_of_percent((value["width"], value["height"]), size_hw)
    box = (snapped(x), snapped(y), snapped(x + width), snapped(y + height))
    return Prompts(boxes=(BoxPrompt(box_xyxy=box, label="cup"),))


def brush_of(annotations: list[Json]) -> Json:
    """The value of the only region in the only annotation or prediction."""
    ((region,),) = (annotation["result"] for annotation in annotations)
    value: Json = region["value"]
    return value
