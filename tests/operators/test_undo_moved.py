"""Undo finds what a run wrote wherever it is by now, and leaves what others still use or made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Label = Callable[..., Any]
Operator = Callable[[str], Any]


@pytest.fixture
def undo(operator: Operator) -> Callable[[Any, str], Any]:
    """Undo a run of a dataset as people do, and say what came of it."""

    def undone(dataset: Any, name: str) -> Any:
        result = operator("undo_run")(dataset, run_id=name).result
        dataset.reload()
        dataset.clear_cache()
        return result

    return undone


@pytest.fixture
def clone(photo_dataset: Any) -> Iterator[Callable[[], Any]]:
    """Clone the photos' dataset as it is when this is called."""
    clones = []

    def cloned() -> Any:
        clones.append(photo_dataset.clone())
        return clones[-1]

    yield cloned
    for dataset in clones:
        dataset.delete()


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


def maps(dataset: Any, field: str) -> list[Any]:
    """Read each sample's class map from disk."""
    return [sample[field].get_mask() for sample in dataset]


def test_a_renamed_field_is_undone(
    photo_dataset: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    run = label(write=["detections", "segmentation"], folder=str(tmp_path))
    photo_dataset.rename_sample_field("subject", "final")
    photo_dataset.rename_sample_field("subject_segmentation", "final_map")
    assert undo(photo_dataset, run["name"])["removed"] == 2 + 3
    assert photo_dataset.values("final") == [None] * 3
    assert photo_dataset.values("final_map") == [None] * 3
    assert files(tmp_path) == []


def test_a_cloned_field_is_undone_too(
    photo_dataset: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    run = label(masks_on_disk=True, folder=str(tmp_path))
    photo_dataset.clone_sample_field("subject", "copy")
    assert undo(photo_dataset, run["name"])["removed"] == 2
    assert not photo_dataset.has_field("subject")
    assert photo_dataset.values("copy") == [None] * 3
    assert files(tmp_path) == []


def test_a_corrected_label_in_a_cloned_field_keeps_its_file(
    photo_dataset: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    run = label(masks_on_disk=True, folder=str(tmp_path))
    photo_dataset.clone_sample_field("subject", "copy")
    first = photo_dataset.first()
    first["copy"].detections[1].label = "corrected"
    first.save()
    assert undo(photo_dataset, run["name"])["kept"] == 1
    (kept,) = photo_dataset.first()["copy"].detections
    assert kept.get_mask().any()
    assert len(files(tmp_path)) == 1


def test_files_stay_while_a_clone_of_the_dataset_names_them(
    photo_dataset: Any, clone: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    run = label(write=["segmentation"], folder=str(tmp_path))
    other = clone()
    undo(photo_dataset, run["name"])
    assert not photo_dataset.has_field("subject")
    assert all(pixels is not None for pixels in maps(other, "subject"))
    assert undo(other, run["name"])["removed"] == 3
    assert files(tmp_path) == []


def test_a_clone_that_is_undone_leaves_the_original_its_files(
    photo_dataset: Any, clone: Any, label: Label, finder: Any, undo: Any, tmp_path: Path
) -> None:
    run = label(write=["segmentation"], folder=str(tmp_path))
    assert undo(clone(), run["name"])["removed"] == 3
    assert len(files(tmp_path)) == 3
    assert all(pixels is not None for pixels in maps(photo_dataset, "subject"))


@pytest.mark.parametrize(
    "edit", [{"occluded": True}, {"confidence": 0.5}, {"confidence": None}, {"index": 3}]
)
def test_edited_attributes_are_a_persons_work(
    photo_dataset: Any, label: Label, finder: Any, undo: Any, edit: dict[str, Any]
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    run = label()
    first = photo_dataset.first()
    edited = first.subject.detections[1]
    for name, value in edit.items():
        edited[name] = value
    first.save()
    label(existing="replace", settings={"refine.grow": 1})
    kept = photo_dataset.first().subject.detections
    assert [detection.id == edited.id for detection in kept] == [True, False]
    assert {name: kept[0][name] for name in edit} == edit
    assert undo(photo_dataset, run["name"])["kept"] == 1
    assert photo_dataset.first().subject.detections[0].id == edited.id


def test_an_evaluation_is_no_edit(photo_dataset: Any, label: Label, finder: Any, undo: Any) -> None:
    """It puts attributes into labels, but nobody has corrected them."""
    finder.find("astronaut", (3, 4, 60, 70))
    run = label()
    label(label_field="truth")
    photo_dataset.evaluate_detections("subject", gt_field="truth", eval_key="ev", progress=False)
    assert undo(photo_dataset, run["name"]) | {"summary": ""} == {
        "removed": 1,
        "kept": 0,
        "summary": "",
    }


def test_a_persons_field_is_as_it_was(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    """Its schema has no attribute of premask's any more, and nothing was put where nothing is."""
    own = fo.Detection(label="cup", bounding_box=[0, 0, 0.1, 0.1])
    first = photo_dataset.first()
    first["own"] = fo.Detections(detections=[own])
    first.save()
    schema = list(photo_dataset.get_field_schema(flat=True))
    finder.find("chelsea", (3, 4, 60, 70))
    run = label(label_field="own")
    assert photo_dataset.values("own")[2] is None  # nothing was found there
    undo(photo_dataset, run["name"])
    assert list(photo_dataset.get_field_schema(flat=True)) == schema
    assert photo_dataset.values("own")[1:] == [None, None]


def test_samples_deleted_meanwhile_are_counted(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    looking = finder.run_stages

    def deleting(images: Any, prompts: Any, recipe: Any, pool: Any) -> Any:
        photo_dataset.delete_samples(photo_dataset.match({"filepath": {"$regex": "chelsea"}}))
        return looking(images, prompts, recipe, pool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("premask.runs.pipeline.run_stages", deleting)
        run = label()
    assert (run["state"], run["labeled"], run["deleted"], run["failed"]) == ("finished", 2, 1, 0)
    assert photo_dataset.count("subject.detections") == 1
