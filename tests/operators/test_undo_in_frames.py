"""Undo takes a run's labels out of the frames of videos, and leaves a person's there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FIELD = "frames.tracks"


@pytest.fixture
def videos(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Two videos, one of them with a person's label in the second frame."""
    dataset = fo.Dataset()
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture
def run(fo: Any, videos: Any, tmp_path: Path) -> Any:
    """A run that has looked at three frames and found something in two of them."""
    history = importlib.import_module("operators.dataset.history")
    schema = importlib.import_module("operators.dataset.schema")
    stamp_of = importlib.import_module("operators.dataset.provenance").Stamp
    folder = tmp_path / "run"
    run = history.Run(
        name=history.new_name(),
        dataset=videos.name,
        operator="test",
        recipe="follow",
        settings="",
        params={},
        fields={FIELD: "detections"},
        folder=str(folder),
        new_fields=[FIELD, f"{FIELD}.detections.premask_run"],
    )
    stamp = stamp_of(run=run.name, recipe="follow")
    with history.recorded(videos, run):
        schema.add_field(videos, FIELD, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
        schema.add_field(videos, f"{FIELD}.detections.premask_run", fo.StringField)
        instance, holder = fo.Instance(), {"_cls": "Detections", **stamp.on_holder(None, new=True)}
        documents = {}
        for number in (1, 2, 3):
            label = fo.Detection(
                label="cup",
                bounding_box=[0.1, 0.1, 0.5, 0.5],
                mask=np.ones((4, 4), np.bool_),
                index=1,
                instance=instance,
                keyframe=number == 1,
            )
            found = [label.to_dict() | stamp.on_label(label)] if number < 3 else []
            documents[number] = {**holder, "detections": found}
        values = {videos.first().id: documents}
        videos.set_values(FIELD, values, key_field="id", validate=False)
        run.labeled = 3
    return run


@pytest.fixture
def undo(fo: Any, videos: Any) -> Any:
    undo_run = importlib.import_module("operators.work.undo").undo

    def undone(name: str) -> tuple[int, int]:
        result = undo_run(videos, name)
        videos.clear_cache()
        videos.reload()
        return result.removed, result.kept

    return undone


def test_nothing_is_left_of_a_run_in_frames(videos: Any, run: Any, undo: Any) -> None:
    assert videos.count(f"{FIELD}.detections") == 2
    assert videos.label_schemas[FIELD]["classes"] == ["cup"]
    assert undo(run.name) == (2, 0)
    assert not videos.has_field(FIELD)
    assert videos.label_schemas == {}
    assert set(videos.get_frame_field_schema()) == {
        "id",
        "frame_number",
        "created_at",
        "last_modified_at",
    }


def test_a_label_schema_of_the_videos_outlives_a_field_of_that_name_in_frames(
    fo: Any, videos: Any, run: Any, undo: Any
) -> None:
    videos.add_sample_field("tracks", fo.StringField)
    made = {"type": "str", "component": "text"}
    videos.update_label_schema("tracks", made)
    videos.activate_label_schemas("tracks")
    undo(run.name)
    assert (videos.label_schemas, videos.active_label_schemas) == ({"tracks": made}, ["tracks"])


def test_what_a_person_has_moved_in_a_frame_stays_and_so_does_the_field(
    videos: Any, run: Any, undo: Any
) -> None:
    frame = videos.first().frames[2]
    frame.tracks.detections[0].bounding_box = [0.2, 0.1, 0.5, 0.5]
    frame.save()
    assert undo(run.name) == (1, 1)
    (kept,) = videos.first().frames[2].tracks.detections
    assert kept.bounding_box == [0.2, 0.1, 0.5, 0.5]
    assert videos.first().frames[1].tracks is None
    assert videos.has_field(f"{FIELD}.detections.premask_run")


def test_labels_in_frames_are_found_under_another_name(videos: Any, run: Any, undo: Any) -> None:
    # FiftyOne 1.22 renames no field of frames that has a label schema: it fails half way.
    videos.delete_label_schemas(FIELD)
    videos.rename_frame_field("tracks", "followed")
    assert undo(run.name) == (2, 0)
    assert videos.count("frames.followed.detections") == 0
