"""A person opens FiftyOne's App, labels photos, sees the labels, and takes them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.fiftyone_app import App, pixels

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@pytest.fixture
def app(page: Page, app_url: str) -> App:
    app = App(page)
    app.open(app_url)
    return app


def test_a_person_labels_looks_and_takes_it_back(app: App, photo_dataset: Any) -> None:
    app.look("photos")
    before = pixels(app.photo(0))

    app.choose_operator("Label samples")
    app.look("form")
    app.press(app.form, "Execute")
    app.page.get_by_text("Finished: 5 annotations in 5 images").first.wait_for()
    app.press(app.page, "Done")
    app.field("subject").wait_for()
    app.look("labels")
    assert labels_in(photo_dataset) == 5
    assert_drawn(before, pixels(app.photo(0)), photo_dataset.first())

    app.open_panel("premask runs")
    app.panel.get_by_text("finished").first.wait_for()
    app.look("panel")
    assert right_edge(app.panel.locator("table").first) <= right_edge(app.panel)

    app.press(app.panel, "Undo")
    app.form.get_by_text("Removes 5 annotations from 5 images").wait_for()
    assert labels_in(photo_dataset) == 5
    app.look("undo")
    app.press(app.form, "Execute")
    app.panel.get_by_text("undone").first.wait_for()
    app.look("undone")
    app.field("subject").wait_for(state="detached")
    assert labels_in(photo_dataset) == 0


def test_a_person_queues_up_and_accepts(app: App, fo: Any, photo_dataset: Any) -> None:
    found = [
        fo.Detections(detections=[fo.Detection(label="x", bounding_box=[0, 0, 1, 1], confidence=c)])
        for c in (0.9, 0.3, 0.8, 0.2, 0.7)
    ]
    photo_dataset.set_values("found", found)
    app.page.reload(wait_until="domcontentloaded")
    app.photo(0).wait_for()

    app.choose_operator("Review queue")
    app.press(app.form, "Execute")
    app.page.get_by_text("samples to review in the view 'review'").first.wait_for()
    app.press(app.page, "Close")
    app.look("queue")
    assert app.page.get_by_text("does not exist").count() == 0
    photo_dataset.reload()
    first, second = photo_dataset.load_saved_view("review").values("id")[:2]

    app.photo(0).click()
    app.shown_in_modal(first)
    app.look("modal")
    app.modal_action("premask: Accept")
    app.page.get_by_text("1 sample accepted.").first.wait_for()
    app.shown_in_modal(second)
    app.look("accepted")
    photo_dataset.reload()
    assert photo_dataset.match_tags("accepted").values("id") == [first]


def test_a_person_tries_keeps_and_throws_away(app: App, photo_dataset: Any) -> None:
    before = pixels(app.photo(0))
    app.photo(0).click()
    app.shown_in_modal(photo_dataset.first().id)
    app.modal_action("premask: Try on this sample")
    app.form.wait_for()
    app.look("trial-form")
    app.form.get_by_text("subject", exact=True).first.click()
    app.page.get_by_text("ready. The main subject", exact=False).first.wait_for()
    app.look("recipes")
    app.page.keyboard.press("Escape")
    app.form.wait_for()
    app.press(app.form, "Execute")
    app.page.get_by_text("Tried: 1 annotation in 1 image").first.wait_for()
    app.press(app.page, "Done")
    app.field("premask_trial").wait_for()
    app.look("tried")
    assert trials_in(photo_dataset) == 1
    assert (np.abs(pixels(app.photo(0)) - before) > 8).mean() > 0.1

    app.photo(0).click()
    app.modal.locator('[data-cy="sidebar-field-premask_trial"]').wait_for()
    app.look("tried-from-near")
    app.modal_action("premask: Keep the trial")
    app.form.get_by_text("1 annotation of 'subject'").wait_for()
    app.look("keep")
    app.press(app.form, "Execute")
    app.page.get_by_text("1 annotation kept in 'subject'.").first.wait_for()
    app.field("subject").wait_for()
    app.look("kept")
    assert (labels_in(photo_dataset), trials_in(photo_dataset)) == (1, 0)


def assert_drawn(before: NDArray[np.int16], after: NDArray[np.int16], sample: Any) -> None:
    """What changed in a photo of the grid is the mask that was written."""
    changed = (np.abs(after - before) > 8).any(axis=2)
    height, width = changed.shape
    mask = sample.subject.detections[0].to_segmentation(frame_size=(width, height)).get_mask() != 0
    assert (changed & mask).sum() > 0.9 * mask.sum()
    # Outside, there are the box and the name of the class.
    assert (changed & ~mask).sum() < 0.15 * mask.size


def right_edge(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


def labels_in(dataset: Any) -> int:
    dataset.reload()
    return int(dataset.count("subject.detections")) if dataset.has_field("subject") else 0


def trials_in(dataset: Any) -> int:
    dataset.reload()
    return int(dataset.count("premask_trial")) if dataset.has_field("premask_trial") else 0
