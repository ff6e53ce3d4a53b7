"""A MongoDB of the tests' own, and the environment that leads FiftyOne to it."""

from __future__ import annotations

import atexit
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.install_mongod import mongod

START_SECONDS = 60


def start_database(folder: Path) -> str:
    """Start a fresh database below the folder, until this process ends; return its URI."""
    port = _free_port()
    options = ["--dbpath", str(folder), "--bind_ip", "127.0.0.1", "--port", str(port)]
    with (folder / "mongod.log").open("wb") as log:
        server = subprocess.Popen([mongod(), *options], stdout=log, stderr=log)
    # FiftyOne tidies up its datasets when Python exits; what is registered first goes last.
    atexit.register(_stop, server)
    _wait_for(port, server)
    # Without the representation that pymongo falls back to, mongoengine warns.
    return f"mongodb://127.0.0.1:{port}/?uuidRepresentation=pythonLegacy"


def fiftyone_environment(uri: str, folder: Path) -> dict[str, str]:
    """Return FiftyOne's environment, so that it reads nothing of the person who runs the tests."""
    return {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_CONFIG_PATH": str(folder / "config.json"),
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
