"""A person compares two recipes in FiftyOne's App, and clicks on what they disagree about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.fiftyone_app import App

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

COMPARE = "premask_compare"


@pytest.fixture
def two_runs(photo_dataset: Any, operator: Any) -> Any:
    """The subjects of five photos by two recipes; somebody has deleted the second's of the first.

    Where a browser is driven from Python already, FiftyOne's operators can't be waited for.
    """
    label = operator("label_samples")
    label(photo_dataset, recipe="subject", label_field="net")
    label(photo_dataset, recipe="subject-cutout", label_field="cutout")
    photo_dataset.reload()
    photo_dataset.clear_cache()
    first = photo_dataset.first()
    first.cutout.detections = []
    first.save()
    return photo_dataset


def test_a_person_compares_two_recipes(two_runs: Any, app_url: str, page: Page) -> None:
    app = App(page)
    app.open(app_url)
    app.open_panel("premask compare", COMPARE)
    panel = app.panel_named(COMPARE)
    app.press(panel, "Compare")
    choose(app, 0, "net")
    choose(app, 1, "cutout")
    app.look("compare-form")
    app.press(app.form, "Execute")
    app.press(page, "Done")
    panel.get_by_text("only 'net' has 1, only 'cutout' has 0").first.wait_for()

    bar(panel, plot=0, trace=0).wait_for()
    app.look("compared")
    click_on(page, bar(panel, plot=0, trace=0))
    page.get_by_text("Only net, subject: 1 object").first.wait_for()
    page.get_by_text("1 patch", exact=True).first.wait_for()
    fields = page.locator("input").evaluate_all("fields => fields.map(field => field.value)")
    assert two_runs.first().net.detections[0].id in fields  # of the view's bar
    app.look("only-one")

    cell = panel.locator("tbody tr").first.locator("td").nth(2)
    assert cell.inner_text() == "4"
    cell.click()
    page.get_by_text("4 patches", exact=True).first.wait_for()
    app.look("both")
    assert right_edge(panel.locator("table").first) <= right_edge(panel)


def choose(app: App, number: int, choice: str) -> None:
    """Choose from a list of the form."""
    app.form.get_by_role("combobox").nth(number).click()
    app.page.get_by_role("option", name=choice, exact=True).click()
    app.form.get_by_role("combobox").nth(number).get_by_text(choice, exact=True).wait_for()


def bar(panel: Locator, *, plot: int, trace: int) -> Locator:
    """The first bar of a trace."""
    traces = panel.locator(".js-plotly-plot").nth(plot).locator(".trace.bars")
    return traces.nth(trace).locator(".point path").first


def click_on(page: Page, shape: Locator) -> None:
    """Where it is on the screen: over the shapes of a plot lies a layer that takes the mouse."""
    box = shape.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.wait_for_timeout(500)  # Plotly finds out what is below the mouse, and then takes clicks
    page.mouse.click(x, y)


def right_edge(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"]
