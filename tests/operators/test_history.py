"""The history: quick with many runs, and right about runs whose process is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pytest

from tests.operators.open_panel import OpenPanel

Label = Callable[..., Any]
Operator = Callable[[str], Any]
Form = Callable[..., Any]


@pytest.fixture
def history(part: Callable[[str], Any]) -> Any:
    return part("dataset.history")


@pytest.fixture
def ended(part: Callable[[str], Any]) -> Any:
    """A process on this machine that has ended, as runs remember theirs."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    this = part("dataset.processes").this_process()
    return replace(this, number=process.pid, started=time.time())


@pytest.fixture
def under_way(history: Any, photo_dataset: Any, label: Label, finder: Any) -> Callable[..., Any]:
    """Make a run that has not said how it ended, of this process if no other is given."""

    def made(**changed: Any) -> Any:
        run = history.load(photo_dataset, label()["name"])
        run.state = "running"
        for name, value in changed.items():
            setattr(run, name, value)
        history.save(photo_dataset, run)
        return run

    return made


def add_copies(dataset: Any, run: Any, count: int) -> None:
    """Put copies of a run into the history, as so many runs would have left them."""
    from fiftyone.core.odm import RunDocument

    dataset.reload()
    for number in range(count):
        name = f"premask_2020{number:04}"
        record = json.dumps(asdict(replace(run, name=name)))
        config = dataset.init_run(method="premask", record=record).serialize()
        document = RunDocument(
            dataset_id=dataset._doc.id,
            key=name,
            version="1",
            timestamp=datetime(2020, 1, 1),
            config=config,
        )
        document.save(upsert=True)
        dataset._doc.runs[name] = document
    dataset._doc.save()


def test_many_runs_are_read_in_no_time(
    history: Any, photo_dataset: Any, label: Label, finder: Any, operator: Operator
) -> None:
    """With 500 runs, this took 7.5 seconds, and an undo 85: each run was loaded for each run."""
    finder.find("astronaut", (3, 4, 60, 70))
    name = label()["name"]
    run = history.load(photo_dataset, name)
    add_copies(photo_dataset, run, 300)
    started = time.monotonic()
    newest = history.last_runs(photo_dataset)
    assert (len(newest), newest[0].name) == (50, name)
    assert time.monotonic() - started < 0.5
    started = time.monotonic()
    assert operator("undo_run")(photo_dataset, run_id=name).result["removed"] == 1
    assert time.monotonic() - started < 10


def test_a_run_of_a_living_process_is_running(
    history: Any, photo_dataset: Any, under_way: Any
) -> None:
    assert history.load(photo_dataset, under_way().name).state == "running"


def test_a_run_whose_process_has_ended_has_stopped(
    history: Any, photo_dataset: Any, under_way: Any, ended: Any, form: Form
) -> None:
    run = under_way(worker=ended)
    assert history.load(photo_dataset, run.name).state == "stopped"
    assert form("cancel_run", photo_dataset)["none"]["invalid"]
    consequence = form("undo_run", photo_dataset)["consequence"]
    assert consequence["view"]["name"] == "Notice"


def test_another_process_with_the_same_number_is_not_the_runs(
    history: Any, photo_dataset: Any, under_way: Any, part: Callable[[str], Any]
) -> None:
    this = part("dataset.processes").this_process()
    run = under_way(worker=replace(this, started=this.started - 100))
    assert history.load(photo_dataset, run.name).state == "stopped"


def test_on_another_machine_a_run_counts_as_over_after_an_hour(
    history: Any, photo_dataset: Any, under_way: Any, part: Callable[[str], Any]
) -> None:
    elsewhere = replace(part("dataset.processes").this_process(), machine="elsewhere")
    run = under_way(worker=elsewhere, noted=time.time() - 600)
    assert history.load(photo_dataset, run.name).state == "running"
    run.noted -= 3600
    history.save(photo_dataset, run)
    assert history.load(photo_dataset, run.name).state == "stopped"


def test_cancel_ends_what_says_nothing_any_more(
    history: Any, photo_dataset: Any, under_way: Any, operator: Operator
) -> None:
    """Such as a run whose browser has gone while its process lives on."""
    run = under_way(noted=time.time() - 600)
    done = operator("cancel_run")(photo_dataset, run_id=run.name).result
    assert (done["state"], history.load(photo_dataset, run.name).state) == ("cancelled",) * 2
    assert "is cancelled" in done["summary"]


def test_cancel_asks_what_is_at_work(
    history: Any, photo_dataset: Any, under_way: Any, operator: Operator
) -> None:
    run = under_way(noted=time.time())
    done = operator("cancel_run")(photo_dataset, run_id=run.name).result
    assert done["state"] == history.load(photo_dataset, run.name).state == "running"
    assert "stops after the images" in done["summary"]


def test_cancel_without_a_run_can_not_be_executed(photo_dataset: Any, plugin: Any) -> None:
    with pytest.raises(plugin.executor.ExecutionError, match="No run of premask is under way"):
        plugin.execute_operator("@premask/premask/cancel_run", {"dataset": photo_dataset})


def test_the_panel_cancels_what_is_under_way(
    history: Any, photo_dataset: Any, under_way: Any, operator: Operator
) -> None:
    run = under_way(noted=time.time() - 600)
    panel = OpenPanel(operator("premask_runs"), photo_dataset)
    panel.send("on_load")
    assert list(panel.shown["actions"]["type"]["properties"]) == ["cancel", "again", "undo"]
    panel.send("cancel")
    assert history.load(photo_dataset, run.name).state == "cancelled"
    assert panel.data["history"][0]["state"].startswith("cancelled")
