"""What runs write can be corrected in the App's Annotate tab; what a person set there stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Label = Callable[..., Any]
BOX = (3, 4, 60, 70)


@pytest.fixture
def undo(part: Callable[[str], Any], photo_dataset: Any) -> Callable[[str], None]:
    """Undo a run of the photos' dataset."""

    def undone(name: str) -> None:
        part("work.undo").undo(photo_dataset, name)
        photo_dataset.reload()

    return undone


def schema(dataset: Any, field: str = "subject") -> Any:
    return dataset.label_schemas.get(field)


def test_a_written_field_can_be_annotated_at_once(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    finder.find("astronaut", BOX, label="helmet")
    write = ["detections", "boxes", "polylines", "segmentation", "heatmap"]
    run = label(write=write)
    fields = ["subject", "subject_boxes", "subject_polylines"]
    assert photo_dataset.active_label_schemas == fields
    assert schema(photo_dataset)["classes"] == ["helmet"]
    assert schema(photo_dataset)["component"] == "radio"
    read_only = {
        item["name"]: item.get("read_only") for item in schema(photo_dataset)["attributes"]
    }
    # What the model said stays what it said; who made a label, too.
    assert read_only == dict.fromkeys(
        ["confidence", "id", "premask_recipe", "premask_run", "source"], True
    ) | {"tags": None}
    undo(run["name"])
    assert (photo_dataset.label_schemas, photo_dataset.active_label_schemas) == ({}, [])


def test_later_runs_add_classes_and_undo_takes_back_those_that_nobody_uses(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    finder.find("astronaut", BOX, label="helmet")
    label()
    for number in range(5):
        finder.find("astronaut", (80, 20 * number, 120, 20 * number + 20), label=f"thing {number}")
        last = label(existing="add", settings={"refine.feather": number + 1})
    names = ["helmet", *(f"thing {number}" for number in range(5))]
    assert (schema(photo_dataset)["classes"], schema(photo_dataset)["component"]) == (
        names,
        "dropdown",
    )
    undo(last["name"])
    assert (schema(photo_dataset)["classes"], schema(photo_dataset)["component"]) == (
        names[:-1],
        "radio",
    )


def test_a_class_that_a_corrected_label_has_stays(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    finder.find("astronaut", BOX, label="helmet")
    finder.find("chelsea", BOX, label="cat")
    run = label()
    first = photo_dataset.first()
    first.subject.detections[0].bounding_box = [0.1, 0.1, 0.5, 0.5]
    first.save()
    undo(run["name"])
    assert photo_dataset.count("subject.detections") == 1
    assert schema(photo_dataset)["classes"] == ["helmet"]
    assert photo_dataset.active_label_schemas == ["subject"]


def test_a_person_s_schema_only_gets_new_classes(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    photo_dataset.add_sample_field(
        "subject", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections
    )
    made = {"type": "detections", "component": "dropdown", "classes": ["visor", "helmet"]}
    photo_dataset.update_label_schema("subject", made)
    finder.find("astronaut", BOX, label="cup")
    run = label()
    assert schema(photo_dataset) == made | {"classes": ["visor", "helmet", "cup"]}
    # It was not active, and a person decides that.
    assert photo_dataset.active_label_schemas == []
    undo(run["name"])
    assert schema(photo_dataset) == made


def test_an_edited_schema_outlives_the_run_that_made_it(
    photo_dataset: Any, label: Label, finder: Any, undo: Any
) -> None:
    finder.find("astronaut", BOX, label="helmet")
    run = label()
    edited = schema(photo_dataset) | {"component": "dropdown", "classes": ["helmet", "visor"]}
    photo_dataset.update_label_schema("subject", edited)
    undo(run["name"])
    assert photo_dataset.count("subject.detections") == 0
    assert schema(photo_dataset) == edited | {"classes": ["visor"]}


def test_a_schema_that_a_person_has_deleted_does_not_come_back(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", BOX, label="helmet")
    label()
    photo_dataset.delete_label_schemas("subject")
    finder.find("chelsea", BOX, label="cat")
    label(existing="replace", settings={"refine.grow": 1})
    assert schema(photo_dataset) is None
