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
    labels_of,
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


@dataclass(slots=True)
class Trip:
    """What came back, by the id of the label that was sent: nothing where the id was lost."""

    seconds: float
    before: dict[str, Mask | None]
    after: dict[str, Mask | None]
    all_after: list[Mask | None]
    attributes: int

    @property
    def exact(self) -> float:
        """The share of masks that came back to the bit, under whatever id."""
        left = list(self.all_after)
        for mask in self.before.values():
            if mask in left:
                left.remove(mask)
        return (len(self.all_after) - len(left)) / len(self.before)

    @property
    def known(self) -> float:
        """The share of labels that are the same labels."""
        return len(self.before.keys() & self.after.keys()) / len(self.before)

    @property
    def described(self) -> float:
        """The share of labels that still have their tag and their attribute."""
        return self.attributes / len(self.before)


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
    note = f"{IMAGES} images x {OBJECTS} masks with holes; both upload them, nobody edits"
    yield Row(
        what="round trip / FiftyOne's own integration",
        ratio=theirs.seconds / ours.seconds,
        note=f"{note}; {ours.seconds:.0f} s and {theirs.seconds:.0f} s, ours in four processes",
    )
    for what, share in (
        ("masks that come back to the bit", "exact"),
        ("labels that keep their id", "known"),
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
    after = _masks(dataset)
    labels = (label for sample in dataset for label in sample[FIELD].detections)
    described = sum(
        label.tags == ["checked"] and label.has_field("color") and label["color"] == "red"
        for label in labels
    )
    return Trip(seconds, before, after, list(after.values()), described)


def _by_premask(dataset: Any, server: LabelStudio) -> float:
    project = server.new_project("<View></View>")
    start = time.perf_counter()
    place = ["--dataset", dataset.name, "--field", FIELD]
    assert main(["send", *place, "--project", str(project)]) == 0
    spent = time.perf_counter() - start
    _accept_all(server, project)
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
    _accept_all(server, dataset.load_annotation_results("trip").project_id)
    start = time.perf_counter()
    dataset.load_annotations("trip", url=server.url, api_key=TOKEN)
    return spent + time.perf_counter() - start


def _accept_all(server: LabelStudio, project: int) -> None:
    """Submit each proposal as it is."""
    for task in server.tasks(project):
        for prediction in server.task(task["id"])["predictions"]:
            server.annotate(task["id"], prediction["result"], parent_prediction=prediction["id"])


def _dataset(fo: Any, folder: Path) -> Any:
    dataset = unlabeled(fo, folder)
    dataset.delete_samples(dataset[IMAGES:])
    dataset.persistent = True
    for sample, found in zip(dataset, found_in_images(), strict=False):
        drilled = [_with_hole(one) for one in found[:OBJECTS]]
        sample[FIELD] = labels_of(fo, drilled, color="red", tags=["checked"])
        sample.save()
    return dataset


def _with_hole(annotation: Annotation) -> Annotation:
    assert annotation.mask is not None
    pixels = np.array(annotation.mask.to_array())
    x0, y0, x1, y1 = annotation.mask.box_xyxy
    pixels[y0 + (y1 - y0) // 3 : y1 - (y1 - y0) // 3, x0 + (x1 - x0) // 3 : x1 - (x1 - x0) // 3] = 0
    mask = Mask.from_array(pixels)
    return replace(annotation, mask=mask, box_xyxy=mask.box_xyxy)


def _masks(dataset: Any) -> dict[str, Mask | None]:
    """The pixels of each label in its image."""
    return {
        label.id: annotation_from_detection(
            {"bounding_box": label.bounding_box, "mask": label.mask}, SIZE_HW
        ).mask
        for sample in dataset
        for label in sample[FIELD].detections
    }
