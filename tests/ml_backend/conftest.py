"""A whole backend with offline recipes, in the test's own process; images come from memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ml_backend.app import create_app
from ml_backend.backend import Backend
from ml_backend.settings import read_settings
from tests.ml_backend.label_studio_calls import MemoryFetcher, disk_png

Connect = Callable[..., TestClient]


@pytest.fixture
def fetcher() -> MemoryFetcher:
    """Two disks, one of them at the places of both images of a task."""
    return MemoryFetcher({"/a.png": disk_png(30, 20), "/b.png": disk_png(60, 40)})


@pytest.fixture
def connect(fetcher: MemoryFetcher, tmp_path: Path) -> Iterator[Connect]:
    """Start a backend with these settings, as in `connect(recipe="click")`; stopped at the end."""
    with ExitStack() as stack:

        def start(**settings: object) -> TestClient:
            flags = {"events_folder": str(tmp_path), "embedding_megabytes": 0, **settings}
            backend = Backend(read_settings(environment={}, flags=flags), fetcher)
            app = create_app(backend)
            app.state.backend = backend
            client = TestClient(app, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start
