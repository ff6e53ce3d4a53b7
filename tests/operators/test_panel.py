"""The panel and *Undo labeling*, without a browser: what they send to the App."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.operators.open_panel import OpenPanel

Label = Callable[..., Any]
Operator = Callable[[str], Any]


@pytest.fixture
def panel(operator: Operator, photo_dataset: Any) -> OpenPanel:
    return OpenPanel(operator("premask_runs"), photo_dataset)


def test_without_runs_it_offers_the_first_one(panel: OpenPanel) -> None:
    panel.send("on_load")
    assert "history" not in panel.shown
    panel.send("label")
    assert panel.asked["prompt_user_for_operation"]["operator_uri"].endswith("/label_samples")


def test_the_newest_run_is_first_and_open(
    panel: OpenPanel, label: Label, finder: Any, photos: list[Path]
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    label(settings={"refine.grow": 2})
    finder.broken = {"coffee"}
    label(label_field="other")
    panel.send("on_load")
    newest, oldest = panel.data["history"]
    assert newest["work"] == "subject"
    assert newest["state"].startswith("finished, ")
    assert (newest["images"], newest["annotations"]) == ("2, 1 failed", "2")
    assert (oldest["images"], oldest["annotations"]) == ("3", "2")
    assert set(newest) - {"name"} == {
        column["key"] for column in panel.shown["history"]["view"]["columns"]
    }
    assert "Field: `other` (detections)" in panel.shown["details"]["default"]
    (failure,) = panel.data["failures"]
    assert failure["image"] == str(photos[2])
    assert "can't be looked at" in failure["why"]
    panel.send("choose", row=1)
    assert "refine = { grow = 2 }" in panel.shown["details"]["default"]
    assert "failures" not in panel.shown


def test_labels_are_counted_by_class_and_score(panel: OpenPanel, label: Label, finder: Any) -> None:
    finder.boxes["astronaut"] = [("cat", (3, 4, 60, 70)), ("dog", (80, 10, 120, 40))]
    finder.boxes["coffee"] = [("dog", (3, 4, 60, 70))]
    label()
    label(label_field="other")  # another run's labels are not counted
    panel.send("on_load")
    (bars,) = panel.data["classes"]
    assert (bars["x"], bars["y"]) == (["dog", "cat"], [2, 1])
    dogs, cats = panel.data["scores"]
    assert (dogs["name"], cats["name"]) == ("dog", "cat")
    # All scores are 0.75, which is the lower edge of the sixteenth bin of twenty.
    assert [(x, y) for x, y in zip(dogs["x"], dogs["y"], strict=True) if y] == [(0.775, 2)]


def test_a_click_on_a_bar_shows_its_labels(
    panel: OpenPanel, photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.boxes["astronaut"] = [("cat", (3, 4, 60, 70)), ("dog", (80, 10, 120, 40))]
    label()
    panel.send("on_load")
    panel.send("show", x="dog")
    assert panel.view().values("subject.detections.label") == [["dog"]]
    panel.send("show")
    assert panel.view().values("subject.detections.label") == [["cat", "dog"]]


def test_a_run_of_maps_has_nothing_to_count(panel: OpenPanel, label: Label, finder: Any) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    label(write=["segmentation"])
    panel.send("on_load")
    assert {"classes", "scores"} & set(panel.shown) == set()
    assert list(panel.shown["actions"]["type"]["properties"]) == ["again", "undo"]


@pytest.mark.parametrize("settings", [{"refine.grow": 2}, {"for_subject": {"refine": {"grow": 2}}}])
def test_run_again_opens_the_form_as_it_was(
    panel: OpenPanel, label: Label, finder: Any, settings: Any, form: Any
) -> None:
    """Both for a form that was filled in and for a call from Python."""
    first = label(settings=settings)
    panel.send("on_load")
    panel.send("run_again")
    prompt = panel.asked["prompt_user_for_operation"]
    assert prompt["operator_uri"] == "@premask/premask/label_samples"
    assert prompt["params"]["settings"]["for_subject"]["refine"]["grow"] == 2
    again = label(**{key: prompt["params"][key] for key in ("recipe", "settings", "write")})
    assert (first["labeled"], again["reused"]) == (3, 3)


def test_it_refreshes_only_when_something_has_happened(
    panel: OpenPanel, label: Label, finder: Any
) -> None:
    label()
    panel.send("on_load")
    panel.send("refresh")
    assert "patch_panel_data" not in panel.asked
    label(settings={"refine.grow": 2}, label_field="other")
    panel.send("refresh")
    assert len(panel.data["history"]) == 2


def test_undo_asks_and_removes(
    panel: OpenPanel, photo_dataset: Any, label: Label, finder: Any, plugin: Any, form: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    label()
    panel.send("on_load")
    panel.send("undo")
    prompt = panel.asked["prompt_user_for_operation"]
    assert photo_dataset.count("subject.detections") == 2  # not yet
    fields = form("undo_run", photo_dataset, prompt["params"])
    assert fields["consequence"]["view"]["label"] == "Removes 2 annotations from 3 images"
    done = plugin.execute_operator(
        prompt["operator_uri"], dataset=photo_dataset, params=prompt["params"]
    )
    assert done.result["summary"] == "2 labels removed."
    photo_dataset.reload()
    assert not photo_dataset.has_field("subject")
    panel.send("refresh")
    assert panel.data["history"][0]["state"].startswith("undone, ")
    assert list(panel.shown["actions"]["type"]["properties"]) == ["again"]
    assert "none" in form("undo_run", photo_dataset)


def test_undo_tells_what_it_keeps(
    photo_dataset: Any, label: Label, finder: Any, operator: Operator
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    name = label()["name"]
    first = photo_dataset.first()
    first.subject.detections[0].label = "corrected"
    first.save()
    done = operator("undo_run")(photo_dataset, run_id=name).result
    assert done["summary"] == "1 label removed, 1 label kept that somebody has changed."


def test_undo_warns_of_a_run_that_has_not_ended(
    photo_dataset: Any, label: Label, finder: Any, part: Callable[[str], Any], form: Any
) -> None:
    name = label()["name"]
    run = part("dataset.history").load(photo_dataset, name)
    run.state = "running"
    part("dataset.history").save(photo_dataset, run)
    assert form("undo_run", photo_dataset)["consequence"]["view"]["name"] == "Warning"


def test_an_import_is_listed_and_can_be_repeated(
    panel: OpenPanel, photo_dataset: Any, operator: Operator, tmp_path: Path
) -> None:
    path = tmp_path / "coco.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    operator("import_masks")(photo_dataset, path=path, label_field="found")
    panel.send("on_load")
    assert panel.data["history"][0]["work"] == "COCO import"
    assert f"path = {path}" in panel.shown["details"]["default"]
    panel.send("run_again")
    prompt = panel.asked["prompt_user_for_operation"]
    assert prompt["operator_uri"] == "@premask/premask/import_masks"
    assert prompt["params"]["path"] == str(path)
