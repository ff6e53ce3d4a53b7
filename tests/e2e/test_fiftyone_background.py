"""A run in the background, by FiftyOne's own service, is seen as it goes, and when it is killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.photos import copy_photos
from tests.e2e.fiftyone_app import App
from tests.e2e.programs import CHECKOUT, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHOTOS, SECONDS = 400, 120
"""As many photos as keep the service busy while somebody looks; they are copies of one."""


@pytest.fixture
def many_photos(fo: Any, tmp_path: Path) -> Iterator[Any]:
    photo = copy_photos(tmp_path / "photos")[0]
    paths = [photo.with_name(f"{number:03}.png") for number in range(PHOTOS)]
    for path in paths:
        shutil.copyfile(photo, path)
    dataset = fo.Dataset(persistent=True)
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


@contextmanager
def delegated_service(plugins: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`fiftyone delegated launch`, as people start it beside the App."""
    command = [str(Path(sys.executable).with_name("fiftyone")), "delegated", "launch"]
    environment = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)}
    with log.open("wb") as file:
        service = subprocess.Popen(command, env=environment, stdout=file, stderr=file, cwd=CHECKOUT)
    try:
        yield service
    finally:
        service.kill()
        service.wait()


def test_a_run_in_the_background_is_seen_as_it_goes(
    page: Page,
    app_address: str,
    many_photos: Any,
    operator: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    operator("label_samples")(many_photos, recipe="subject", label_field="subject", delegate=True)
    app = App(page)
    app.open(f"{app_address}/datasets/{many_photos.name}")
    app.open_panel("premask runs")
    app.panel.get_by_text("waits since").first.wait_for()
    app.look("waiting")

    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "premask").symlink_to(CHECKOUT, target_is_directory=True)
    with delegated_service(plugins, tmp_path / "service.log") as service:
        # Nobody touches the panel from here on.
        app.panel.get_by_text(re.compile("[1-9][0-9]?%, ")).first.wait_for()
        before = share_shown(app)
        assert until(lambda: share_shown(app) > before, SECONDS)
        app.look("running")
        os.kill(service.pid, signal.SIGKILL)
        app.panel.get_by_text("stopped answering").first.wait_for()
        app.look("killed")
    app.press(app.panel, "Cancel")
    assert until(lambda: states_in_queue(many_photos) == ["failed"], SECONDS)


def share_shown(app: App) -> int:
    """How far the panel says that the run is, in percent."""
    found = re.search("([0-9]+)%, ", app.panel.inner_text())
    return int(found[1]) if found else 0


def states_in_queue(dataset: Any) -> list[str]:
    from fiftyone.operators.delegated import DelegatedOperationService

    found = DelegatedOperationService().list_operations(dataset_name=dataset.name)
    return [str(one.run_state) for one in found]
