"""A whole backend with offline recipes, in the test's own process; images come from memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_backend.app import create_app
from ml_backend.backend import Backend
from ml_backend.settings import read_settings
from tests.ml_backend.label_studio_calls import MemoryFetcher, disks_png

if TYPE_CHECKING:
    from starlette.testclient import TestClient

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

        def start(**settings: object) -> TestClient:
            flags = {"events_folder": str(tmp_path), "embedding_megabytes": 0, **settings}
            backend = Backend(read_settings(environment={}, flags=flags), fetcher)
            app = create_app(backend)
            app.state.backend = backend
            client = TestClient(app, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start
