"""FiftyOne's App as a person uses it, in a browser that leaves pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PICTURES = Path(__file__).parents[2] / "test-artifacts"
MILLISECONDS = 60_000
REST_MILLISECONDS = 2500


class App:
    """The App in a browser; each `look` leaves a picture."""

    def __init__(self, page: Page) -> None:
        self.page, self.looks = page, 0
        page.set_default_timeout(MILLISECONDS)

    def open(self, url: str) -> None:
        """Open the App and wait for the photos, not for fonts from the web, which never come."""
        self.page.goto(url, wait_until="domcontentloaded")
        self.photo(0).wait_for()
        dismiss = self.page.get_by_text("Dismiss", exact=True)
        if dismiss.count():
            dismiss.first.click()

    def photo(self, number: int) -> Locator:
        return self.page.locator('[data-cy="fo-grid"] [data-cy="looker"]').nth(number)

    def field(self, name: str) -> Locator:
        """A field's line in the sidebar."""
        return self.page.locator(f'[data-cy="sidebar-field-{name}"]')

    @property
    def form(self) -> Locator:
        return self.page.locator('[data-cy="operators-prompt-modal"]').last

    @property
    def modal(self) -> Locator:
        """The sample that is open."""
        return self.page.locator('[data-cy="modal"]')

    @property
    def panel(self) -> Locator:
        """The panel of runs."""
        return self.panel_named("premask_runs")

    def panel_named(self, name: str) -> Locator:
        return self.page.locator(f'[data-cy="panel-content-{name}"]')

    def choose_operator(self, label: str) -> None:
        """From the operator browser, as people find it."""
        self.page.keyboard.press("Backquote")
        browser = self.page.locator('[data-cy="operators-browser"]')
        browser.get_by_placeholder("Search operations by name...").fill(label)
        browser.get_by_text(f"premask: {label}", exact=True).first.click()
        self.form.wait_for()

    def press(self, place: Page | Locator, name: str) -> None:
        place.get_by_role("button", name=name, exact=True).click()

    def open_panel(self, label: str, name: str = "premask_runs") -> None:
        self.page.locator('[data-cy="new-panel-btn"]').click()
        self.page.get_by_text(label, exact=True).first.click()
        self.panel_named(name).wait_for()

    def shown_in_modal(self, sample_id: str) -> None:
        """Wait until the sample that is open is this one."""
        self.modal.get_by_text(sample_id).first.wait_for()

    def modal_action(self, label: str) -> None:
        """Click a button above the sample that is open."""
        self.page.get_by_text(label, exact=True).locator("visible=true").last.click()

    def look(self, name: str) -> None:
        """Leave a picture of what a person would see, once it has come to rest."""
        self.page.mouse.move(700, 880)  # off the photos: they light up below the mouse
        self.page.wait_for_timeout(REST_MILLISECONDS)
        self.looks += 1
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{self.looks}-{name}.png")


def pixels(element: Locator) -> NDArray[np.int16]:
    with PIL.Image.open(io.BytesIO(element.screenshot())) as image:
        return np.asarray(image.convert("RGB"), np.int16)
