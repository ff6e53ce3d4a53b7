"""Label Studio's own webhook reaches a backend that asks for a secret, and nobody else's does."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from benchmarks.photos import copy_photos
from tests.e2e.label_studio_backend import access_to, running_backend
from tests.e2e.label_studio_server import TOKEN, LabelStudio
from tests.e2e.programs import until

Json = dict[str, Any]

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image"><Label value="cup"/></RectangleLabels>
</View>
"""
SECRET = "secret-of-nobody-0123"
SOON = 30

REGION: Json = {
    "id": "r1",
    "type": "rectanglelabels",
    "from_name": "box",
    "to_name": "image",
    "original_width": 600,
    "original_height": 400,
    "image_rotation": 0,
    "value": {"x": 1, "y": 1, "width": 9, "height": 9, "rotation": 0, "rectanglelabels": ["cup"]},
}


def take_over(label_studio: LabelStudio, project: int, task: int) -> None:
    """Begin with a prediction that `push` has made: keep one region, move one, and delete one.

    The project shows the predictions of no version, so the event has nothing of it.
    """
    regions = [region(name, 10.0 * place) for place, name in enumerate("abc")]
    label_studio.predict(task, regions, "premask-faces-0123456789ab")
    (prediction,) = label_studio.task(task)["predictions"]
    kept, moved, _ = regions
    moved = {**moved, "value": moved["value"] | {"y": 40}, "origin": "prediction-changed"}
    label_studio.annotate(task, [kept, moved], parent_prediction=prediction["id"])


def region(name: str, x: float) -> Json:
    return {**REGION, "id": name, "value": REGION["value"] | {"x": x}, "origin": "prediction"}


def text_of(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def test_events_of_a_backend_that_was_connected_with_the_secret_are_counted(
    label_studio: LabelStudio, tmp_path: Path
) -> None:
    environment = access_to(label_studio.url, TOKEN) | {"PREMASK_WEBHOOK_SECRET": SECRET}
    with running_backend(tmp_path, environment, "--recipe", "click") as backend:
        project = label_studio.new_project(CONFIG)
        label_studio.connect(project, f"{backend}/{SECRET}")
        (task,) = label_studio.upload(project, copy_photos(tmp_path / "photos")[:1])
        label_studio.annotate(task, [REGION])
        counts = f"{backend}/status/corrections.csv"
        assert until(lambda: "(by hand),cup,0,0,0,1" in text_of(counts), SOON)
        take_over(label_studio, project, task)
        assert until(lambda: ",faces,cup,1,1,1,0" in text_of(counts), SOON)
        event = urllib.request.Request(
            f"{backend}/webhook",
            json.dumps({"action": "START_TRAINING"}).encode(),
            {"Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(event)
    assert SECRET not in (tmp_path / "backend.log").read_text()
