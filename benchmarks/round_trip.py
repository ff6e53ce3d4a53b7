"""Labels from FiftyOne to a real Label Studio and back, beside FiftyOne's own integration of it.

It needs a server (`python tests/install_label_studio.py`), so it is not part of `make bench`:
`python -m benchmarks round_trip`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.fiftyone_samples import (
    SIZE_HW,
    found_in_images,
    start_fiftyone,
    unlabeled,
)
from benchmarks.table import Row
from premask.annotations import Annotation
from premask.cli import main
from premask.labels.fiftyone import annotation_from_detection
from premask.masks import Mask
from tests.e2e.label_studio_server import TOKEN, LabelStudio, running_label_studio

IMAGES, OBJECTS, FIELD = 20, 10, "masks"

_OTHER = {"cat": "dog", "dog": "cat"}


Labels = dict[str, tuple[str, Mask | None]]
"""The class and the pixels of each label by its id."""


@dataclass(slots=True)
class Trip:
    """What came back; of each image a person corrects the first label, and deletes the second."""

    seconds: float
    before: list[Labels]
    after: list[Labels]
    described: float

    @property
    def corrected(self) -> float:
        """The share of images whose first label has its new class, under the id that it had."""
        pairs = zip(self.before, self.after, strict=True)
        return sum(
            after.get(first, ("", None))[0] == _OTHER[before[first][0]]
            for before, after in pairs
            for first in list(before)[:1]
        ) / len(self.before)

    @property
    def deleted(self) -> float:
        """The share of images whose second label is gone."""
        pairs = zip(self.before, self.after, strict=True)
        return sum(list(before)[1] not in after for before, after in pairs) / len(self.before)

    @property
    def exact(self) -> float:
        """The share of all other labels that are the same labels, to the bit."""
        same = [
            after.get(name) == before[name]
            for before, after in zip(self.before, self.after, strict=True)
            for name in list(before)[2:]
        ]
        return sum(same) / len(same)


def rows() -> Iterator[Row]:
    fo, folder = start_fiftyone()
    with (
        tempfile.TemporaryDirectory() as name,
        running_label_studio(Path(name)) as server,
        mock.patch.dict(
            os.environ, {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": TOKEN}
        ),
    ):
        ours = _trip(fo, folder, server, _by_premask)
        theirs = _trip(fo, folder, server, _by_fiftyone)
    note = (
        f"{IMAGES} images x {OBJECTS} masks with holes, uploaded; of each image a person corrects "
        "one class, and deletes one label"
    )
    yield Row(
        what="round trip / FiftyOne's own integration",
        ratio=theirs.seconds / ours.seconds,
        note=f"{note}; {ours.seconds:.0f} s and {theirs.seconds:.0f} s, ours in four processes",
    )
    for what, share in (
        ("corrected classes that arrive at their label", "corrected"),
        ("deleted labels that are gone", "deleted"),
        ("other labels that are the same to the bit", "exact"),
        ("labels that keep their tags and attributes", "described"),
    ):
        yield Row(
            what=f"round trip: share of {what}",
            ratio=getattr(ours, share),
            goal=1,
            note=f"FiftyOne's own: {getattr(theirs, share):.2f}",
        )


def _trip(fo: Any, folder: Path, server: LabelStudio, way: Any) -> Trip:
    dataset = _dataset(fo, folder)
    before = _masks(dataset)
    seconds = way(dataset, server)
    dataset.reload()
    dataset.clear_cache()
    labels = [label for sample in dataset for label in sample[FIELD].detections]
    described = sum(
        label.tags == ["checked"] and label.has_field("color") and label["color"] == "red"
        for label in labels
    )
    return Trip(seconds, before, _masks(dataset), described / max(1, len(labels)))


def _by_premask(dataset: Any, server: LabelStudio) -> float:
    project = server.new_project("<View></View>")
    start = time.perf_counter()
    place = ["--dataset", dataset.name, "--field", FIELD]
    assert main(["send", *place, "--project", str(project)]) == 0
    spent = time.perf_counter() - start
    _work_on_all(server, project)
    start = time.perf_counter()
    assert main(["receive", "--project", str(project)]) == 0
    return spent + time.perf_counter() - start


def _by_fiftyone(dataset: Any, server: LabelStudio) -> float:
    start = time.perf_counter()
    dataset.annotate(
        "trip",
        backend="labelstudio",
        label_field=FIELD,
        label_type="instances",
        classes=["cat", "dog"],
        url=server.url,
        api_key=TOKEN,
    )
    spent = time.perf_counter() - start
    _work_on_all(server, dataset.load_annotation_results("trip").project_id)
    start = time.perf_counter()
    dataset.load_annotations("trip", url=server.url, api_key=TOKEN)
    return spent + time.perf_counter() - start


def _work_on_all(server: LabelStudio, project: int) -> None:
    """Submit each proposal, corrected."""
    for task in server.tasks(project):
        for prediction in server.task(task["id"])["predictions"]:
            first, _, *others = prediction["result"]
            kind = first["type"]
            first["value"][kind] = [_OTHER[name] for name in first["value"][kind]]
            server.annotate(task["id"], [first, *others], parent_prediction=prediction["id"])


def _dataset(fo: Any, folder: Path) -> Any:
    dataset = unlabeled(fo, folder)
    dataset.delete_samples(dataset[IMAGES:])
    dataset.persistent = True
    for sample, found in zip(dataset, found_in_images(), strict=False):
        labels = []
        for one in map(_with_hole, found[:OBJECTS]):
            assert one.mask is not None
            # By FiftyOne's own function, not by premask: labels come from anywhere.
            label = fo.Detection.from_mask(one.mask.to_array(), one.label, tags=["checked"])
            label["color"] = "red"
            labels.append(label)
        sample[FIELD] = fo.Detections(detections=labels)
        sample.save()
    return dataset


def _with_hole(annotation: Annotation) -> Annotation:
    assert annotation.mask is not None
    pixels = np.array(annotation.mask.to_array())
    x0, y0, x1, y1 = annotation.mask.box_xyxy
    pixels[y0 + (y1 - y0) // 3 : y1 - (y1 - y0) // 3, x0 + (x1 - x0) // 3 : x1 - (x1 - x0) // 3] = 0
    mask = Mask.from_array(pixels)
    return replace(annotation, mask=mask, box_xyxy=mask.box_xyxy)


def _masks(dataset: Any) -> list[Labels]:
    """What each image has."""
    return [
        {
            label.id: (
                label.label,
                annotation_from_detection(
                    {"bounding_box": label.bounding_box, "mask": label.mask}, SIZE_HW
                ).mask,
            )
            for label in sample[FIELD].detections
        }
        for sample in dataset
    ]
