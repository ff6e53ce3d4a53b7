"""Undo removes what a run wrote and nobody has changed since, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.errors import PremaskError

Label = Callable[..., Any]


@pytest.fixture
def undo(part: Callable[[str], Any], photo_dataset: Any) -> Callable[[str], Any]:
    """Undo a run of the photos' dataset."""
    part("menu.label_samples")

    def undone(name: str) -> Any:
        from operators.work.undo import undo

        result = undo(photo_dataset, name)
        photo_dataset.clear_cache()
        return result

    return undone


def state(dataset: Any) -> list[Any]:
    """All that a person can see of a dataset."""
    hidden = ("_id", "_dataset_id", "last_modified_at", "_rand")
    samples = [
        {key: value for key, value in sample.to_mongo_dict().items() if key not in hidden}
        for sample in dataset
    ]
    return [samples, sorted(dataset.get_field_schema()), dict(dataset.mask_targets)]


def test_nothing_is_left_of_a_run(
    photo_dataset: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    before = state(photo_dataset)
    finder.find("astronaut", (3, 4, 60, 70))
    write = ["detections", "polylines", "segmentation", "heatmap"]
    run = label(write=write, masks_on_disk=True, folder=str(tmp_path))
    assert len([path for path in tmp_path.rglob("*.png")]) == 1 + 3 + 3
    undone = undo(run["name"])
    assert (undone.removed, undone.kept) == (1 + 1 + 3 + 3, 0)
    assert state(photo_dataset) == before
    assert list(tmp_path.iterdir()) == []


def test_a_person_s_labels_stay_and_corrected_ones_too(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    first = photo_dataset.first()
    first["subject"] = fo.Detections(
        detections=[fo.Detection(label="person", bounding_box=[0.5, 0.5, 0.5, 0.5])]
    )
    first.save()
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    run = label(existing="add", masks_on_disk=True, folder=str(tmp_path))
    first = photo_dataset.first()
    first.subject.detections[1].label = "corrected"
    first.save()
    undone = undo(run["name"])
    after = photo_dataset.first().subject.detections
    assert [detection.label for detection in after] == ["person", "corrected"]
    assert after[1].get_mask().any()  # its file is still there
    assert (undone.removed, undone.kept) == (1, 1)
    assert len([path for path in tmp_path.rglob("*.png")]) == 1
    assert photo_dataset.values("subject")[1:] == [None, None]


def test_a_corrected_mask_on_disk_stays(
    photo_dataset: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    run = label(write=["segmentation"], folder=str(tmp_path))
    path = Path(photo_dataset.first().subject.mask_path)
    import PIL.Image

    PIL.Image.fromarray(np.full((256, 256), 7, np.uint8)).save(path)
    undone = undo(run["name"])
    assert undone.kept == 1
    assert photo_dataset.first().subject.get_mask().min() == 7


def test_what_another_run_wrote_stays(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    first = label()
    finder.find("astronaut", (3, 4, 60, 70), (100, 100, 150, 150))
    second = label(existing="add", settings={"refine.grow": 1})
    undo(first["name"])
    (left,) = photo_dataset.first().subject.detections
    assert left.premask_run == second["name"]


def test_an_empty_field_of_a_person_stays_empty(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    """An empty field says that a person looked and found nothing: that stays."""
    first = photo_dataset.first()
    first["subject"] = fo.Detections(detections=[])
    first.save()
    finder.find("astronaut", (3, 4, 60, 70))
    run = label()
    assert len(photo_dataset.first().subject.detections) == 1
    undo(run["name"])
    assert photo_dataset.first().subject.detections == []
    assert photo_dataset.values("subject")[1:] == [None, None]


def test_runs_can_be_undone_in_any_order(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    before = state(photo_dataset)
    finder.find("astronaut", (3, 4, 60, 70))
    first = label()
    finder.find("astronaut", (100, 100, 150, 150))
    second = label(existing="add", settings={"refine.grow": 1})
    undo(second["name"])
    assert len(photo_dataset.first().subject.detections) == 1
    undo(first["name"])
    assert state(photo_dataset) == before


def test_after_an_undo_nothing_counts_as_done(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    undo(label()["name"])
    assert label()["labeled"] == 3


def test_mask_targets_stay_while_somebody_needs_them(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), label="cat")
    first = label(photo_dataset[:1], write=["segmentation"])
    second = label(write=["segmentation"])
    undo(first["name"])
    assert photo_dataset.mask_targets == {"subject": {1: "cat"}}
    undo(second["name"])
    assert photo_dataset.mask_targets == {}
    assert not photo_dataset.has_field("subject")


def test_the_history_remembers(photo_dataset: Any, label: Label, finder: Any, undo: Any) -> None:
    from operators.dataset import history as runs

    finder.find("astronaut", (3, 4, 60, 70))
    name = label(settings={"refine.grow": 2})["name"]
    run = runs.load(photo_dataset, name)
    assert (run.recipe, run.state, run.labeled, run.annotations) == ("subject", "finished", 3, 1)
    assert "refine = { grow = 2 }" in run.settings
    assert run.params["settings"] == {"refine.grow": 2}
    assert run.operator == "@premask/premask/label_samples"
    assert run.seconds > 0
    undo(name)
    assert runs.load(photo_dataset, name).state == "undone"
    with pytest.raises(PremaskError, match=f"no run 'other' of premask. It has: {name}"):
        runs.load(photo_dataset, "other")
