"""push --rescore: scores follow from what is there, and nothing but scores is written."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from ml_backend.commands.rescore import Rescoring
from ml_backend.commands.task_order import TaskOrder
from ml_backend.studio.client import LabelStudioClient
from premask.annotations import Annotation
from premask.errors import InvalidSetting, LabelStudioFailed
from premask.labels.label_studio import prediction_score, regions_from_annotation
from premask.masks import Mask
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import Asked, LocalServer

Json = dict[str, Any]

VERSION = "premask-faces-1"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.studio.client.PATIENCE_SECONDS", (0.0, 0.0))


def brush(height: int, score: float | None = None) -> Json:
    pixels = np.zeros((60, 80), np.uint8)
    pixels[20 : 20 + height, 10:70] = 1
    mask = Mask.from_array(pixels)
    found = Annotation(label="face", box_xyxy=mask.box_xyxy, mask=mask, score=score)
    (region,) = regions_from_annotation(found, (60, 80))
    return region


@pytest.fixture
def fake() -> FakeLabelStudio:
    """Three tasks of ours, of which one person has annotated the first; one task of somebody."""
    made = FakeLabelStudio()
    for regions in ([brush(30), brush(4)], [brush(30, 0.9), brush(30, 0.2)], []):
        task = made.add_task({"image": "/a.png"})
        made.predict(task, regions, VERSION)
    made.predict(1, [brush(30)], "premask-faces-12")
    made.annotate(1, [brush(8)])
    made.predict(made.add_task({"image": "/a.png"}), [brush(4)], "somebody")
    return made


def rescored(server: LocalServer, version: str = VERSION) -> Rescoring:
    client = LabelStudioClient.from_settings(settings_for(server.url))
    rescoring = Rescoring(client=client, project=1, version=version)
    rescoring.run(lambda progress: None)
    return rescoring


def writes(server: LocalServer) -> list[Asked]:
    return [asked for asked in server.asked if asked.method != "GET"]


def scores(fake: FakeLabelStudio) -> list[list[float | None]]:
    return [[one["score"] for one in task["predictions"]] for task in fake.tasks.values()]


def test_only_the_scores_of_this_version_change(fake: FakeLabelStudio, server: LocalServer) -> None:
    before = copy.deepcopy(fake.tasks)
    assert rescored(server).summary() == [
        f"3 scores of '{VERSION}' written, 0 were right already, 0 tasks failed"
    ]
    thin = prediction_score([brush(4)])
    assert thin < prediction_score([brush(30)])
    assert scores(fake) == [[thin, None], [0.2], [0.5], [None]]
    for task in before.values():
        if task["predictions"][0]["model_version"] == VERSION:
            task["predictions"][0]["score"] = fake.tasks[task["id"]]["predictions"][0]["score"]
    # pytest would take minutes to show how run lengths differ.
    untouched = fake.tasks == before
    assert untouched
    assert {tuple(json.loads(asked.body)) for asked in writes(server)} == {("score",)}


def test_a_second_run_writes_nothing(fake: FakeLabelStudio, server: LocalServer) -> None:
    rescored(server)
    server.asked.clear()
    again = rescored(server)
    assert (again.changed, again.kept) == (0, 3)
    assert writes(server) == []


def test_an_interrupted_run_goes_on_where_it_was(
    fake: FakeLabelStudio, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_score = LabelStudioClient.set_score

    def fails_later(client: LabelStudioClient, prediction: int, score: float) -> None:
        if len(writes(server)):
            raise LabelStudioFailed("It is off.")
        set_score(client, prediction, score)

    with monkeypatch.context() as patch:
        patch.setattr(LabelStudioClient, "set_score", fails_later)
        with pytest.raises(LabelStudioFailed, match="off"):
            rescored(server)
    again = rescored(server)
    assert (again.changed, again.kept) == (2, 1)
    assert len(writes(server)) == 3


def test_a_prediction_that_cannot_be_read_stops_no_other(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    fake.tasks[1]["predictions"][0]["result"][0]["value"]["rle"] = [1, 2, 3]
    rescoring = rescored(server)
    assert list(rescoring.failures) == [1]
    assert scores(fake)[:3] == [[None, None], [0.2], [0.5]]
    assert rescoring.summary()[0].startswith("failed: task 1: Region ")


def test_a_version_that_is_not_there_is_named_with_those_that_are(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    with pytest.raises(InvalidSetting, match=r"no prediction of 'premask-x'.*'somebody' \(1\)"):
        rescored(server, "premask-x")
    assert writes(server) == []


def settled(server: LocalServer, *, by_doubt: bool = False) -> list[str]:
    client = LabelStudioClient.from_settings(settings_for(server.url))
    return TaskOrder(client=client, project=1, version=VERSION, by_doubt=by_doubt).settle()


def test_uncertainty_sampling_that_looks_elsewhere_is_told_of(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    assert settled(server) == []
    fake.project = {"sampling": "Uncertainty sampling", "model_version": "premask"}
    assert "of 'premask', not of 'premask-faces-1'" in settled(server)[0]
    fake.project["model_version"] = VERSION
    assert settled(server) == []
    assert writes(server) == []


def test_tasks_are_ordered_by_doubt_only_if_that_is_asked_for(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    fake.project = {"sampling": "Sequential sampling", "title": "cups"}
    assert "'premask-faces-1' is least sure" in settled(server, by_doubt=True)[0]
    assert fake.project == {
        "sampling": "Uncertainty sampling",
        "model_version": VERSION,
        "title": "cups",
    }
