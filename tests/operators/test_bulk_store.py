"""A document of MongoDB holds 16 MB: what does not fit stops nothing and loses nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.errors import OperationFailure

from premask.images import Image
from tests.operators.mask_samples import annotation_of

LIMIT = 16 * 2**20


@pytest.fixture
def store(fo: Any) -> Any:
    return importlib.import_module("operators.dataset.bulk_store").store


@pytest.fixture
def full(photo_dataset: Any, monkeypatch: pytest.MonkeyPatch, u2netp_weights: Path) -> Any:
    """Photos in which masks of noise are found, and a second one with nearly 16 MB of notes."""
    _, second, _ = photo_dataset
    second["notes"] = "x" * (LIMIT - 10_000)
    second.save()
    random = np.random.default_rng(0)

    def noise(images: list[Image], *_: Any) -> list[tuple[Any, ...]]:
        # Zlib packs eight pixels of noise into a byte and a bit.
        return [
            tuple(annotation_of(random.random(image.size_hw) < 0.5) for _ in range(8))
            for image in images
        ]

    monkeypatch.setattr("premask.runs.pipeline.run_stages", noise)
    return photo_dataset


def test_a_sample_that_grows_too_large_is_named_and_keeps_what_it_has(
    full: Any, label: Callable[..., Any]
) -> None:
    _, path, _ = full.values("filepath")
    run = label()
    assert (run["labeled"], run["failed"], run["state"]) == (2, 1, "finished")
    assert "larger than the 16 MB that MongoDB" in run["failures"][path]
    assert "masks_on_disk" in run["failures"][path]
    assert [len(labels or ()) for labels in full.values("subject.detections")] == [8, 0, 8]
    assert len(full.values("notes")[1]) == LIMIT - 10_000


def test_masks_on_disk_are_the_way_out(full: Any, label: Callable[..., Any]) -> None:
    label()
    run = label(masks_on_disk=True)
    assert (run["labeled"], run["failed"], run["left_alone"]) == (1, 0, 2)
    labels = full.values("subject.detections")[1]
    assert len(labels) == 8
    assert all(detection.mask is None and detection.get_mask().any() for detection in labels)


def test_what_was_there_before_stays(fo: Any, full: Any, label: Callable[..., Any]) -> None:
    _, second, _ = full
    second["subject"] = fo.Detections(detections=[fo.Detection(label="cat", reviewer="Ann")])
    second.save()
    before = second.subject.to_dict()
    assert label(existing="add")["failed"] == 1
    full.reload()
    assert full.values("subject")[1].to_dict() == before


@pytest.mark.parametrize("size", [LIMIT + 2**16, 3 * LIMIT])
def test_one_update_that_is_too_large_does_not_stop_the_others(
    fo: Any, photo_dataset: Any, store: Any, size: int
) -> None:
    photo_dataset.add_sample_field(
        "note", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections
    )
    ids = photo_dataset.values("id")
    small, large = ({"_cls": "Detections", "detections": [], "note": "x" * n} for n in (1, size))
    failed = store(photo_dataset, "note", dict(zip(ids, (small, large, small), strict=True)))
    assert list(failed) == [ids[1]]
    assert photo_dataset.values("note.note") == ["x", None, "x"]


@pytest.mark.parametrize("error", [ValueError("broken"), OperationFailure("not allowed", 13)])
def test_other_errors_of_the_database_are_errors(
    photo_dataset: Any, store: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(type(photo_dataset), "set_values", fail)
    with pytest.raises(type(error), match=str(error.args[0])):
        store(photo_dataset, "subject", {sample_id: {} for sample_id in photo_dataset.values("id")})
