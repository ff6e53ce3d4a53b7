"""Label Studio's pages as a person uses them; `look` saves a picture of the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from tests.e2e.programs import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, ViewportSize

Json = dict[str, Any]
Point = tuple[int, int]

PICTURES = Path(__file__).parents[2] / "test-artifacts"
MILLISECONDS = 60_000
SETTLED_MILLISECONDS = 500
VIEWPORT: ViewportSize = {"width": 1400, "height": 1100}
"""High enough that nothing has to scroll, and the photo stays at its place."""

SOON = 60
"""Seconds that the page may take for what needs no model."""

INTERACTIVE_CALLS = "**/interactive-annotating"
"""What the page calls after each click; Label Studio passes it on to the backend."""


class Editor:
    """The Data Manager of a project, and the editor of its tasks."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self._url = page, url
        page.set_default_timeout(MILLISECONDS)
        page.set_viewport_size(VIEWPORT)

    def log_in(self, email: str, password: str) -> None:
        self._go("/user/login/")
        self.page.fill("input[name=email]", email)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/user/login" not in url, wait_until="domcontentloaded")

    def open_model_form(self, project: int) -> None:
        """Open *Settings, Model, Connect Model*."""
        self._go(f"/projects/{project}/settings/ml")
        self.page.get_by_text("Connect Model", exact=True).first.click()

    def retrieve_predictions(self, project: int, expected: int) -> None:
        """Retrieve the predictions of all tasks, as the Data Manager's menu does."""
        self.choose_retrieve_predictions(project)
        self.confirm_retrieving(expected)

    def choose_retrieve_predictions(self, project: int) -> None:
        """Open the menu, and point at the entry."""
        self._go(f"/projects/{project}/data")
        self.page.get_by_label("Select all rows").check()
        self.page.get_by_label("Tasks Actions").click()
        self.page.get_by_text("Retrieve Predictions").hover()

    def confirm_retrieving(self, expected: int) -> None:
        self.page.get_by_text("Retrieve Predictions").click()
        self.page.get_by_test_id("dialog-ok-button").click()
        self.page.get_by_text(f"Predictions: {expected}", exact=True).wait_for()

    def open_task(self, project: int, task: int) -> None:
        self._go(f"/projects/{project}/data?task={task}")
        self.page.get_by_test_id("bottombar-auto-annotation-toggle").wait_for(state="attached")
        self._proposed.wait_for()
        self._show_at_its_size()

    def open_alone(self, project: int, task: int) -> None:
        """Open a task of a project without a backend."""
        self._go(f"/projects/{project}/data?task={task}")
        self.page.locator(".konvajs-content canvas").first.wait_for()
        self._show_at_its_size()

    def turn(self) -> None:
        """Turn the view clockwise by 90 degrees."""
        self.page.get_by_label("rotate-right").click()
        self._show_at_its_size()

    def draw(self, panel: str, label: str, start_xy: Point, end_xy: Point) -> None:
        """Draw with the tool of a panel, from one pixel of what is shown to another."""
        regions = self.page.locator(".lsf-outliner-item")
        before = regions.count()
        header = self.page.locator(".ant-collapse-header").get_by_text(panel, exact=True)
        tool = self.page.locator(".ant-collapse-item").filter(has=header)
        labels = tool.locator(".lsf-label").get_by_text(label, exact=True)
        if not labels.is_visible():
            header.click()
        # The panel that was open before takes a while to close: its labels are still to be seen.
        labels.click()
        self._drag(start_xy, end_xy)
        assert until(lambda: regions.count() > before, SOON)
        # A label that is chosen while a region is selected becomes that region's label.
        self.page.keyboard.press("Escape")

    def show_prediction(self) -> None:
        self._proposed.click()
        self._show_at_its_size()

    def turn_page(self) -> None:
        """Go to the next image of a list."""
        shown = self._image.get_attribute("src")
        self.page.keyboard.press("Control+ArrowRight")
        assert until(lambda: self._image.get_attribute("src") != shown, SOON)
        self._show_at_its_size()

    def copy_prediction(self) -> None:
        """Make an annotation of the prediction."""
        before = self._own.count()
        self._proposed.locator(".lsf-annotation-button__trigger").click()
        self.page.get_by_text("Duplicate Annotation").click()
        self._own.nth(before).wait_for()

    def delete_region(self, number: int) -> None:
        """Choose a region in the list, and press Backspace."""
        regions = self.page.locator(".lsf-outliner-item")
        before = regions.count()
        regions.nth(number).click()
        self.page.keyboard.press("Backspace")
        assert until(lambda: regions.count() < before, SOON)

    def start_annotating(self, project: int, task: int) -> None:
        """Open a task, begin an empty annotation, and switch Auto-Annotation on."""
        self.open_task(project, task)
        self.page.get_by_label("Create an annotation").click()
        self.page.get_by_text("Labeled regions will appear here").wait_for()
        self._show_at_its_size()
        # The switch itself is hidden; people click its label.
        self.page.locator(".lsf-dynamic-preannotations label").get_by_text(
            "Auto-Annotation", exact=True
        ).click()

    def choose_smart(self, tool: str) -> None:
        """Choose `key-point-tool` or `rectangle-tool`.

        To click on a label chooses a tool, too, but one that does not call the backend.
        """
        self.page.locator(".lsf-toolbar button.lsf-tool_smart:not([aria-label])").hover()
        self.page.locator(".lsf-toolbar__smart").get_by_label(tool).click()
        self.page.mouse.move(0, 0)

    def click(self, label: str, xy: tuple[int, int], *, negative: bool = False) -> list[Json]:
        """Click on a pixel of the photo; returns the regions that the backend was asked about."""
        # Label Studio 1.23 deselects the label after each click. All tools have labels of the same
        # name, in the order of the config; those of the points are the last.
        self.page.locator(".lsf-label").get_by_text(label, exact=True).last.click()
        canvas = self.page.locator(".konvajs-content")
        return self._asked(
            lambda: canvas.click(
                position={"x": xy[0], "y": xy[1]}, modifiers=["Alt"] if negative else []
            )
        )

    def draw_box(self, label: str, box_xyxy: tuple[int, int, int, int]) -> list[Json]:
        """Draw around pixels of the photo; returns the regions that the backend was asked about."""
        self.page.locator(".lsf-label").get_by_text(label, exact=True).nth(1).click()
        x0, y0, x1, y1 = box_xyxy
        return self._asked(lambda: self._drag((x0, y0), (x1, y1)))

    def write(self, words: str) -> list[Json]:
        """Write into the text field; returns the regions that the backend was asked about."""
        self.page.get_by_test_id("textarea-input").fill(words)
        return self._asked(self.page.get_by_test_id("textarea-add-button").click)

    def accept(self) -> None:
        self.page.get_by_test_id("bottombar-accept-suggestions-button").click()
        self.page.get_by_test_id("bottombar-auto-accept-toggle").wait_for(state="attached")

    def submit(self) -> None:
        self.page.get_by_test_id("bottombar-submit-button").click()
        self.page.get_by_test_id("bottombar-update-button").wait_for()

    def open_status(self, backend: str, row: str) -> None:
        """Open the backend's page /status, and wait for this row: events take a moment."""
        wanted = self.page.get_by_role("row", name=row)

        def row_is_shown() -> int:
            self.page.goto(f"{backend}/status")
            return wanted.count()

        assert until(row_is_shown, SOON)
        wanted.first.scroll_into_view_if_needed()

    def photo(self) -> NDArray[np.uint8]:
        """The pixels on the screen where the photo is: (height, width, 3)."""
        box = self._image.bounding_box()
        with PIL.Image.open(io.BytesIO(self.page.screenshot(clip=box))) as image:
            return np.asarray(image.convert("RGB"))

    def look(self, name: str) -> None:
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"ls-{name}.png")

    def _drag(self, start_xy: Point, end_xy: Point) -> None:
        canvas, (x0, y0), (x1, y1) = self.page.locator(".konvajs-content"), start_xy, end_xy
        canvas.drag_to(
            canvas, source_position={"x": x0, "y": y0}, target_position={"x": x1, "y": y1}
        )

    def _go(self, path: str) -> None:
        self.page.goto(self._url + path, wait_until="domcontentloaded")

    @property
    def _proposed(self) -> Locator:
        """The tab of the prediction, which is called by its model's version."""
        return self._tabs.filter(has_text="premask-")

    @property
    def _own(self) -> Locator:
        """The tabs of people's annotations."""
        return self._tabs.filter(has_not_text="premask-")

    @property
    def _tabs(self) -> Locator:
        return self.page.locator(".lsf-annotation-button")

    @property
    def _image(self) -> Locator:
        return self.page.locator('img[alt="image"]')

    def _show_at_its_size(self) -> None:
        """Zoom so that one pixel of the photo is one of the screen, with no pointer over it."""

        def is_at_its_size() -> object:
            # The shortcut for a zoom of 100 %. A moment after the photo was loaded or turned, the
            # editor may fit it into its place once more.
            self.page.keyboard.press("Shift+2")
            self.page.wait_for_timeout(SETTLED_MILLISECONDS)
            return self._image.evaluate("image => image.width && image.width == image.naturalWidth")

        assert until(is_at_its_size, SOON)
        self.page.mouse.move(0, 0)

    def _asked(self, act: Callable[[], object]) -> list[Json]:
        """Do something that calls the backend; returns the regions of the call."""
        with self.page.expect_response(INTERACTIVE_CALLS) as answer:
            act()
        sent: Any = answer.value.request.post_data_json
        regions: list[Json] = sent["context"]["result"]
        return regions
