"""Bitmasks and plain tags in Label Studio's editor: proposed, clicked, imported, taken, pulled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.photos import PHOTOS
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

Json = dict[str, Any]

ASTRONAUT, CAT, COFFEE = (
    PHOTOS.index(f"{name}.png") for name in ("astronaut", "chelsea", "coffee")
)
DOTS = 100

BITMASKS = """
<View>
  <Image name="image" value="$image" smoothing="false"/>
  <BitmaskLabels name="bitmask" toName="image"><Label value="suit" background="#ff00ff"/></BitmaskLabels>
  <KeyPointLabels name="point" toName="image" smart="true" smartOnly="true"><Label value="suit"/></KeyPointLabels>
</View>
"""
PLAIN = """
<View>
  <Image name="image" value="$image" smoothing="false"/>
  <Labels name="labels" toName="image"><Label value="suit" background="#ff00ff"/></Labels>
  <Brush name="brush" toName="image"/>
  <KeyPoint name="point" toName="image" smart="true" smartOnly="true"/>
</View>
"""


def test_bitmasks_are_proposed_clicked_and_pulled_to_the_last_bit(
    label_studio: LabelStudio,
    editor: Editor,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    flags = ("--recipe", "subject", "--interactive-recipe", "click")
    with running_backend(tmp_path, environment, *flags) as backend:
        project = label_studio.new_project(BITMASKS)
        cat, suit = label_studio.upload(project, [photos[CAT], photos[ASTRONAUT]])
        label_studio.connect(project, backend)
        editor.open_task(project, cat)
        editor.show_prediction()
        soft = annotated(photos[CAT], recipe_of("subject"))
        editor.look("12-bitmask")
        assert_drawn(editor, photos[CAT], soft)
        editor.copy_prediction()
        editor.submit()

        editor.start_annotating(project, suit)
        editor.choose_smart("key-point-tool")
        asked = points_of(editor.click("suit", (250, 330)))
        clicked = annotated(photos[ASTRONAUT], recipe_of("click"), asked)
        assert_drawn(editor, photos[ASTRONAUT], clicked, besides=DOTS)
        editor.look("13-bitmask-clicked")
        editor.accept()
        editor.submit()
    for task in (cat, suit):
        assert types_of(label_studio.task(task)["annotations"]) == ["bitmasklabels"]
    ((proposed,), (pointed_at,)) = (
        labeled.annotations for labeled in pulled(project, tmp_path / "pulled", environment)
    )
    assert soft.matte is not None
    assert_same(proposed, replace(soft, label="suit"))
    assert_same(pointed_at, clicked)


def test_a_click_with_plain_tags_leaves_what_a_person_would(
    label_studio: LabelStudio,
    editor: Editor,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    flags = ("--recipe", "subject", "--interactive-recipe", "click")
    with running_backend(tmp_path, environment, *flags) as backend:
        project = label_studio.new_project(PLAIN)
        (task,) = label_studio.upload(project, [photos[ASTRONAUT]])
        label_studio.connect(project, backend)
        editor.start_annotating(project, task)
        editor.choose_smart("key-point-tool")
        asked = editor.click("suit", (250, 330))
        print(asked)
        editor.look("14-plain")
        expected = annotated(photos[ASTRONAUT], recipe_of("click"), points_of(asked))
        assert_drawn(editor, photos[ASTRONAUT], expected, besides=DOTS)
        editor.accept()
        assert_drawn(editor, photos[ASTRONAUT], expected)
        editor.submit()
    print(label_studio.task(task)["annotations"][0]["result"][1]["value"].keys())
    assert types_of(label_studio.task(task)["annotations"]) == ["brush", "labels"]
    assert_same(only_pulled(project, tmp_path, environment), expected)
