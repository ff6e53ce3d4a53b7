"""The report's filters and pictures, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from benchmarks.photos import copy_photos
from premask.cli import main

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_filters_show_what_they_say(page: Page, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    with_faces = copy_photos(photos)
    PIL.Image.fromarray(np.zeros((60, 90, 3), np.uint8)).save(photos / "empty.png")
    (photos / "broken.png").write_bytes(b"no image")
    assert main(["annotate", str(photos), "--recipe", "faces", "--out", str(out)]) == 1
    assert main(["preview", str(out)]) == 0
    errors: list[object] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto((out / "report.html").as_uri())

    shown, images = page.locator("#shown"), page.locator(".image:visible")
    everything = f"{len(with_faces) + 1} images"
    assert shown.inner_text() == everything
    empty, failed = page.locator("[data-only=empty]"), page.locator("[data-only=failed]")
    label, failures = page.locator(".labels button").first, page.locator("#failures")

    empty.click()
    nothing_found = images.count()
    assert images.locator("h3", has_text="empty.png").count() == 1
    assert not failures.is_visible()
    # Another filter takes its place: an image with a label is not one in which nothing was found.
    label.click()
    assert empty.get_attribute("aria-pressed") == "false"
    assert images.count() == len(with_faces) + 1 - nothing_found
    failed.click()
    assert (shown.inner_text(), images.count()) == ("1 image", 0)
    assert failures.is_visible()
    page.locator("#reset").click()
    assert (shown.inner_text(), failures.is_visible()) == (everything, True)

    page.locator(".pictures button").first.click()
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert errors == []
