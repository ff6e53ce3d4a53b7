"""*Try on this sample*: shown at once, then kept as if it had been no trial, or gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Operator = Callable[..., Any]
URI = "@premask/premask/"
WHOLE, CUP = (3, 4, 60, 70), (80, 90, 120, 130)


@pytest.fixture
def attempt(plugin: Any, photo_dataset: Any, finder: Any) -> Operator:
    """Try on the first photo, as the App does where it is open, and return the trial."""

    def tried(sample: Any = None, **params: Any) -> Any:
        sample = sample or photo_dataset.first()
        context = {"dataset": photo_dataset, "params": params}
        plugin.execute_operator(f"{URI}try_on_sample", context, current_sample=sample.id)
        photo_dataset.reload()
        photo_dataset.clear_cache()
        return sample

    finder.find("astronaut", WHOLE)
    return tried


def state_of(dataset: Any) -> dict[str, Any]:
    """All that a dataset has beside the times of changes."""
    dataset.reload()
    samples = dataset._sample_collection.find({}, {"last_modified_at": 0})
    return {
        "fields": list(dataset.get_field_schema(flat=True)),
        "runs": dataset.list_runs(),
        "targets": dict(dataset.mask_targets),
        "schemas": dict(getattr(dataset, "label_schemas", {})),
        "samples": [str(sorted(sample.items())) for sample in samples],
    }


@pytest.mark.parametrize("write", [["detections"], ["segmentation", "heatmap"]])
def test_thrown_away_nothing_is_left(
    fo: Any, photo_dataset: Any, attempt: Operator, operator: Operator, write: list[str]
) -> None:
    before, folder = state_of(photo_dataset), Path(fo.config.default_dataset_dir)
    attempt(write=write, masks_on_disk=True)
    assert photo_dataset.count("premask_trial") == 1
    assert list((folder / photo_dataset.name).rglob("*.png"))
    operator("throw_trial_away")(photo_dataset)
    assert state_of(photo_dataset) == before
    assert not (folder / photo_dataset.name).exists()
    said = operator("throw_trial_away")(photo_dataset).result["summary"]
    assert said.startswith("There is no trial.")


def test_a_person_s_folder_stays_even_if_it_is_empty(
    photo_dataset: Any, attempt: Operator, operator: Operator, tmp_path: Path
) -> None:
    attempt(masks_on_disk=True, folder=str(tmp_path))
    assert list(tmp_path.rglob("*.png"))
    operator("throw_trial_away")(photo_dataset)
    assert list(tmp_path.iterdir()) == []


def test_kept_it_is_what_label_samples_would_have_written(
    photo_dataset: Any, attempt: Operator, operator: Operator, finder: Any, form: Any
) -> None:
    attempt(settings={"select.top": 1}, label_field="things")
    trial = photo_dataset.first().premask_trial.detections[0]
    assert form("keep_trial", photo_dataset)["label_field"]["default"] == "things"
    kept = operator("keep_trial")(photo_dataset).result
    photo_dataset.reload()
    photo_dataset.clear_cache()
    assert not photo_dataset.has_field("premask_trial")
    assert photo_dataset.first().things.detections[0].to_dict() == trial.to_dict()
    assert trial.premask_run == kept["run_id"]
    assert list(getattr(photo_dataset, "label_schemas", {"things": ""})) == ["things"]
    run = operator("label_samples")(
        photo_dataset, settings={"select.top": 1}, label_field="things"
    ).result
    assert (run["reused"], run["labeled"]) == (1, 2)
    assert finder.looked_at.count("astronaut") == 1
    operator("undo_run")(photo_dataset, kept["run_id"])
    operator("undo_run")(photo_dataset, run["name"])
    photo_dataset.reload()
    assert not photo_dataset.has_field("things")


def test_a_second_trial_takes_the_place_of_the_first(
    photo_dataset: Any, attempt: Operator, finder: Any
) -> None:
    attempt()
    finder.find("chelsea", CUP, label="cat")
    attempt(photo_dataset.skip(1).first())
    labels = photo_dataset.values("premask_trial.detections.label")
    assert labels == [None, ["cat"], None]
    assert len(photo_dataset.list_runs(method="premask")) == 1


def test_a_field_of_somebody_s_own_with_the_trial_s_name_is_left_alone(
    fo: Any, photo_dataset: Any, attempt: Operator, operator: Operator
) -> None:
    photo_dataset.set_values("premask_trial", ["Ann's", None, None])
    attempt(write=["detections", "boxes"])
    assert photo_dataset.values("premask_trial") == ["Ann's", None, None]
    assert photo_dataset.count("premask_trial_2.detections") == 1
    assert photo_dataset.count("premask_trial_2_boxes.detections") == 1
    operator("throw_trial_away")(photo_dataset)
    photo_dataset.reload()
    assert photo_dataset.values("premask_trial") == ["Ann's", None, None]
    assert "premask_trial_2" not in photo_dataset.get_field_schema()


def test_kept_beside_a_person_s_labels_nothing_is_doubled_or_lost(
    fo: Any, photo_dataset: Any, attempt: Operator, operator: Operator, finder: Any
) -> None:
    first = photo_dataset.first()
    size = 256
    x0, y0, x1, y1 = CUP
    corners = [x0 / size, y0 / size, (x1 - x0) / size, (y1 - y0) / size]
    first["things"] = fo.Detections(
        detections=[fo.Detection(label="cup", bounding_box=corners, reviewer="Ann")]
    )
    first.save()
    human = first.things.detections[0].to_dict()
    finder.find("astronaut", WHOLE, CUP)
    attempt(label_field="things")
    with pytest.raises(Exception, match="has labels in 'things' already"):
        operator("keep_trial")(photo_dataset, existing="skip")
    kept = operator("keep_trial")(photo_dataset).result
    photo_dataset.reload()
    photo_dataset.clear_cache()
    found = photo_dataset.first().things.detections
    assert [label.label for label in found] == ["cup", "thing"]
    assert found[0].to_dict() == human
    assert not photo_dataset.has_field("premask_trial")
    operator("undo_run")(photo_dataset, kept["run_id"])
    photo_dataset.reload()
    photo_dataset.clear_cache()
    assert [label.to_dict() for label in photo_dataset.first().things.detections] == [human]


def test_what_a_person_changed_in_a_trial_stays(
    photo_dataset: Any, attempt: Operator, operator: Operator
) -> None:
    attempt()
    first = photo_dataset.first()
    first.premask_trial.detections[0].label = "Ann's"
    first.save()
    said = operator("throw_trial_away")(photo_dataset).result
    assert (said["kept"], said["removed"]) == (1, 0)
    photo_dataset.reload()
    assert photo_dataset.distinct("premask_trial.detections.label") == ["Ann's"]


def test_numbers_of_classes_are_those_of_the_field_it_is_for(
    photo_dataset: Any, attempt: Operator, operator: Operator, finder: Any
) -> None:
    finder.find("chelsea", CUP, label="cat")
    operator("label_samples")(photo_dataset[1:2], write=["segmentation"], label_field="maps")
    attempt(write=["segmentation"], label_field="maps")
    operator("keep_trial")(photo_dataset)
    photo_dataset.reload()
    photo_dataset.clear_cache()
    assert dict(photo_dataset.mask_targets) == {"maps": {1: "cat", 2: "thing"}}
    assert set(photo_dataset.first().maps.get_mask().ravel()) == {0, 2}


def test_the_form_is_about_the_open_sample_and_says_where_there_is_none(
    photo_dataset: Any, operator: Operator, finder: Any
) -> None:
    from fiftyone.operators.executor import ExecutionContext, Executor

    def drawn(**where: Any) -> Any:
        request = {"dataset_name": photo_dataset.name, "params": {}, **where}
        trial = operator("try_on_sample")
        context = ExecutionContext(request, executor=Executor(), operator_uri=trial.uri)
        return trial.resolve_type(context, "inputs").to_json()["type"]["properties"]

    opened = drawn(current_sample=photo_dataset.last().id)
    assert opened["sample"]["view"]["label"] == "On coffee.png"
    assert {"recipe", "write", "label_field"} <= set(opened)
    assert not {"existing", "export_folder"} & set(opened)
    assert drawn(selected=[photo_dataset.first().id])["sample"]["view"]["label"].endswith(".png")
    assert drawn()["sample"]["error_message"] == "Open a sample, or select one."
