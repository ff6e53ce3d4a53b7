"""The parts of Label Studio's API that the commands need: projects, tasks, predictions, uploads."""

from __future__ import annotations

import http.client
import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ml_backend.settings import BackendSettings
from ml_backend.studio.access import Access
from ml_backend.studio.protocol import Json
from premask.errors import LabelStudioFailed
from premask.web.network import TimeLimits

log = logging.getLogger(__name__)

TIME_LIMITS = TimeLimits(connect=10.0, read=300.0, total=600.0)
"""Label Studio answers a bulk import when all of it is in its database, and not before."""

PATIENCE_SECONDS = (1.0, 3.0, 9.0)
"""How long to wait before each new try."""

_BUSY = (429, 502, 503, 504)
_CUT_OFF = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One filter of the Data Manager."""

    column: str
    operator: str
    type: str
    value: Any

    @property
    def item(self) -> Json:
        """As the API wants it."""
        return {
            "filter": f"filter:tasks:{self.column}",
            "operator": self.operator,
            "type": self.type,
            "value": self.value,
        }


class LabelStudioClient:
    """Calls the API as the person whose token it is; every call is one request."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> LabelStudioClient:
        """The client for these settings, which must name Label Studio and a token."""
        if not settings.label_studio_url or not settings.label_studio_api_key.strip():
            raise LabelStudioFailed(
                "Say where Label Studio is, and who you are: set LABEL_STUDIO_URL, and "
                "LABEL_STUDIO_API_KEY to a token from Account & Settings."
            )
        return cls(Access.from_settings(settings, TIME_LIMITS))

    def project(self, number: int) -> Json:
        answer = self.get(f"/api/projects/{number}/")
        assert isinstance(answer, dict)
        return answer

    def backends(self, project: int) -> list[Json]:
        """The models that are connected to a project, with what was typed in their forms."""
        answer = self.get(f"/api/ml/?{urlencode({'project': project})}")
        assert isinstance(answer, list)
        return answer

    def set_label_config(self, project: int, xml: str) -> None:
        self.change_project(project, {"label_config": xml})

    def people(self) -> dict[int, str]:
        """The e-mail addresses of those whom the token's owner may know."""
        answer = self.get("/api/users/")
        found = answer.get("results", ()) if isinstance(answer, dict) else answer
        return {int(person["id"]): str(person["email"]) for person in found}

    def add_tasks(self, project: int, tasks: Sequence[Json]) -> None:
        """Add tasks in one request, which is never repeated here: it may have been heard."""
        body = json.dumps(list(tasks), allow_nan=False).encode()
        self._send("POST", f"/api/projects/{project}/import", body)

    def upload(self, project: int, name: str, data: bytes) -> str:
        """Upload an image without making a task of it; returns its address for tasks."""
        boundary = secrets.token_hex(16)
        # The name stands in a header: Label Studio keeps its letters, and nothing may end it.
        plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{plain}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        path = f"/api/projects/{project}/import?commit_to_project=false"
        kind = f"multipart/form-data; boundary={boundary}"
        answer = self._send("POST", path, body, content_type=kind)
        (number,) = answer["file_upload_ids"]
        return f"/data/{self.get(f'/api/import/file-upload/{number}')['file']}"

    def change_project(self, project: int, settings: Json) -> None:
        """Change settings of a project, and leave the others as they are."""
        body = json.dumps(settings).encode()
        self._send_until_answered("PATCH", f"/api/projects/{project}/", body)

    def count(self, project: int, conditions: Sequence[Condition] = ()) -> int:
        """How many tasks of a project meet all conditions."""
        return int(self._page(project, conditions, size=1, whole=False)["total"])

    def tasks(
        self,
        project: int,
        conditions: Sequence[Condition] = (),
        *,
        size: int = 100,
        whole: bool = False,
    ) -> Iterator[Json]:
        """Tasks in the order of their ids, a page in memory at a time.

        `whole` tasks come with their annotations and predictions. Each page begins behind the last
        id, so that tasks that are added or deleted meanwhile make it miss no others.
        """
        last = 0
        while True:
            behind = Condition(column="id", operator="greater", type="Number", value=last)
            page = self._page(project, [*conditions, behind], size=size, whole=whole)["tasks"]
            if not page:
                return
            yield from page
            last = page[-1]["id"]

    def predictions(self, task: int) -> list[Json]:
        answer = self.get(f"/api/predictions/?{urlencode({'task': task})}")
        assert isinstance(answer, list)
        return answer

    def prediction(self, number: int) -> Json:
        """One prediction; raises at once if Label Studio does not answer."""
        answer = self._send("GET", f"/api/predictions/{number}/")
        assert isinstance(answer, dict)
        return answer

    def add_predictions(self, project: int, predictions: Sequence[bytes]) -> int:
        """Write predictions (JSON) in one request; says how many Label Studio took.

        It drops those that don't fit the label config. The request is never repeated here: if only
        the answer was lost, the predictions are written.
        """
        path = f"/api/projects/{project}/import/predictions"
        answer = self._send("POST", path, b"[" + b",".join(predictions) + b"]")
        assert isinstance(answer, dict)
        return int(answer["created"])

    def set_score(self, prediction: int, score: float) -> None:
        """Write the score of a prediction, and nothing else of it."""
        body = json.dumps({"score": score}).encode()
        self._send_until_answered("PATCH", f"/api/predictions/{prediction}/", body)

    def model_versions(self, project: int) -> dict[str, int]:
        """How many predictions of each model version a project has."""
        answer = self.get(f"/api/projects/{project}/model-versions/")
        assert isinstance(answer, dict)
        return answer

    def delete_prediction(self, prediction: int) -> None:
        self._send("DELETE", f"/api/predictions/{prediction}/")

    def get(self, path: str) -> Any:
        """Read something, with new tries: the server may be busy or starting."""
        return self._send_until_answered("GET", path)

    def _send_until_answered(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Send what does no harm if it is done twice; raises after a few tries."""
        for seconds in PATIENCE_SECONDS:
            try:
                return self._send(method, path, body)
            except AnswerLost as error:
                log.warning("%s Trying again in %g s.", error, seconds)
                time.sleep(seconds)
        return self._send(method, path, body)

    def post(self, path: str, body: bytes) -> Any:
        """Send JSON, once: what was done is not done again where only the answer was lost."""
        return self._send("POST", path, body)

    def _page(
        self, project: int, conditions: Sequence[Condition], *, size: int, whole: bool
    ) -> Json:
        query = {
            "filters": {
                "conjunction": "and",
                "items": [condition.item for condition in conditions],
            },
            "ordering": ["tasks:id"],
        }
        # Without resolve_uri=false, a cloud storage's address is replaced by one of the Data
        # Manager, and the original is lost.
        parameters = {
            "project": project,
            "page_size": size,
            "resolve_uri": "false",
            "fields": "all" if whole else "task_only",
            "query": json.dumps(query),
        }
        answer = self.get(f"/api/tasks/?{urlencode(parameters)}")
        if not isinstance(answer, dict) or "tasks" not in answer:
            raise LabelStudioFailed("Label Studio answers without tasks: is it older than 1.5?")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
    ) -> Any:
        origin = self._access.origin
        assert origin is not None
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            with self._access.exchange(
                origin.url_of(path),
                with_token=True,
                method=method,
                headers=headers,
                body=body,
            ) as reply:
                status, answer = reply.status, b"".join(reply.body)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AnswerLost(
                f"Label Studio at {origin} does not answer ({reason.lower()}). Does it run, and is "
                "LABEL_STUDIO_URL right?"
            ) from error
        if status in _BUSY:
            raise AnswerLost(f"Label Studio at {origin} is busy ({status}).")
        if not 200 <= status < 300:
            raise LabelStudioFailed(_refusal(status, method, path, answer, str(origin)))
        return _parsed(answer, str(origin))


class AnswerLost(LabelStudioFailed):
    """Label Studio gave no answer: it may or may not have done what it was asked."""


def _parsed(answer: bytes, origin: str) -> Any:
    try:
        return json.loads(answer) if answer else None
    except ValueError as error:
        raise LabelStudioFailed(
            f"What answers at {origin} is no API of Label Studio: it sends no JSON. Is "
            "LABEL_STUDIO_URL right?"
        ) from error


def _refusal(status: int, method: str, path: str, answer: bytes, origin: str) -> str:
    if status in (401, 403):
        return (
            f"Label Studio at {origin} refuses the token ({status}: {_detail(answer)}). Take a "
            "personal access token from Account & Settings, and set LABEL_STUDIO_API_KEY."
        )
    what = f"{method} {path.partition('?')[0]}"
    if status == 404:
        return f"Label Studio at {origin} has nothing at {what}: is the project's number right?"
    return f"Label Studio at {origin} refuses {what} ({status}: {_detail(answer)})."


def _detail(answer: bytes) -> str:
    """The reason in Label Studio's answer, which it gives in one of several places."""
    try:
        said = json.loads(answer)
        detail: Mapping[str, Any] = said if isinstance(said, dict) else {}
        text = str(detail.get("validation_errors") or detail.get("detail") or said)
    except ValueError:
        text = answer.decode(errors="replace")
    return text[:_CUT_OFF]
