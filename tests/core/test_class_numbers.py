"""The numbers of classes: fixed by a person, a recipe or a checkpoint, not by what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.cli import main
from premask.errors import InvalidSetting
from premask.labels.class_list import ClassList
from premask.prompts import BoxPrompt, Phrase, Prompts
from premask.recipes.class_names import known_classes
from premask.recipes.recipe import recipe_of

SEGFORMER = {0: "Background", 1: "Hat", 2: "Left-shoe", 3: "Right-shoe", 4: "N/A", 5: "Dress"}


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_a_persons_list_is_typed_or_in_the_file_of_another_tool(tmp_path: Path) -> None:
    coco = {
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "images": [{"id": 3, "file_name": "a.jpg"}],
    }
    texts = [
        "cat, dog",
        write(tmp_path, "classes.txt", "\ufeffcat\r\ndog\r\n\n"),
        write(tmp_path, "obj.names", "cat\ndog"),
        write(tmp_path, "data.yaml", "train: a\nnames: {0: cat, 1: dog}\n"),
        write(tmp_path, "annotations.json", json.dumps(coco)),
    ]
    assert [ClassList.of(text).names for text in texts] == [("cat", "dog")] * len(texts)
    ids = ClassList.of(texts[-1]).ids
    assert ids is not None
    assert (ids.categories, ids.image("a.jpg")) == ({"cat": 17, "dog": 18}, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cat,,dog", "a class without a name at place 2"),
        ("cat,dog,cat", "the class 'cat' twice"),
        ("nowhere.txt", "can't be read from 'nowhere.txt'"),
        ("nowhere.json", "The ids can't be taken"),
    ],
)
def test_a_list_that_numbers_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSetting, match=reason):
        ClassList.of(text)


@pytest.mark.parametrize(
    ("recipe", "settings", "prompts", "classes"),
    [
        ("faces", {}, Prompts(), ("face",)),
        ("faces", {"find.label": "head"}, Prompts(), ("head",)),
        ("subject", {}, Prompts(), ("subject",)),
        ("everything", {}, Prompts(), ("object",)),
        ("dino", {}, Prompts(phrases=(Phrase(text="dog"), Phrase(text="cat"))), ("dog", "cat")),
        ("dino", {"find.phrases": ("b", "a")}, Prompts(), ("b", "a")),
        (
            "dino",
            {"find.phrases": ("b", "a"), "select.labels": ("a",)},
            Prompts(),
            ("a",),
        ),
        ("click", {}, Prompts(boxes=(BoxPrompt(box_xyxy=(0, 0, 1, 1), label="cup"),)), ("cup",)),
        ("yolo", {}, Prompts(), ()),
    ],
)
def test_what_a_recipe_can_find_is_known_beforehand(
    recipe: str, settings: dict[str, Any], prompts: Prompts, classes: tuple[str, ...]
) -> None:
    assert known_classes(recipe_of(recipe).with_settings(settings), prompts) == classes


@pytest.mark.parametrize(
    ("settings", "classes"),
    [
        ({}, ("Hat", "Left-shoe", "Right-shoe", "Dress")),
        ({"find.categories": ("dress", "shoes")}, ("Dress", "Left-shoe", "Right-shoe")),
        ({"select.labels": ("Dress", "Hat")}, ("Hat", "Dress")),
    ],
)
def test_a_checkpoints_own_classes_keep_their_order(
    tmp_path: Path, settings: dict[str, Any], classes: tuple[str, ...]
) -> None:
    table = {"model_type": "segformer", "id2label": SEGFORMER}
    write(tmp_path, "config.json", json.dumps(table))
    recipe = recipe_of("clothes").with_settings({"find.model": f"segformer:{tmp_path}"})
    assert known_classes(recipe.with_settings(settings), Prompts()) == classes


def test_a_mistyped_label_is_refused_before_anything_is_loaded(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "config.json", json.dumps({"id2label": SEGFORMER}))
    arguments = (photos / "x.jpg", "--recipe", "clothes", "--out", tmp_path / "out")
    model = ("--set", f"find.model=segformer:{tmp_path}")
    assert annotate(*arguments, *model, "--set", "select.labels=Drss") == 2
    assert "select.labels: There is no category 'Drss'. Did you mean 'Dress'?" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def photos(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("x.jpg", "x.png"):
        PIL.Image.fromarray(astronaut[:260, 100:360]).save(folder / name)
    return folder


def annotate(*arguments: object) -> int:
    return main(["annotate", *map(str, arguments)])


def categories(folder: Path) -> dict[str, int]:
    coco = json.loads((folder / "coco.json").read_text())
    return {category["name"]: category["id"] for category in coco["categories"]}


def test_the_classes_that_are_asked_for_fix_the_numbers_in_every_format(
    photos: Path, tmp_path: Path
) -> None:
    out, image = tmp_path / "out", photos / "x.jpg"
    formats = ("--format", "coco,yolo,png-classes", "--classes", "cat,face")
    assert annotate(image, "--recipe", "faces", "--out", out, *formats) == 0
    assert categories(out) == {"cat": 1, "face": 2}
    assert (out / "yolo/labels/x.txt").read_text().startswith("1 ")
    assert json.loads((out / "classes/classes.json").read_text()) == {"1": "cat", "2": "face"}


def test_what_the_list_does_not_name_is_left_out_and_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (photos / "x.jpg", "--recipe", "faces", "--out", tmp_path / "out")
    assert annotate(*arguments, "--classes", "cat") == 0
    assert "--classes does not name it: face" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/coco.json").read_text())["annotations"] == []


def test_classes_that_are_never_found_are_named_before_the_run(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # They may stand in a list for several models, so they are no error.
    arguments = (photos / "x.jpg", "--recipe", "faces", "--out", tmp_path / "out")
    assert annotate(*arguments, "--classes", "cat,face,fce") == 0
    assert "never finds: cat, fce." in capsys.readouterr().err
    assert annotate(*arguments, "--classes", "face") == 0
    assert "never finds" not in capsys.readouterr().err


def test_a_run_says_when_numbers_follow_what_was_found(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (photos / "x.jpg", "--recipe", "faces", "--out", tmp_path / "out")
    assert annotate(*arguments) == 0
    assert "Class numbers" not in capsys.readouterr().out
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("premask.runs.folder_job.known_classes", lambda *_: ())
        assert annotate(*arguments) == 0
    assert "Class numbers (coco) follow what was found" in capsys.readouterr().out


def test_images_that_yolo_can_not_tell_apart_are_refused_before_anything_is_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--recipe", "faces", "--out", tmp_path / "out", "--format", "coco,yolo")
    assert annotate(photos, *arguments) == 2
    assert "for both 'x.jpg' and 'x.png'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert annotate(photos / "x.png", *arguments) == 0
