"""A FiftyOne with a database of its own, started when the first test asks for it."""

from __future__ import annotations

import atexit
import importlib
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.install_mongod import mongod

START_SECONDS = 60


@pytest.fixture(scope="session")
def fiftyone_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a fresh database, which FiftyOne will use when it is imported."""
    folder = tmp_path_factory.mktemp("fiftyone")
    port = _free_port()
    options = ["--dbpath", str(folder), "--bind_ip", "127.0.0.1", "--port", str(port)]
    with (folder / "mongod.log").open("wb") as log:
        server = subprocess.Popen([mongod(), *options], stdout=log, stderr=log)
    # FiftyOne tidies up its datasets when Python exits; what is registered first goes last.
    atexit.register(_stop, server)
    _wait_for(port, server)
    # Without the representation that pymongo falls back to, mongoengine warns.
    uri = f"mongodb://127.0.0.1:{port}/?uuidRepresentation=pythonLegacy"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment(uri, folder).items():
            patch.setenv(name, value)
        yield uri


@pytest.fixture(scope="session")
def fo(fiftyone_database: str) -> Any:
    """The module `fiftyone`, connected to a database of the tests' own."""
    with warnings.catch_warnings():
        # FiftyOne 1.22 calls what its own dependencies (strawberry, ...) have deprecated.
        warnings.simplefilter("ignore")
        return importlib.import_module("fiftyone")


def _environment(uri: str, folder: Path) -> dict[str, str]:
    return {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_MODEL_ZOO_DIR": str(folder / "models"),
        "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(START_SECONDS)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"mongod did not start within {START_SECONDS} s; see mongod.log")
