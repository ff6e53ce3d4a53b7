"""A browser; Label Studio, and FiftyOne's App with the plugin, for it to look at; real photos."""

from __future__ import annotations

import shutil
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.photos import copy_photos
from tests.e2e.fiftyone_app import PICTURES
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import EMAIL, PASSWORD, LabelStudio, running_label_studio
from tests.e2e.programs import CHECKOUT, free_port, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

FAILED = pytest.StashKey[bool]()
LAST_ERRORS = 10
MOST_TEXT = 2000

CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
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
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        errors: deque[str] = deque(maxlen=LAST_ERRORS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        if FAILED in request.node.stash:
            tell_what_is_shown(page, request.node.name, errors)
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the browser know that its test has failed, while its page is still open."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def tell_what_is_shown(page: Page, test: str, errors: Iterable[str]) -> None:
    """Where a failure can't be looked at, its report has what a person would have seen."""
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"failed-{test}.png")
    text = page.locator("body").inner_text()
    print("the page:", page.url, *errors, text[:MOST_TEXT], sep="\n")


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    with running_label_studio(tmp_path_factory.mktemp("label-studio")) as server:
        yield server


@pytest.fixture
def editor(page: Page, label_studio: LabelStudio) -> Editor:
    editor = Editor(page, label_studio.url)
    editor.log_in(EMAIL, PASSWORD)
    return editor


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return copy_photos(tmp_path / "photos")


@pytest.fixture
def photo_dataset(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """A dataset that the App's process can open."""
    dataset = fo.Dataset(persistent=True)
    paths = copy_photos(tmp_path / "photos")
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture(scope="session")
def app_address(
    fo: Any, u2netp_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The App with the checkout in its plugins folder; it shows any dataset."""
    import fiftyone.server

    folder = tmp_path_factory.mktemp("app")
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "premask").symlink_to(CHECKOUT, target_is_directory=True)
    port = str(free_port())
    # What `fiftyone app launch` starts. Its own session beside it, which has no dataset, connects
    # when it gets to it, and again when it was cut off, and empties all pages each time.
    command = [sys.executable, fiftyone.server.__path__[0] + "/main.py", "--port", port]
    url = f"http://127.0.0.1:{port}"
    environment = {"FIFTYONE_PLUGINS_DIR": str(plugins)}
    with running([*command, "--address", "127.0.0.1"], url, folder / "app.log", environment):
        yield url


@pytest.fixture
def app_url(app_address: str, photo_dataset: Any) -> str:
    """Where the App shows the photos."""
    return f"{app_address}/datasets/{photo_dataset.name}"
