"""Two projects of one backend, each with the recipe that was typed into Label Studio's form."""

from __future__ import annotations

from pathlib import Path

from benchmarks.photos import PHOTOS
from premask.recipes.recipe import recipe_of
from tests.e2e.label_studio_backend import access_to, running_backend, said_by
from tests.e2e.label_studio_checks import annotated, assert_drawn
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import TOKEN, LabelStudio

ASTRONAUT = PHOTOS.index("astronaut.png")

LABELS = """
<View>
  <Image name="image" value="$image" smoothing="false"/>
  <BitmaskLabels name="bitmask" toName="image"><Label value="face" background="#ff00ff"/>
  </BitmaskLabels>
</View>
"""


def test_two_projects_of_one_backend_have_recipes_of_their_own(
    label_studio: LabelStudio,
    editor: Editor,
    photos: list[Path],
    u2netp_weights: object,
    tmp_path: Path,
) -> None:
    photo, environment = photos[ASTRONAUT], access_to(label_studio.url, TOKEN)
    with running_backend(tmp_path, environment, "--recipe", "subject") as backend:
        faces, subjects = label_studio.new_project(LABELS), label_studio.new_project(LABELS)
        (face,), (subject,) = (
            label_studio.upload(project, [photo]) for project in (faces, subjects)
        )
        label_studio.connect(subjects, backend)
        connect_in_form(editor, faces, backend, "recipe=facse threshold=0.4")
        editor.page.get_by_text("Did you mean 'faces'?").first.wait_for()
        editor.look("16-no-such-recipe")
        connect_in_form(editor, faces, backend, "recipe=faces refine.grow=3")
        editor.page.get_by_text("Connected", exact=True).wait_for()

        editor.open_alone(faces, face)
        editor.show_prediction()
        grown = recipe_of("faces").with_settings({"refine.grow": 3})
        assert_drawn(editor, photo, annotated(photo, grown))
        editor.look("17-recipe-of-a-project")
        editor.open_task(subjects, subject)
        editor.show_prediction()
        assert_drawn(editor, photo, annotated(photo, recipe_of("subject")))
        assert "0 predictions written" in said_by(environment, "push", "--project", str(faces))
        editor.open_status(backend, row="By the extra params: recipe=faces, refine.grow=3.")
        editor.look("18-status-of-recipes")
    versions = [
        label_studio.task(task)["predictions"][0]["model_version"] for task in (face, subject)
    ]
    assert [version.rsplit("-", 1)[0] for version in versions] == [
        "premask-faces",
        "premask-subject",
    ]


def connect_in_form(editor: Editor, project: int, backend: str, extra_params: str) -> None:
    editor.open_model_form(project)
    editor.page.fill("input[name=title]", "premask")
    editor.page.fill("input[name=url]", backend)
    editor.page.fill("textarea[name=extra_params]", extra_params)
    editor.page.get_by_label("Save machine learning form").click()
