"""The messages of Label Studio 1.23: what it sends to a backend, and the answers it accepts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_backend.studio.json_reading import Json as Json
from ml_backend.studio.json_reading import read_object
from premask.errors import InvalidRequest, UnusableLabelConfig

LONGEST_CONFIG = 2**19
MOST_IMAGES = 200
"""A label config is read again for each call, and each of its images is matched with each tag."""

LONGEST_PROJECT_ID = 64

_UNNEEDED = tuple(
    (None, b"tasks", None, name) for name in (b"annotations", b"predictions", b"drafts")
)
"""What people and models have said of tasks already: most of a large request."""

_DECIMALS = np.array([f"{value}," for value in range(256)], "S4").view(np.uint32)
"""The decimal text of each byte value with a comma, filled up with zero bytes to four."""

NOT_LOOKED_AT: tuple[Json, ...] = ()
"""The item for a task that was not labeled: an empty list of predictions.

Label Studio saves nothing for it, so the next "Retrieve predictions" asks again. A prediction
without regions would be saved, and the task would count as done.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The parts of a task that decide its prediction; annotations and drafts don't."""

    id: int | None
    data: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictCall:
    """One call of /predict. `context` is what a person did; None asks for whole tasks.

    `project_key` tells projects of several Label Studios apart, `project` is what people know.
    """

    tasks: tuple[Task, ...]
    project: str
    project_key: str
    label_config: str
    context: Json | None

    @classmethod
    def parse(cls, body: bytes) -> PredictCall:
        # The brushes in the tasks are not needed, but one in the params is a person's prompt. With
        # the colon, the search finds the key, and no label that is called "params".
        body = without_run_lengths(body, body.rfind(b'"params":'))
        document = read_object(body, streamed=(None, b"tasks", None), without=_UNNEEDED)
        tasks = document.get("tasks")
        params = document.get("params") or {}
        if not isinstance(tasks, list) or not isinstance(params, dict):
            raise InvalidRequest("A prediction needs a list of tasks, and params that are a table.")
        context = params.get("context")
        if not (context is None or isinstance(context, dict)):
            raise InvalidRequest("The context of a click must be a table.")
        return cls(
            tasks=tuple(map(task_from_json, tasks)),
            project=project_id(document.get("project")),
            project_key=project_key(document.get("project")),
            label_config=label_config_of(document, "label_config"),
            context=context,
        )


def label_config_of(document: Json, name: str) -> str:
    """The label config in a request; raises where it is too large to be looked at."""
    xml = document.get(name) or ""
    if not isinstance(xml, str):
        raise UnusableLabelConfig(f"The label config ('{name}') must be a text.")
    if len(xml) > LONGEST_CONFIG or _shown(xml) > MOST_IMAGES:
        raise UnusableLabelConfig(
            f"The label config is longer than {LONGEST_CONFIG:,} letters, or shows more than "
            f"{MOST_IMAGES} images and videos; split the project."
        )
    return xml


def _shown(xml: str) -> int:
    """About how many images and videos a label config shows."""
    return xml.count("<Image") + xml.count("<Video")


def project_id(project: Any) -> str:
    """The id of "<id>.<when it was made>".

    >>> project_id("12.1795226314")
    '12'
    """
    return str(project or "").partition(".")[0][:LONGEST_PROJECT_ID]


def project_key(project: Any) -> str:
    """The id of a project with when it was made, as Label Studio sends it in every request."""
    return str(project or "")[:LONGEST_PROJECT_ID]


def without_run_lengths(body: bytes, end: int) -> bytes:
    """The same document with empty run lengths in all brushes before the position `end`.

    Run lengths are nearly all of a large request, and a byte search skips them much faster than a
    JSON parser.
    """
    kept, position = [], 0
    while (start := body.find(b'"rle":', position, end)) >= 0:
        opening = body.find(b"[", start, start + len(b'"rle": ['))
        closing = body.find(b"]", opening, end)
        if opening < 0 or closing < 0:
            break
        kept.append(body[position : opening + 1])
        position = closing
    return b"".join([*kept, body[position:]])


def prediction_json(prediction: Json) -> bytes:
    """The prediction as JSON, its run lengths written by numpy.

    Python's own writer takes ten times as long, and lets no other thread run meanwhile: for a
    ragged mask at 1080p, 35 ms.
    """
    regions, brushes = [], []
    for region in prediction["result"]:
        if "rle" in region["value"]:
            brushes.append(bytes(region["value"]["rle"]))
            region = {**region, "value": {**region["value"], "rle": []}}
        regions.append(region)
    text = json.dumps({**prediction, "result": regions}, allow_nan=False).encode()
    *heads, end = text.split(b'"rle": []')
    parts = (
        head + b'"rle": [' + _numbers(brush) + b"]"
        for head, brush in zip(heads, brushes, strict=True)
    )
    return b"".join([*parts, end])


def _numbers(data: bytes) -> bytes:
    """Bytes as decimal numbers with commas in between."""
    characters = _DECIMALS[np.frombuffer(data, np.uint8)].tobytes()
    return characters.translate(None, b"\0")[:-1]


def failed_item(reason: str, model_version: str) -> Json:
    """The item for a task that failed. Label Studio saves nothing for it, and logs the reason."""
    return {"model_version": model_version, "error": reason}


def answer(items: Iterable[bytes]) -> bytes:
    """The body of an answer, from one item for each task."""
    return b'{"results": [' + b", ".join(items) + b"]}"


def task_from_json(task: Any) -> Task:
    """A task; from what is no task, one without data, which fails without failing the others."""
    if not isinstance(task, Mapping):
        return Task(id=None, data={})
    data, number = task.get("data"), task.get("id")
    return Task(
        id=number if isinstance(number, int) and not isinstance(number, bool) else None,
        data=data if isinstance(data, dict) else {},
    )
