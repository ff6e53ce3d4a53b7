"""The panel of runs, of what works behind the App: FiftyOne's queue, how far, what was said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.operators.open_panel import OpenPanel

Label = Callable[..., Any]
Operator = Callable[[str], Any]


@pytest.fixture
def panel(operator: Operator, photo_dataset: Any) -> OpenPanel:
    return OpenPanel(operator("premask_runs"), photo_dataset)


@pytest.fixture
def queue(plugin: Any) -> Any:
    from fiftyone.operators.delegated import DelegatedOperationService

    return DelegatedOperationService()


@pytest.fixture
def scheduled(photo_dataset: Any, operator: Operator, queue: Any, finder: Any) -> Iterator[Any]:
    """A run of all photos that FiftyOne has put into its queue."""
    finder.find("astronaut", (3, 4, 60, 70))
    operation = operator("label_samples")(photo_dataset, recipe="subject", delegate=True).result
    yield operation["id"]
    queue.delete_for_dataset(photo_dataset._doc.id)


def test_what_waits_is_shown_and_can_be_cancelled(
    panel: OpenPanel, photo_dataset: Any, scheduled: Any, queue: Any, form: Any, operator: Operator
) -> None:
    panel.send("on_load")
    (row,) = panel.data["waiting"]
    assert row["operation"] == "label_samples"
    assert "waits since" in row["what"]
    assert "fiftyone delegated launch" in row["what"]
    (choice,) = form("cancel_run", photo_dataset)["run_id"]["view"]["choices"]
    assert choice["value"] == str(scheduled)
    panel.send("cancel_waiting", row=0)
    assert queue.get(scheduled).run_state == "failed"
    (row,) = panel.data["waiting"]
    assert row["what"].endswith("Cancelled before it began.")
    queue.execute_queued_operations(dataset_name=photo_dataset.name)
    photo_dataset.reload()
    assert not photo_dataset.has_field("subject")


def test_once_it_runs_it_is_a_run_like_any_other(
    panel: OpenPanel, photo_dataset: Any, scheduled: Any, queue: Any, history: Any
) -> None:
    queue.execute_queued_operations(dataset_name=photo_dataset.name)
    panel.send("on_load")
    assert not panel.data.get("waiting")
    (run,) = history.last_runs(photo_dataset)
    assert (run.operation, run.total, run.done) == (str(scheduled), 3, 3)
    assert panel.data["history"][0]["state"].startswith("finished")


def test_what_fails_before_it_is_a_run_says_why(
    panel: OpenPanel, photo_dataset: Any, operator: Operator, queue: Any
) -> None:
    operator("compare")(photo_dataset, one="nowhere", other="neither", delegate=True)
    queue.execute_queued_operations(dataset_name=photo_dataset.name)
    panel.send("on_load")
    (row,) = panel.data["waiting"]
    assert "failed at" in row["what"]
    assert "'nowhere' holds no labels" in row["what"]
    queue.delete_for_dataset(photo_dataset._doc.id)


def test_a_run_under_way_shows_how_far_it_is(
    panel: OpenPanel, photo_dataset: Any, label: Label, finder: Any, history: Any
) -> None:
    run = history.load(photo_dataset, label()["name"])
    run.state, run.total, run.labeled, run.seconds = "running", 12, 3, 6.0
    history.save(photo_dataset, run)
    panel.send("on_load")
    assert "25%, 3/12 images, 18s left" in panel.shown["details"]["default"]
    run.noted -= 100
    history.save(photo_dataset, run)
    panel.send("on_load")
    assert "has said nothing since" in panel.shown["details"]["default"]


def test_the_log_has_what_the_run_and_libraries_said(
    panel: OpenPanel, label: Label, finder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder.broken = {"coffee"}
    looked = finder.run_stages

    def warned(*arguments: Any) -> Any:
        logging.getLogger("some.library").warning("the %s is old", "checkpoint")
        logging.getLogger("some.library").info("chatter")
        return looked(*arguments)

    monkeypatch.setattr("premask.runs.pipeline.run_stages", warned)
    label()
    panel.send("on_load")
    assert "log" not in panel.shown
    panel.send("toggle_log")
    log = panel.shown["log"]["default"]
    assert "begins, in process" in log
    assert "some.library: the checkpoint is old" in log
    assert "can't be looked at" in log
    assert "finished: 0 annotations in 2 images" in log
    assert "chatter" not in log
    panel.send("toggle_log")
    assert "log" not in panel.shown


def test_the_log_of_a_run_that_failed_has_the_reason(
    panel: OpenPanel, label: Label, finder: Any, monkeypatch: pytest.MonkeyPatch, part: Any
) -> None:
    def broken(*arguments: Any, **more: Any) -> Any:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(part("work.labeling"), "label", broken)
    with pytest.raises(Exception, match="nobody thought of it"):
        label()
    panel.send("on_load")
    panel.send("toggle_log")
    log = panel.shown["log"]["default"]
    assert "Traceback" in log
    assert "ZeroDivisionError: nobody thought of it" in log


def test_a_click_on_a_bar_of_scores_shows_its_labels(
    panel: OpenPanel, photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.boxes["astronaut"] = [("cat", (3, 4, 60, 70)), ("dog", (80, 10, 120, 40))]
    label()
    panel.send("on_load")
    panel.send("show_scores", trace="dog", x=0.775)  # all scores are 0.75
    assert panel.view().values("subject.detections.label") == [["dog"]]
    panel.send("show_scores", trace="dog", x=0.725)
    assert len(panel.view()) == 0


@pytest.fixture
def history(part: Callable[[str], Any]) -> Any:
    return part("dataset.history")
