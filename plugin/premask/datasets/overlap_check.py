"""Objects of one class that lie on each other: the same thing, labeled twice."""

from __future__ import annotations

import itertools
import tempfile
import weakref

import numpy as np

from premask.datasets.problems import Health
from premask.evaluation.overlaps import mask_ious
from premask.labels.track_spool import TrackSpool
from premask.masks import Mask

TOO_MUCH = 0.9
"""Two objects of one class with a higher IoU are hardly two."""


class OverlapCheck:
    """Takes the masks of all images, in any order; they wait on the disk."""

    def __init__(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the check
        weakref.finalize(self, file.close)
        self._spool: TrackSpool[tuple[str, str]] = TrackSpool(file)
        self._places = itertools.count()

    def add(self, image: str, label: str, number: object, mask: Mask) -> None:
        record = {"number": number, "mask": mask.rle}
        self._spool.add((image, label), next(self._places), record)

    def report(self, health: Health) -> None:
        for (image, label), rows in self._spool.tracks():
            records = [record for _, record in rows]
            masks = [Mask.from_rle(record["mask"]) for record in records]
            ious = np.triu(mask_ious(masks, masks), 1)
            for one, other in np.argwhere(ious > TOO_MUCH).tolist():
                numbers = f"{records[one]['number']} and {records[other]['number']}"
                where = f"annotations {numbers} of {image}"
                what = f"both are '{label}', and their IoU is {ious[one, other]:.2f}"
                health.add("overlap", where, what)
