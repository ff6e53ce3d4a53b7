"""A person goes through labels in FiftyOne's App with three keys, and takes a verdict back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.fiftyone_app import App

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SCORES = (0.9, 0.3, 0.8, 0.2, 0.7)


@pytest.fixture
def app(page: Page, app_url: str, fo: Any, photo_dataset: Any) -> App:
    """The App on photos with an object in each, the fourth of which is the most doubtful."""
    boxes = [[0.3, 0.3, 0.3, 0.4]] * len(SCORES)
    photo_dataset.set_values(
        "found",
        [
            fo.Detections(detections=[fo.Detection(label="x", bounding_box=box, confidence=score)])
            for box, score in zip(boxes, SCORES, strict=True)
        ],
    )
    app = App(page)
    app.open(app_url)
    return app


def test_a_person_reviews_labels_with_keys(app: App, photo_dataset: Any) -> None:
    app.choose_operator("Review labels")
    app.press(app.form, "Execute")
    app.page.get_by_text("5 labels to review in the queue 'review'").first.wait_for()
    app.press(app.page, "Close")
    panel = app.page.locator('[data-cy="panel-content-premask_review"]')
    panel.get_by_text("0 of 5 labels").wait_for()
    panel.get_by_text("doubt 0.80").wait_for()
    app.look("review")
    seen = [shown(panel)]

    for key, progress in (
        ("a", "1 of 5 labels, 1 accepted"),
        ("r", "2 of 5 labels, 1 accepted, 1 rejected"),
        ("z", "1 of 5 labels, 1 accepted"),
        ("s", "1 of 5 labels, 1 accepted"),
    ):
        app.page.keyboard.press(key)
        panel.get_by_text(progress, exact=True).wait_for()
        changed(app.page, seen[-1])
        seen.append(shown(panel))
    assert seen[1] == seen[3] != seen[2]
    assert seen[4] == seen[2]
    assert verdicts(photo_dataset) == [[], [], [], ["accepted"], []]

    # Another person deletes the label that is shown, and judges what comes next.
    queued = photo_dataset.values("found.detections.id")
    photo_dataset.delete_labels(ids=queued[4])
    app.page.keyboard.press("a")
    panel.get_by_text("This label is gone").wait_for()
    panel.get_by_text("1 of 4 labels, 1 accepted", exact=True).wait_for()

    # What is left comes after the App was closed.
    app.page.reload(wait_until="domcontentloaded")
    app.photo(0).wait_for()
    if not panel.count():
        app.page.locator('[data-cy="new-panel-btn"]').click()
        app.page.get_by_text("premask review", exact=True).first.click()
    panel.get_by_text("1 of 4 labels, 1 accepted", exact=True).wait_for()
    app.look("review-resumed")

    before = shown(panel)
    app.page.keyboard.press("f")
    app.modal.wait_for()
    app.look("review-fix")
    correct(photo_dataset, app)
    close(app)
    panel.get_by_text("Corrected and accepted.").wait_for()
    changed(app.page, before)
    assert [len(tags) for tags in verdicts(photo_dataset)] == [0, 1, 0, 1, 0]


def correct(dataset: Any, app: App) -> None:
    """Change the label that is open, as an editor would."""
    dataset.reload()
    sample = dataset[dataset.values("id")[1]]
    app.shown_in_modal(sample.id)
    sample.found.detections[0].bounding_box = [0.2, 0.2, 0.3, 0.3]
    sample.save()


def close(app: App) -> None:
    """Close the sample; the first press lets go of the label, and only over the photo."""
    app.page.mouse.move(600, 500)
    while app.modal.count():
        app.page.keyboard.press("Escape")
        app.page.wait_for_timeout(2000)


def shown(panel: Locator) -> str:
    return panel.locator("img").get_attribute("src") or ""


def changed(page: Page, before: str) -> None:
    """Wait for another picture."""
    page.wait_for_function(
        """before => {
            const panel = document.querySelector('[data-cy="panel-content-premask_review"]');
            const picture = panel && panel.querySelector("img");
            return picture && picture.src !== before;
        }""",
        arg=before,
    )


def verdicts(dataset: Any) -> list[list[str]]:
    """The tags of each photo's label."""
    dataset.reload()
    return [tags[0] if tags else [] for tags in dataset.values("found.detections.tags")]
