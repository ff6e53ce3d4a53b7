"""Calls as Label Studio 1.23.2 sends them: recorded ones, and variations of them."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from premask.errors import UnreadableImage
from premask.labels import brush_rle
from premask.masks import Alpha

if TYPE_CHECKING:
    from starlette.testclient import TestClient


Json = dict[str, Any]

PAYLOADS = Path(__file__).parent / "payloads"

WIDTH, HEIGHT = 96, 64
RADIUS = 12

CONFIG = """
<View>
  <Image name="img" value="$image" zoom="true"/>
  <BrushLabels name="brush" toName="img"><Label value="Cat"/><Label value="Dog"/></BrushLabels>
  <KeyPointLabels name="kp" toName="img" smart="true" smartOnly="true">
    <Label value="Cat"/><Label value="Dog"/>
  </KeyPointLabels>
  <RectangleLabels name="srect" toName="img" smart="true" smartOnly="true">
    <Label value="Cat"/><Label value="Dog"/>
  </RectangleLabels>
  <TextArea name="prompt" toName="img" editable="true" smart="true"/>
</View>
"""
"""A configuration that works in Label Studio's editor."""

ONE_LABEL = """
<View>
  <Image name="img" value="$image"/>
  <BrushLabels name="brush" toName="img"><Label value="Thing"/></BrushLabels>
</View>
"""


class MemoryFetcher:
    """A fetcher with files in memory; it remembers the URLs that it was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def image_bytes(self, url: str, *, task_id: int | None = None) -> bytes:
        self.asked.append(url)
        if url not in self.files:
            raise UnreadableImage(url, "Label Studio has no such file (404)")
        return self.files[url]


def disks_png(*centers_xy: tuple[int, int]) -> bytes:
    """A noisy picture of red disks on green, as a PNG of 96 x 64."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distances = [(rows - y) ** 2 + (columns - x) ** 2 for x, y in centers_xy]
    inside = np.min(distances, axis=0) < RADIUS**2
    noise = np.random.default_rng(7).integers(0, 30, (HEIGHT, WIDTH, 3))
    rgb = np.where(inside[..., np.newaxis], (200, 30, 40), (40, 160, 60)) + noise
    file = io.BytesIO()
    PIL.Image.fromarray(rgb.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def payload(name: str) -> Json:
    """A recorded request."""
    document: Json = json.loads((PAYLOADS / f"{name}.json").read_text())
    return document


def predict_call(
    *images: str, config: str = CONFIG, context: Json | None = None, **task: object
) -> Json:
    """A recorded batch call for tasks of these images, or a click on one."""
    call = payload("predict_batch")
    tasks = [
        {**call["tasks"][0], "id": number, "data": {"image": image}, **task}
        for number, image in enumerate(images, start=1)
    ]
    params = {**call["params"], "context": context}
    return {**call, "tasks": tasks, "label_config": config, "params": params}


def clicked(*regions: Json) -> Json:
    """The context of a click with these regions."""
    return {"result": list(regions)}


def keypoint(x: float, y: float, *, label: str = "Cat", positive: bool = True) -> Json:
    """A click at these pixels, in Label Studio's percent."""
    labels = {"labels": [label], "keypointlabels": [label]}
    return {
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "width": 0.23, **labels},
        "is_positive": positive,
        "id": "f3E_eYIfXi",
        "from_name": "kp",
        "to_name": "img",
        "type": "keypointlabels",
        "origin": "manual",
    }


def rectangle(x0: float, y0: float, x1: float, y1: float, *, label: str = "Cat") -> Json:
    """A smart rectangle; Label Studio sends neither is_positive nor labels with it."""
    return {
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {
            "x": 100 * x0 / WIDTH,
            "y": 100 * y0 / HEIGHT,
            "width": 100 * (x1 - x0) / WIDTH,
            "height": 100 * (y1 - y0) / HEIGHT,
            "rotation": 0,
            "rectanglelabels": [label],
        },
        "id": "r1",
        "from_name": "srect",
        "to_name": "img",
        "type": "rectanglelabels",
        "origin": "manual",
    }


def text(*words: str) -> Json:
    """A text prompt: it has no size of an image."""
    return {
        "value": {"text": list(words)},
        "id": "t1",
        "from_name": "prompt",
        "to_name": "img",
        "type": "textarea",
        "origin": "manual",
    }


def results(client: TestClient, call: Json) -> list[Any]:
    """The items of a successful answer."""
    response = client.post("/predict", json=call)
    assert response.status_code == 200, response.text
    items: list[Any] = response.json()["results"]
    return items


def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true; the test fails if that takes too long."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen in time")


def saved_by_label_studio(tasks: int, items: list[Any]) -> list[list[Json]]:
    """The predictions that Label Studio saves of an answer, by task (label_studio/ml/models.py)."""
    assert len(items) == tasks, "it would discard all, or ask one by one"
    saved = []
    for item in items:
        predictions = [item] if isinstance(item, dict) else item
        saved.append([prediction for prediction in predictions if "result" in prediction])
    for prediction in (prediction for predictions in saved for prediction in predictions):
        score = prediction.get("score", 0)
        assert isinstance(score, int | float), "it would refuse the whole batch"
    return saved


def alpha_of(region: Json) -> Alpha:
    """The alpha of a brush, (height, width)."""
    return brush_rle.decode(region["value"]["rle"], (HEIGHT, WIDTH))


def covers_disk(region: Json, x: int, y: int) -> bool:
    """Whether a brush is the disk at (x, y), give or take its edge."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disk = (rows - y) ** 2 + (columns - x) ** 2 < RADIUS**2
    brush = alpha_of(region) > 127
    return bool((brush & disk).sum() / (brush | disk).sum() > 0.8)


def region(name: str, label: str = "Cat", origin: str = "prediction", **fields: Any) -> Json:
    """A box as an annotation has it; without the image's size, nobody can tell where it is."""
    value = {"rectanglelabels": [label], "x": 10, "y": 10, "width": 20, "height": 20}
    found = {"id": name, "type": "rectanglelabels", "to_name": "img", "origin": origin}
    return {**found, "value": value | fields.pop("value", {}), **fields}
