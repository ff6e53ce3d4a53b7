"""Bitmasks and plain tags in Label Studio's editor: proposed, clicked, imported, taken, pulled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.photos import PHOTOS
from ml_backend.project.label_config import parse_label_config
from ml_backend.project.regions import regions_from_annotations
from premask.annotations import Annotation
from premask.images import read_image
from premask.labels.label_studio import prediction_from_regions
from premask.masks import Matte, Size
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

ASTRONAUT, CAT, COFFEE = (
    PHOTOS.index(f"{name}.png") for name in ("astronaut", "chelsea", "coffee")
)
DOTS = 100

LABEL = '<Label value="suit" background="#ff00ff"/>'
BITMASKS = f"""
<View>
  <Image name="image" value="$image" smoothing="false"/>
  <BitmaskLabels name="bitmask" toName="image">{LABEL}</BitmaskLabels>
  <KeyPointLabels name="point" toName="image" smart="true" smartOnly="true">
    <Label value="suit"/>
  </KeyPointLabels>
</View>
"""
PLAIN = f"""
<View>
  <Image name="image" value="$image"/>
  <Labels name="labels" toName="image">{LABEL}</Labels>
  <Brush name="brush" toName="image"/>
  <KeyPoint name="point" toName="image" smart="true" smartOnly="true"/>
</View>
"""
PAGES = f"""
<View>
  <Image name="image" valueList="$pages" smoothing="false"/>
  <BitmaskLabels name="bitmask" toName="image">{LABEL}</BitmaskLabels>
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
        editor.look("14-plain")
        expected = annotated(photos[ASTRONAUT], recipe_of("click"), points_of(asked))
        assert_drawn(editor, photos[ASTRONAUT], expected, besides=DOTS)
        editor.accept()
        assert_drawn(editor, photos[ASTRONAUT], expected)
        editor.submit()
    assert types_of(label_studio.task(task)["annotations"]) == ["brush", "labels"]
    assert_same(only_pulled(project, tmp_path, environment), expected)


def test_pages_that_are_imported_show_every_pixel_of_their_own_bitmask(
    label_studio: LabelStudio, editor: Editor, photos: list[Path], tmp_path: Path
) -> None:
    both = [photos[CAT], photos[COFFEE]]
    sizes = [read_image(photo).size_hw for photo in both]
    found = [noisy(size_hw, seed) for seed, size_hw in enumerate(sizes)]
    controls = parse_label_config(PAGES).drawn("image")
    regions = [
        region
        for place, (one, size_hw) in enumerate(zip(found, sizes, strict=True))
        for region in regions_from_annotations([one], size_hw, controls, "image", place)
    ]
    prediction = prediction_from_regions(regions, model_version="premask-import")
    uploads = label_studio.upload(label_studio.new_project(BITMASKS), both)
    urls = [label_studio.task(task)["data"]["image"] for task in uploads]
    project = label_studio.new_project(PAGES)
    (task,) = label_studio.import_tasks(
        project, [{"data": {"pages": urls}, "predictions": [prediction]}]
    )
    editor.open_alone(project, task)
    editor.show_prediction()
    assert_drawn(editor, both[0], found[0])
    editor.turn_page()
    editor.look("15-second-page")
    assert_drawn(editor, both[1], found[1])
    editor.copy_prediction()
    editor.submit()
    read = pulled(project, tmp_path / "pulled", access_to(label_studio.url, TOKEN))
    for one, labeled in zip(found, read, strict=True):
        assert_same(labeled.annotations[0], one)


def noisy(size_hw: Size, seed: int) -> Annotation:
    """Nearly each pixel is a hole, a part of its own, or soft."""
    shares = [0.4, *[0.2 / 254] * 254, 0.4]
    matte = Matte.from_array(
        np.random.default_rng(seed).choice(np.arange(256, dtype=np.uint8), size_hw, p=shares)
    )
    mask = matte.mask()
    return Annotation(label="suit", box_xyxy=mask.box_xyxy, mask=mask, matte=matte)
