"""A whole backend in the test's own process, and a small Label Studio for push and pull."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_backend.predict.predictor import Prediction, Predictor
from ml_backend.project.label_config import LabelConfig
from ml_backend.server.app import create_app
from ml_backend.server.state import ServerState
from ml_backend.settings import BackendSettings, read_settings
from ml_backend.studio.protocol import Task
from ml_backend.training.trainer import MakeSet
from tests.ml_backend.fake_label_studio import FakeLabelStudio
from tests.ml_backend.label_studio_calls import MemoryFetcher, disks_png
from tests.ml_backend.local_server import LocalServer, serving

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SOON = 10

Connect = Callable[..., "TestClient"]


@pytest.fixture
def fetcher() -> MemoryFetcher:
    """Photos of one red disk each, at (30, 20) and (60, 40), and one of both."""
    places = {"/a.png": [(30, 20)], "/b.png": [(60, 40)], "/both.png": [(30, 20), (60, 40)]}
    return MemoryFetcher({url: disks_png(*centers) for url, centers in places.items()})


@pytest.fixture
def connect(fetcher: MemoryFetcher, tmp_path: Path) -> Iterator[Connect]:
    """Start a backend with these settings, as in `connect(recipe="click")`; stopped at the end."""
    with warnings.catch_warnings():
        # starlette 1.3 uses an old name of anyio 4.16, and would rather have httpx2.
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    with ExitStack() as stack:

        def start(
            make_set: Callable[[BackendSettings], MakeSet] | None = None, **flags: object
        ) -> TestClient:
            flags = {"events_folder": str(tmp_path), "embedding_megabytes": 0, **flags}
            settings = read_settings(environment={}, flags=flags)
            backend = ServerState(settings, fetcher, make_set and make_set(settings))
            app = create_app(backend)
            app.state.backend = backend
            client = TestClient(app, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start


class HeldPredictor:
    """Takes the place of the model: each task waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go = threading.Event()
        self.begun: list[int | None] = []
        held = self

        def label_task(
            predictor: Predictor, task: Task, config: LabelConfig, *, alone: bool = False
        ) -> Prediction:
            return held.predict(task)

        def answer_click(
            predictor: Predictor, task: Task, asked: object, config: LabelConfig
        ) -> Prediction:
            return held.predict(task)

        monkeypatch.setattr(Predictor, "label_task", label_task)
        monkeypatch.setattr(Predictor, "answer_click", answer_click)

    def predict(self, task: Task) -> Prediction:
        self.begun.append(task.id)
        assert self.let_go.wait(SOON)
        return Prediction(content={"model_version": "v", "result": [], "score": 0.5})


@pytest.fixture
def fake() -> FakeLabelStudio:
    """An empty project; modules that need tasks in it have a fixture of their own."""
    return FakeLabelStudio()


@pytest.fixture
def server(fake: FakeLabelStudio) -> Iterator[LocalServer]:
    """The fake Label Studio behind a real socket."""
    with serving(fake.routes()) as running:
        yield running


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights and no embeddings of other tests."""
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldPredictor]:
    predictor = HeldPredictor(monkeypatch)
    yield predictor
    predictor.let_go.set()
