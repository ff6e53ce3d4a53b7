"""A fake Label Studio: the part of its API that `push` and `pull` call, with one project."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ml_backend.settings import BackendSettings
from tests.ml_backend.local_server import Asked, Route

Json = dict[str, Any]

KEY = "0123456789abcdef0123456789abcdef01234567"
CONFIG = """<View><Image name="img" value="$image"/>
<BrushLabels name="brush" toName="img"><Label value="face"/></BrushLabels></View>"""


@dataclass
class FakeLabelStudio:
    """One project, number 1, in memory."""

    config: str = CONFIG
    tasks: dict[int, Json] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    project: Json = field(default_factory=dict)
    backends: list[Json] = field(default_factory=list)
    before_import: Callable[[list[Json]], None] = lambda items: None
    drops: Callable[[Json], bool] = lambda item: False
    _last_id: int = 0

    def add_task(self, data: Json) -> int:
        """Add a task without annotations and predictions; returns its id."""
        number = self._next_id()
        self.tasks[number] = {"id": number, "data": data, "annotations": [], "predictions": []}
        return number

    def add_upload(self, name: str, image: bytes) -> int:
        """Add a task with an uploaded file; returns its id."""
        path = f"/data/upload/1/{name}"
        self.files[path] = image
        return self.add_task({"image": path})

    def annotate(self, task: int, regions: list[Json], **fields: Any) -> None:
        """Add an annotation, as if a person had submitted it."""
        number = self._next_id()
        annotation = {
            "id": number,
            "result": regions,
            "completed_by": 1,
            "was_cancelled": False,
            "ground_truth": False,
            "updated_at": f"2026-11-21T00:00:{number:06}",
        }
        self.tasks[task]["annotations"].append(annotation | fields)

    def predict(self, task: int, regions: list[Json], version: str) -> int:
        """Add a prediction, as if a model had made it; returns its id."""
        number = self._next_id()
        prediction = {"id": number, "task": task, "result": regions, "model_version": version}
        self.tasks[task]["predictions"].append(prediction | {"score": None})
        return number

    def versions(self) -> dict[int, list[str]]:
        """The model versions of each task's predictions."""
        return {
            number: [prediction["model_version"] for prediction in task["predictions"]]
            for number, task in self.tasks.items()
        }

    def routes(self) -> dict[str, Route]:
        """The routes for `serving`."""
        return {
            "/api/projects/1/": self._for_known(self._project),
            "/api/projects/1/import": self._for_known(self._import_tasks),
            "/api/users/": self._for_known(lambda asked: [{"id": 1, "email": "ada@example.com"}]),
            "/api/ml/": self._for_known(lambda asked: self.backends),
            "/api/tasks/": self._for_known(self._page),
            "/api/predictions/": self._for_known(self._predictions),
            "/api/projects/1/model-versions/": self._for_known(
                lambda asked: Counter(itertools.chain(*self.versions().values()))
            ),
            "/api/projects/1/import/predictions": self._for_known(self._import),
            "*": self._other,
        }

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _for_known(self, answer: Callable[[Asked], Any]) -> Route:
        def route(asked: Asked) -> None:
            if asked.headers.get("authorization") == f"Token {KEY}":
                asked.answer(json.dumps(answer(asked)).encode())
            else:
                asked.answer(b'{"detail": "Invalid token."}', 401)

        return route

    def _page(self, asked: Asked) -> Json:
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}
        assert (query["project"], query["resolve_uri"]) == ("1", "false")
        listed = json.loads(query["query"])
        assert listed["ordering"] == ["tasks:id"]
        assert listed["filters"]["conjunction"] == "and"
        meeting = [
            task
            for _, task in sorted(self.tasks.items())
            if all(_meets(task, condition) for condition in listed["filters"]["items"])
        ]
        page = [_columns(task) for task in meeting[: int(query["page_size"])]]
        if query["fields"] != "all":
            page = [_without(task, "annotations", "predictions") for task in page]
        return {"tasks": page, "total": len(meeting)}

    def _project(self, asked: Asked) -> Json:
        if asked.method == "PATCH":
            changes = json.loads(asked.body)
            self.config = changes.pop("label_config", self.config)
            self.project |= changes
        return {"id": 1, "label_config": self.config} | self.project

    def _import_tasks(self, asked: Asked) -> Json:
        """Tasks as JSON; or a file, of which no task is made."""
        if "commit_to_project=false" not in asked.path:
            tasks = json.loads(asked.body)
            for task in tasks:
                self.add_task(task["data"])
            return {"task_count": len(tasks)}
        head, _, rest = asked.body.partition(b"\r\n\r\n")
        name = head.partition(b'filename="')[2].partition(b'"')[0].decode()
        number, content = self._next_id(), rest.rpartition(b"\r\n--")[0]
        path = f"upload/1/{number}-{name}"
        self.files[f"/data/{path}"] = content
        self.files[f"/api/import/file-upload/{number}"] = json.dumps({"file": path}).encode()
        return {"file_upload_ids": [number], "task_count": 0}

    def _predictions(self, asked: Asked) -> list[Json]:
        (number,) = parse_qs(urlsplit(asked.path).query)["task"]
        predictions: list[Json] = self.tasks[int(number)]["predictions"]
        return predictions

    def _import(self, asked: Asked) -> Json:
        items = json.loads(asked.body)
        self.before_import(items)
        taken = [item for item in items if not self.drops(item)]
        for item in taken:
            number = self.predict(item["task"], item["result"], item["model_version"])
            self.tasks[item["task"]]["predictions"][-1] |= {**item, "id": number}
        return {"created": len(taken)}

    def _other(self, asked: Asked) -> None:
        path = urlsplit(asked.path).path
        if asked.method == "DELETE" and path.startswith("/api/predictions/"):
            number = int(path.split("/")[3])
            for task in self.tasks.values():
                task["predictions"] = [
                    prediction for prediction in task["predictions"] if prediction["id"] != number
                ]
            asked.answer(status=204)
        elif asked.method == "PATCH" and path.startswith("/api/predictions/"):
            number = int(path.split("/")[3])
            for task in self.tasks.values():
                for prediction in task["predictions"]:
                    if prediction["id"] == number:
                        prediction |= json.loads(asked.body)
            asked.answer(b"{}")
        elif path in self.files:
            asked.answer(self.files[path])
        else:
            asked.answer(status=404)


def settings_for(url: str, folder: str = "", **fields: Any) -> BackendSettings:
    """Settings with the address and the token of this server."""
    defaults = {"label_studio_api_key": KEY, "cache_megabytes": 0, "cache_folder": folder}
    return BackendSettings(label_studio_url=url, **{**defaults, **fields})


def _meets(task: Json, condition: Json) -> bool:
    versions = [prediction["model_version"] for prediction in task["predictions"]]
    match condition["filter"], condition["operator"], condition["value"]:
        case "filter:tasks:id", "greater", number:
            return bool(task["id"] > number)
        case "filter:tasks:id", "in", {"min": least, "max": most}:
            return bool(least <= task["id"] <= most)
        case "filter:tasks:predictions_model_versions", "contains", [wanted]:
            return any(wanted in version for version in versions)
        case "filter:tasks:predictions_model_versions", "not_contains", [wanted]:
            return not any(wanted in version for version in versions)
    raise AssertionError(condition)


def _columns(task: Json) -> Json:
    """The task with the columns that the Data Manager adds."""
    return task | {
        "total_predictions": len(task["predictions"]),
        "total_annotations": len(task["annotations"]),
    }


def _without(task: Json, *names: str) -> Json:
    return {name: value for name, value in task.items() if name not in names}
