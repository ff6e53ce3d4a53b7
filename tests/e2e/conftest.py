"""FiftyOne's App with the plugin, a browser that looks at it, and a dataset of real photos."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.photos import copy_photos

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHECKOUT = Path(__file__).parents[2]
START_SECONDS = 120

CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of the Chromium of this machine."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        pytest.fail("The browser test needs playwright: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("The browser test needs Chromium: sudo apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


@pytest.fixture
def photo_dataset(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """A dataset that the App's process can open."""
    dataset = fo.Dataset(persistent=True)
    paths = copy_photos(tmp_path / "photos")
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture
def app_url(photo_dataset: Any, u2netp_weights: Path, tmp_path: Path) -> Iterator[str]:
    """The App as people start it, with the checkout in its plugins folder."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "premask").symlink_to(CHECKOUT, target_is_directory=True)
    fiftyone, port = Path(sys.executable).with_name("fiftyone"), str(_free_port())
    arguments = ["--port", port, "--address", "127.0.0.1", "--remote", "--wait", "-1"]
    url = f"http://127.0.0.1:{port}/datasets/{photo_dataset.name}"
    with (tmp_path / "app.log").open("wb") as log:
        app = subprocess.Popen(
            [fiftyone, "app", "launch", photo_dataset.name, *arguments],
            env={**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)},
            stdout=log,
            stderr=log,
        )
    with app:
        _wait_for(url, app, tmp_path / "app.log")
        yield url
        app.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, app: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and app.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    app.kill()
    pytest.fail(f"The App did not start within {START_SECONDS} s:\n{log.read_text()[-2000:]}")
