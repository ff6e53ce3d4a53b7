"""push from end to end: real photos, a real recipe, and a fake Label Studio on a real port."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import premask
from ml_backend.commands import push
from ml_backend.predict.predictors import pool_from_settings
from ml_backend.settings import BackendSettings
from premask.errors import (
    InvalidSetting,
    MissingWeights,
    UnsupportedPrompt,
    UnusableLabelConfig,
)
from premask.images import Image, read_image
from premask.labels.label_studio import annotations_from_regions
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import LocalServer

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def photos(astronaut: NDArray[np.uint8]) -> list[bytes]:
    """Three crops of the astronaut's face, each a bit further to the left."""
    made = []
    for shift in range(3):
        file = io.BytesIO()
        PIL.Image.fromarray(astronaut[:260, 100 + 5 * shift : 360]).save(file, "PNG")
        made.append(file.getvalue())
    return made


@pytest.fixture
def fake(photos: list[bytes]) -> FakeLabelStudio:
    made = FakeLabelStudio()
    for number, photo in enumerate(photos):
        made.add_upload(f"{number}.png", photo)
    return made


def settings(server: LocalServer, **fields: Any) -> BackendSettings:
    return settings_for(server.url, **{"recipe": "faces", "device": "cpu", **fields})


def pushed(settings: BackendSettings, *flags: str) -> int:
    parser = argparse.ArgumentParser()
    push.add_arguments(parser)
    return push.run(parser.parse_args(["--project", "1", *flags]), settings)


def test_push_asks_for_what_the_project_asks_for(
    fake: FakeLabelStudio, server: LocalServer, photos: list[bytes]
) -> None:
    other = {"model_version": "yolo-1", "extra_params": "not=ours"}
    own = {"model_version": "premask-subject-1", "extra_params": "recipe=faces refine.grow=3"}
    fake.backends = [other, own]
    assert pushed(settings(server, recipe="click")) == 0
    ((first,), *_) = fake.versions().values()
    assert first.startswith("premask-faces-")
    fake.backends = [other]
    assert pushed(settings(server)) == 0
    assert {len(versions) for versions in fake.versions().values()} == {2}


def test_predictions_are_what_the_recipe_finds(
    fake: FakeLabelStudio, server: LocalServer, photos: list[bytes]
) -> None:
    assert pushed(settings(server)) == 0
    for task, labeled in zip(fake.tasks.values(), premask.label(photos, "faces"), strict=True):
        (prediction,) = task["predictions"]
        read = annotations_from_regions(prediction["result"])
        assert [annotation.mask for annotation in read] == [
            annotation.mask for annotation in labeled.annotations
        ]
        assert {(region["from_name"], region["to_name"]) for region in prediction["result"]} == {
            ("brush", "img")
        }


def test_a_finished_project_needs_no_model_and_no_image(
    fake: FakeLabelStudio,
    server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pushed(settings(server)) == 0
    fake.files.clear()
    monkeypatch.setattr("premask.models.families.haar.HaarFinder.find", None)
    assert pushed(settings(server)) == 0
    assert "0 predictions written" in capsys.readouterr().out


def test_other_settings_are_another_version(fake: FakeLabelStudio, server: LocalServer) -> None:
    assert pushed(settings(server)) == 0
    assert pushed(settings(server, recipe_settings=("refine.grow=5",)), "--replace") == 0
    (versions,) = {tuple(task_versions) for task_versions in fake.versions().values()}
    assert len(versions) == 1


def test_a_broken_image_is_named_and_stops_nothing(
    fake: FakeLabelStudio, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    task = fake.add_upload("broken.png", b"<html>")
    assert pushed(settings(server)) == 1
    assert f"failed: task {task}: '/data/upload/1/broken.png' can't be read" in (
        capsys.readouterr().out
    )
    assert [len(task_versions) for task_versions in fake.versions().values()] == [1, 1, 1, 0]


def test_what_has_no_label_is_counted(
    fake: FakeLabelStudio, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.config = fake.config.replace('"face"', '"cat"').replace(
        "</BrushLabels>", '<Label value="dog"/></BrushLabels>'
    )
    assert pushed(settings(server)) == 0
    assert "no label for it: 3 x face" in capsys.readouterr().out


def test_an_unusable_project_is_refused_first(fake: FakeLabelStudio, server: LocalServer) -> None:
    fake.config = '<View><Text name="t" value="$text"/></View>'
    with pytest.raises(UnusableLabelConfig):
        pushed(settings(server))


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        ("subject", MissingWeights, "premask models download u2netp"),
        ("click", UnsupportedPrompt, "answers clicks only"),
    ],
)
def test_what_would_make_every_task_fail_is_one_error(
    recipe: str,
    error: type[Exception],
    message: str,
    fake: FakeLabelStudio,
    server: LocalServer,
) -> None:
    with pytest.raises(error, match=message):
        pushed(settings(server, recipe=recipe))
    assert not [path for path in server.paths() if path.startswith("/data/")]


def test_a_project_without_words_is_no_question_for_a_recipe_that_needs_some(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    fake.config = """<View><Image name="image" value="$image"/>
        <RectangleLabels name="box" toName="image"/></View>"""
    with pytest.raises(UnsupportedPrompt, match="looks for what you name"):
        pushed(settings(server, recipe="dino"))
    assert not [path for path in server.paths() if path.startswith("/data/")]


# --- --embed-only


class Remembered:
    """The embedding of the model below."""

    nbytes = 8

    def to_bytes(self) -> bytes:
        return b"embedded"


class Remembering:
    """A model whose embeddings can be kept on disk; it remembers which images it got."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, images: Sequence[Image]) -> list[Remembered]:
        self.seen += [image.digest for image in images]
        return [Remembered() for _ in images]

    def restore(self, data: bytes) -> Remembered:
        return Remembered()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Remembering:
    made = Remembering()
    monkeypatch.setattr("premask.models.pool.build", lambda *arguments: made)
    return made


def test_each_image_is_embedded_once_for_the_server(
    fake: FakeLabelStudio,
    server: LocalServer,
    model: Remembering,
    photos: list[bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = fake.add_upload("broken.png", b"<html>")
    assert pushed(settings(server), "--embed-only") == 1
    digests = sorted(read_image(photo).digest for photo in photos)
    assert sorted(model.seen) == digests
    assert not any(fake.versions().values())
    pool = pool_from_settings(settings(server))
    assert all(pool.is_stored("grabcut", read_image(photo)) for photo in photos)
    del fake.tasks[task]
    assert pushed(settings(server), "--embed-only") == 0
    assert sorted(model.seen) == digests
    assert "0 embeddings made for 'click', 3 kept from before" in capsys.readouterr().out


@pytest.mark.usefixtures("fake")
def test_a_subject_that_has_none_of_the_labels_is_said_before_anything_is_asked_of_a_model(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    """Once, and not for each task; and nothing empty is written."""
    fake.config = fake.config.replace("<Label", '<Label value="body"/><Label')
    with pytest.raises(UnusableLabelConfig, match='<Label model_phrases="subject">'):
        pushed(settings(server, recipe="subject"))
    assert not any(task["predictions"] for task in fake.tasks.values())


def test_a_recipe_that_remembers_nothing_says_so(server: LocalServer) -> None:
    with pytest.raises(InvalidSetting, match="--interactive-recipe"):
        pushed(settings(server), "--embed-only")
