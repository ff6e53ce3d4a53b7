"""push: every task gets exactly one prediction, and those of others stay as they are."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ml_backend.commands import bulk_writer
from ml_backend.commands.bulk_writer import NewPrediction
from ml_backend.commands.push import Push
from ml_backend.commands.task_labeler import FailedTask
from ml_backend.studio.client import LabelStudioClient
from premask.errors import LabelStudioFailed, UnreadableImage
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import Asked, LocalServer

Json = dict[str, Any]


@dataclass
class OneRegion:
    """A labeler that predicts the same for every task, and remembers which tasks it got."""

    model_version: str = "premask-new"
    asked: list[int] = field(default_factory=list)
    fails: Callable[[int], bool] = lambda task: False
    dropped: Counter[str] = field(default_factory=Counter)

    def prepare(self) -> None:
        """There is nothing to load."""

    def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
        for task in tasks:
            number = task["id"]
            self.asked.append(number)
            if self.fails(number):
                yield FailedTask(task=number, error=UnreadableImage("a.png", "it is no image"))
                continue
            content = {"task": number, "model_version": self.model_version, "result": [{"id": "r"}]}
            yield NewPrediction(task=number, content=json.dumps(content).encode())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.studio.client.PATIENCE_SECONDS", (0.0, 0.0))


@pytest.fixture
def fake() -> FakeLabelStudio:
    made = FakeLabelStudio()
    for number in range(7):
        made.add_task({"image": f"/{number}.png"})
    return made


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_writer, "BATCH", 2)


def pushing(server: LocalServer, labeler: OneRegion | None = None, replace: bool = False) -> Push:
    client = LabelStudioClient.from_settings(settings_for(server.url))
    return Push(client=client, project=1, labeler=labeler or OneRegion(), replace=replace)


def quietly(progress: object) -> None:
    """Ignore the progress."""


NEW = ["premask-new"]


def imports(server: LocalServer) -> list[list[int]]:
    """The tasks of each bulk import that was sent."""
    return [
        [item["task"] for item in json.loads(asked.body)]
        for asked in server.asked
        if asked.path.endswith("/import/predictions")
    ]


@pytest.mark.usefixtures("small_batches")
def test_every_task_gets_one_prediction_in_bulk(fake: FakeLabelStudio, server: LocalServer) -> None:
    push = pushing(server)
    push.run(quietly)
    assert set(map(tuple, fake.versions().values())) == {tuple(NEW)}
    assert imports(server) == [[1, 2], [3, 4], [5, 6], [7]]
    assert push.summary() == [
        "7 predictions written as 'premask-new', 0 kept from before, 0 tasks failed"
    ]


def test_large_predictions_make_small_batches(
    fake: FakeLabelStudio, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_writer, "BATCH_BYTES", 100)
    pushing(server).run(quietly)
    assert max(map(len, imports(server))) == 2
    assert fake.versions() == dict.fromkeys(fake.tasks, NEW)


def test_what_is_slow_is_written_soon(
    fake: FakeLabelStudio, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(OneRegion):
        def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
            for outcome in super().predictions(tasks):
                yield outcome
                time.sleep(0.2)

    monkeypatch.setattr(bulk_writer, "BATCH_SECONDS", 0.1)
    pushing(server, Slow()).run(quietly)
    assert imports(server) == [[1, 2], [3, 4], [5, 6], [7]]


def test_pushed_again_nothing_is_looked_at(fake: FakeLabelStudio, server: LocalServer) -> None:
    pushing(server).run(quietly)
    again = OneRegion()
    push = pushing(server, again)
    push.run(quietly)
    assert again.asked == []
    assert (push.written, push.kept) == (0, 7)
    assert len(imports(server)) == 1


def test_another_version_is_pushed_beside_and_people_are_left_alone(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    fake.annotate(1, [{"id": "human"}])
    fake.predict(1, [{"id": "old"}], "premask-old")
    before = json.dumps(fake.tasks[1]["annotations"])
    pushing(server).run(quietly)
    assert fake.versions()[1] == ["premask-old", "premask-new"]
    assert json.dumps(fake.tasks[1]["annotations"]) == before


@pytest.mark.usefixtures("small_batches")
def test_stopped_half_way_it_goes_on(fake: FakeLabelStudio, server: LocalServer) -> None:
    class Stops(OneRegion):
        def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
            for outcome in super().predictions(tasks):
                yield outcome
                if outcome.task == 5:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pushing(server, Stops()).run(quietly)
    assert [number for number, versions in fake.versions().items() if versions] == [1, 2, 3, 4, 5]
    again = OneRegion()
    pushing(server, again).run(quietly)
    assert again.asked == [6, 7]
    assert fake.versions() == dict.fromkeys(fake.tasks, NEW)


def test_a_lost_answer_makes_no_second_prediction(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    """The server writes the predictions, but the connection breaks before it answers."""
    route = server.routes["/api/projects/1/import/predictions"]

    def write_and_die(asked: Asked) -> None:
        fake._import(asked)
        server.routes["/api/projects/1/import/predictions"] = route
        raise ConnectionError

    server.routes["/api/projects/1/import/predictions"] = write_and_die
    push = pushing(server)
    push.run(quietly)
    assert set(push.failures) == set(fake.tasks)
    assert "run push again" in push.failures[1]
    pushing(server).run(quietly)
    assert fake.versions() == dict.fromkeys(fake.tasks, NEW)


def test_two_at_once_write_no_task_twice(fake: FakeLabelStudio, server: LocalServer) -> None:
    """Another push writes a prediction after this one has asked which tasks have none."""

    class Overtaken(OneRegion):
        def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
            for outcome in super().predictions(tasks):
                if outcome.task == 3:
                    fake.predict(3, [], self.model_version)
                yield outcome

    pushing(server, Overtaken()).run(quietly)
    assert fake.versions() == dict.fromkeys(fake.tasks, NEW)
    assert imports(server) == [[1, 2, 4, 5, 6, 7]]


def test_what_fails_is_named_and_tried_again(fake: FakeLabelStudio, server: LocalServer) -> None:
    push = pushing(server, OneRegion(fails=lambda task: task == 4))
    push.run(quietly)
    assert push.summary()[0] == "failed: task 4: 'a.png' can't be read: it is no image"
    assert push.written == 6
    again = OneRegion()
    pushing(server, again).run(quietly)
    assert again.asked == [4]


def test_what_label_studio_drops_is_named(fake: FakeLabelStudio, server: LocalServer) -> None:
    fake.drops = lambda item: item["task"] in (2, 6)
    push = pushing(server)
    push.run(quietly)
    assert set(push.failures) == {2, 6}
    assert "does not fit the label config" in push.failures[2]
    assert push.written == 5


def test_tasks_that_come_and_go_move_no_others(fake: FakeLabelStudio, server: LocalServer) -> None:
    for number in range(200):
        fake.add_task({"image": f"/more-{number}.png"})

    class Meanwhile(OneRegion):
        def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
            for outcome in super().predictions(tasks):
                fake.tasks.pop(outcome.task - 50, None)
                yield outcome

    labeler = Meanwhile()
    pushing(server, labeler).run(quietly)
    assert labeler.asked == list(range(1, 208))


def test_replacing_deletes_only_what_premask_wrote_and_what_is_replaced(
    fake: FakeLabelStudio, server: LocalServer
) -> None:
    for version in ("premask-old", "their-model", "premasked", "premask"):
        fake.predict(1, [], version)
    fake.predict(2, [], "premask-old")
    fake.predict(3, [], "premask-new")
    fake.predict(3, [], "premask-new")
    push = pushing(server, OneRegion(fails=lambda task: task == 2), replace=True)
    push.run(quietly)
    versions = fake.versions()
    assert versions[1] == ["their-model", "premasked", "premask-new"]
    assert versions[2] == ["premask-old"]
    assert versions[3] == NEW
    assert push.deleted == 3
    assert "3 older predictions of premask deleted" in push.summary()


def test_a_busy_server_gets_time(fake: FakeLabelStudio, server: LocalServer) -> None:
    page, busy = server.routes["/api/tasks/"], [429, 503]

    def sometimes(asked: Asked) -> None:
        asked.answer(status=busy.pop()) if busy else page(asked)

    server.routes["/api/tasks/"] = sometimes
    pushing(server).run(quietly)
    assert fake.versions() == dict.fromkeys(fake.tasks, NEW)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b'{"detail": "Invalid token."}', r"refuses the token \(401: Invalid token\.\)"),
        (404, b"", "is the project's number right"),
        (400, b'{"validation_errors": {"model_version": ["bad"]}, "detail": "x"}', "'bad'"),
        (200, b"<html>", "LABEL_STUDIO_URL"),
        (200, b"[]", "without tasks"),
    ],
)
def test_refusals_say_what_to_do(
    status: int, body: bytes, message: str, server: LocalServer
) -> None:
    server.routes["/api/tasks/"] = lambda asked: asked.answer(body, status)
    with pytest.raises(LabelStudioFailed, match=message) as caught:
        pushing(server).run(quietly)
    assert settings_for("").label_studio_api_key not in str(caught.value)


def test_without_a_token_it_says_how_to_get_one() -> None:
    with pytest.raises(LabelStudioFailed, match="LABEL_STUDIO_API_KEY"):
        LabelStudioClient.from_settings(settings_for("http://h", label_studio_api_key=""))
