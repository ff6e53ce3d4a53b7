"""The guide for Label Studio, step by step; each step leaves the guide's picture of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.photos import PHOTOS
from premask.recipes.recipe import recipe_of
from tests.e2e.guide_pictures import show_in_guide
from tests.e2e.label_studio_backend import access_to, pulled, running_backend, said_by
from tests.e2e.label_studio_checks import annotated, assert_same
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import TOKEN, LabelStudio

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image">
    <Label value="cup" model_phrases="subject" background="#2f7bff"/>
    <Label value="person" background="#ff2d9b"/>
  </BrushLabels>
  <RectangleLabels name="box" toName="image" smart="true" smartOnly="true">
    <Label value="cup"/><Label value="person"/>
  </RectangleLabels>
  <KeyPointLabels name="point" toName="image" smart="true" smartOnly="true">
    <Label value="cup"/><Label value="person"/>
  </KeyPointLabels>
</View>
"""
"""As in the guide, with colors that are seen on these photos."""

ASTRONAUT, COFFEE = PHOTOS.index("astronaut.png"), PHOTOS.index("coffee.png")
ON_THE_SUIT, BESIDE = (250, 330), (55, 190)


def test_the_guide_from_connecting_to_accepted_masks(
    label_studio: LabelStudio,
    editor: Editor,
    page: Page,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    flags = ("--recipe", "subject", "--interactive-recipe", "click")
    with running_backend(tmp_path, environment, *flags) as backend:
        project = label_studio.new_project(CONFIG)
        coffee, astronaut = label_studio.upload(project, [photos[COFFEE], photos[ASTRONAUT]])
        said = doctor(environment, backend, project)
        assert "is not connected with" in said

        connect_as_in_the_guide(editor, page, project, backend)
        said = doctor(environment, backend, project)
        assert f"Label Studio gets answers from {backend}" in said
        assert "Label Studio tells the backend what people do." in said

        editor.choose_retrieve_predictions(project)
        show_in_guide(page, "ls-retrieve")
        editor.confirm_retrieving(2)

        editor.open_task(project, coffee)
        show_in_guide(page, "ls-proposal")
        editor.copy_prediction()
        editor.submit()
        show_in_guide(page, "ls-accepted")

        editor.start_annotating(project, astronaut)
        editor.choose_smart("key-point-tool")
        editor.click("person", ON_THE_SUIT)
        editor.click("person", BESIDE, negative=True)
        show_in_guide(page, "ls-click")
        editor.accept()
        editor.submit()

        editor.open_status(backend, "subject cup")
        show_in_guide(page, "ls-status")
    accepted, clicked = pulled(project, tmp_path / "pulled", environment)
    proposed = annotated(photos[COFFEE], recipe_of("subject"))
    assert_same(accepted.annotations[0], replace(proposed, label="cup"))
    assert len(clicked.annotations) == 1


def doctor(environment: dict[str, str], backend: str, project: int) -> str:
    """What the doctor says; it would end with 1 if something were wrong."""
    return said_by(environment, "doctor", "--url", backend, "--project", str(project))


def connect_as_in_the_guide(editor: Editor, page: Page, project: int, backend: str) -> None:
    editor.open_model_form(project)
    form = page.locator("form[action=addMLBackend]")
    form.locator("input[name=title]").fill("premask")
    form.locator("input[name=url]").fill(backend)
    form.locator("label").filter(has=page.locator("input[name=is_interactive]")).click()
    assert form.locator("input[name=is_interactive]").is_checked()
    show_in_guide(page, "ls-connect")
    form.get_by_text("Validate and Save").click()
    page.get_by_text("Connected", exact=True).first.wait_for()
