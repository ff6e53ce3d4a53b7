"""A person labels in FiftyOne's App, corrects a mask in place, and undoes the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.fiftyone_app import App
from tests.e2e.guide_pictures import show_in_guide
from tests.e2e.programs import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SECONDS = 60
STROKE = ((0.92, 0.5), (0.97, 0.7))
"""From and to, in shares of the photo's width and height: beside the cat."""


@pytest.fixture
def app(page: Page, app_url: str) -> App:
    app = App(page)
    app.open(app_url)
    return app


def test_the_guide_from_labels_to_corrected_ones(app: App, photo_dataset: Any) -> None:
    button = app.page.locator('[data-item-id="@premask/premask/label_samples"]')
    button.hover()
    app.page.get_by_text("premask: Label samples", exact=True).first.wait_for()
    button.click()
    app.form.wait_for()
    app.page.wait_for_timeout(2000)  # until the fields are drawn that depend on others
    show_in_guide(app.page, "fiftyone-1-form")
    app.press(app.form, "Execute")
    app.page.get_by_text("Finished: 5 annotations in 5 images").first.wait_for()
    app.press(app.page, "Done")
    app.field("subject").wait_for()
    app.look("guide-labels")
    show_in_guide(app.page, "fiftyone-2-labels")

    app.photo(1).click()
    looker = app.modal.locator('[data-cy="modal-looker-container"]')
    looker.wait_for()
    app.page.wait_for_timeout(3000)
    app.page.mouse.move(*at(looker, 0.5, 0.4))
    app.page.mouse.move(*at(looker, 0.5, 0.45))
    tooltip = app.page.locator('[data-cy="sample-canvas-tooltip-content"]')
    for shown in ("u2netp", "premask_run", "premask_recipe"):
        tooltip.get_by_text(shown).first.wait_for()
    show_in_guide(app.page, "fiftyone-3-tooltip")

    before = cat_of(photo_dataset)
    # Under Annotate, the photo is at the same place, in an element of another name.
    begin, end = (at_photo(looker, *place) for place in STROKE)
    app.modal.locator('[data-cy="annotate"]').click()
    app.modal.get_by_text("subject", exact=True).last.click()
    app.modal.get_by_text("premask_recipe").wait_for()
    assert app.modal.get_by_text("Add schema").count() == 0
    app.page.keyboard.press("b")
    app.page.wait_for_timeout(1000)
    paint(app, begin, end)
    assert until(lambda: (cat_of(photo_dataset) != before).any(), SECONDS)
    show_in_guide(app.page, "fiftyone-4-annotate")
    corrected = cat_of(photo_dataset)
    assert_only_painted(before, corrected)

    # A reload would open the sample again.
    app.open(app.page.url.partition("?")[0])
    app.open_panel("premask runs")
    app.press(app.panel, "Undo")
    app.press(app.form, "Execute")
    app.panel.get_by_text("undone").first.wait_for()
    photo_dataset.reload()
    assert photo_dataset.count("subject.detections") == 1
    assert (cat_of(photo_dataset) == corrected).all()
    assert photo_dataset.active_label_schemas == ["subject"]


def at(element: Locator, x: float, y: float) -> tuple[float, float]:
    """A place in an element, in shares of its width and height, on the page."""
    box = element.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def at_photo(looker: Locator, x: float, y: float) -> tuple[float, float]:
    """A place in the photo of the cat, which is shown as large as fits, in the middle."""
    box = looker.bounding_box()
    assert box is not None
    scale = min(box["width"] / 451, box["height"] / 300)
    left, top = (box["width"] - 451 * scale) / 2, (box["height"] - 300 * scale) / 2
    return box["x"] + left + x * 451 * scale, box["y"] + top + y * 300 * scale


def paint(app: App, begin: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = app.page.mouse
    mouse.move(*begin)
    mouse.down()
    mouse.move(*end, steps=5)
    mouse.up()


def cat_of(dataset: Any) -> NDArray[np.bool_]:
    """The mask of the cat, as premask reads it for exports and all else."""
    from operators.dataset.reading import read_labels

    dataset.reload()
    (labels,) = read_labels(dataset.select([dataset.values("id")[1]]), ["subject"])
    (annotation,) = labels.labeled.annotations
    assert annotation.mask is not None
    return annotation.mask.to_array()


def assert_only_painted(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> None:
    """Pixels are new where the stroke was, and all others are exactly as before."""
    (x0, y0), (x1, y1) = STROKE
    changed = np.argwhere(before != after) / before.shape
    assert len(changed) > 50
    margin = 0.06  # the brush's width
    assert changed.min(axis=0).tolist() >= [y0 - margin, x0 - margin]
    assert changed.max(axis=0)[0] <= y1 + margin
    assert changed.max(axis=0)[1] <= x1 + margin
    assert changed.min(axis=0)[1] >= x0 - margin
