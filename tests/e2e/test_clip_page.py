"""The page of clips in a real browser: the film plays, and the timeline moves it and is moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from premask.report.clip_report import write_clip_report
from premask.video.frames import open_video
from tests.clips import write_clip
from tests.core.test_clip_pages import COUNT, clip_of, rgb

if TYPE_CHECKING:
    from playwright.sync_api import Page

TIME = "document.querySelector('video').currentTime"


def until(page: Page, condition: str) -> None:
    """Wait for it; the page itself forbids what Playwright's own waiting would run in there."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{condition} did not come true; the film is at {page.evaluate(TIME)} s")


@pytest.fixture
def clip_page(page: Page, tmp_path: Path) -> Page:
    """The report of one clip, opened as a file, with all complaints of the browser."""
    video = open_video(write_clip(tmp_path / "a.mp4", [rgb(frame) for frame in range(COUNT)]))
    path = write_clip_report(
        [(clip_of(), video)], tmp_path / "report.html", title="clips", facts={}
    )
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    until(page, "document.querySelector('video').readyState >= 2")
    assert complaints == []
    return page


def test_the_film_is_as_long_as_the_clip_and_plays(clip_page: Page) -> None:
    duration = clip_page.evaluate("document.querySelector('video').duration")
    assert duration == pytest.approx(1.9, abs=0.11)
    clip_page.evaluate("document.querySelector('video').play()")
    until(clip_page, f"{TIME} > 0.3")


def test_a_click_on_the_timeline_moves_the_film_and_its_line(clip_page: Page) -> None:
    lane = clip_page.locator(".row:not(.axis) .lane").bounding_box()
    assert lane is not None
    middle = lane["x"] + lane["width"] / 2
    clip_page.mouse.click(middle, lane["y"] + 5)
    until(clip_page, f"Math.abs({TIME} - 1) < 0.02")
    clip_page.wait_for_timeout(200)
    now = clip_page.locator(".now").bounding_box()
    assert now is not None
    assert now["x"] + now["width"] / 2 == pytest.approx(middle, abs=3)


def test_a_click_on_a_picture_of_a_strip_moves_the_film_there(clip_page: Page) -> None:
    low = clip_page.locator("li.low")
    assert low.count() == 1
    low.click()
    until(clip_page, f"Math.abs({TIME} - 1.2) < 0.01")
