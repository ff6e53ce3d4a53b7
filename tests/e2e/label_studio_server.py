"""A Label Studio that runs for the tests, and its API as its owner uses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.programs import free_port, running
from tests.install_label_studio import EMPTY, TO_ITSELF, label_studio

Json = dict[str, Any]

EMAIL, PASSWORD = "owner@example.com", "correct-horse-1"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
BUSY_SECONDS = 120


class LabelStudio:
    """A running server, used through its API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._personal_token: str | None = None
        headers = {"Authorization": f"Token {TOKEN}"}
        self._api = httpx2.Client(base_url=url, headers=headers, timeout=BUSY_SECONDS)

    def new_project(self, label_config: str) -> int:
        project = {"title": "premask", "label_config": label_config}
        return int(self._answer("POST", "/api/projects/", json=project)["id"])

    def upload(self, project: int, photos: Sequence[Path]) -> list[int]:
        """Upload photos; returns the ids of their tasks."""
        for photo in photos:
            files = {"file": (photo.name, photo.read_bytes())}
            self._answer("POST", f"/api/projects/{project}/import", files=files)
        tasks = self._answer("GET", "/api/tasks/", params={"project": project})["tasks"]
        return sorted(task["id"] for task in tasks)

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> list[int]:
        """Import tasks as their JSON says, with predictions; returns the ids."""
        self._answer("POST", f"/api/projects/{project}/import", json=list(tasks))
        known = self._answer("GET", "/api/tasks/", params={"project": project})["tasks"]
        return sorted(task["id"] for task in known)

    def export(self, project: int) -> list[Json]:
        """The tasks that somebody annotated, as *Export, JSON* gives them."""
        tasks: list[Json] = self._answer(
            "GET", f"/api/projects/{project}/export", params={"exportType": "JSON"}
        )
        return tasks

    def set_project(self, project: int, **fields: Any) -> Json:
        """Change settings of a project, as its *Settings* pages do."""
        changed: Json = self._answer("PATCH", f"/api/projects/{project}/", json=fields)
        return changed

    def next_task(self, project: int) -> Json:
        """The task that *Label All Tasks* hands out, and (`queue`) why this one."""
        task: Json = self._answer("GET", f"/api/projects/{project}/next/")
        return task

    def tasks_by(self, project: int, column: str) -> list[int]:
        """The ids of the tasks as the Data Manager sorts them."""
        query = json.dumps({"ordering": [f"tasks:{column}"]})
        parameters = {"project": project, "query": query}
        return [
            task["id"] for task in self._answer("GET", "/api/tasks/", params=parameters)["tasks"]
        ]

    def set_score(self, prediction: int, score: float | None) -> None:
        self._answer("PATCH", f"/api/predictions/{prediction}/", json={"score": score})

    def connect(self, project: int, backend_url: str) -> None:
        """Connect a backend as *Settings, Model* does, with interactive preannotations on."""
        backend = {"project": project, "url": backend_url, "title": "premask"}
        self._answer("POST", "/api/ml/", json={**backend, "is_interactive": True})

    def annotate(self, task: int, regions: Sequence[Json], **fields: Any) -> None:
        """Submit an annotation as a person does."""
        annotation = {"result": regions, **fields}
        self._answer("POST", f"/api/tasks/{task}/annotations/", json=annotation)

    def predict(self, task: int, regions: Sequence[Json], version: str) -> int:
        """Add a prediction as a program does; returns its id."""
        prediction = {"task": task, "result": list(regions), "model_version": version}
        return int(self._answer("POST", "/api/predictions/", json=prediction)["id"])

    def start_training(self, project: int) -> Json:
        """Press *Start Training*; returns what Label Studio knows of the backend afterwards."""
        (backend,) = self._answer("GET", "/api/ml/", params={"project": project})
        answer = self._api.post(f"/api/ml/{backend['id']}/train", json={})
        assert answer.is_success, answer.text
        (known,) = self._answer("GET", "/api/ml/", params={"project": project})
        state: Json = known
        return state

    def tasks(self, project: int) -> list[Json]:
        """All tasks of a project, by their ids, with counts but without what was said of them."""
        found: list[Json] = self._answer(
            "GET", "/api/tasks/", params={"project": project, "page_size": 1000}
        )["tasks"]
        return sorted(found, key=lambda task: int(task["id"]))

    def personal_token(self) -> str:
        """A token as *Account & Settings* makes it; a person can have only one."""
        if self._personal_token is None:
            self._personal_token = str(self._answer("POST", "/api/token/", json={})["token"])
        return self._personal_token

    def task(self, number: int) -> Json:
        """A task with its annotations and predictions."""
        task: Json = self._answer("GET", f"/api/tasks/{number}/")
        return task

    def _answer(self, method: str, path: str, **content: Any) -> Any:
        answer = self._api.request(method, path, **content)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def close(self) -> None:
        self._api.close()


@contextmanager
def running_label_studio(folder: Path) -> Iterator[LabelStudio]:
    """A server that runs while the block does; its data lie in the folder."""
    shutil.copytree(EMPTY, folder, dirs_exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    owner = ["--username", EMAIL, "--password", PASSWORD, "--user-token", TOKEN]
    environment = {
        **TO_ITSELF,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_HOST": url,
        # The two that the README names: the backend is in a private network.
        "LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false",
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false",
    }
    command: list[str | Path] = [
        label_studio(),
        "start",
        *options,
        *owner,
        "--enable-legacy-api-token",
    ]
    with running(command, f"{url}/health", folder / "label-studio.log", environment):
        server = LabelStudio(url)
        yield server
        server.close()
