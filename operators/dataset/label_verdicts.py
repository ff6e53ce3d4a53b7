"""What a person says of single labels, written into the database one label at a time.

A label's tag is the verdict; who gave it and when stands beside it. Each write says which label as
it was seen it is meant for, so that of two people who judge the same one the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import fiftyone as fo
from bson import ObjectId
from fiftyone.core.odm import get_db_conn
from pymongo import UpdateOne

from .provenance import ACCEPTED, REJECTED
from .queue_queries import (
    DOUBT,
    HELD,
    HOLDER,
    QUEUE,
    REVIEWED,
    REVIEWER,
    VERDICTS,
    LabelAt,
    QueueState,
    counting,
    label_at,
    labels_of,
    order,
    with_verdict,
)
from .schema import add_field, delete_field

HOLD = timedelta(minutes=1)
"""How long others are not shown a label that somebody has in front of them."""

_ATTRIBUTES = {
    QUEUE: fo.StringField,
    DOUBT: fo.FloatField,
    REVIEWER: fo.StringField,
    REVIEWED: fo.DateTimeField,
}
_PENDING = {"$nin": list(VERDICTS)}


class QueuedLabels:
    """The labels of one queue, which may lie in several lists of labels of a dataset."""

    def __init__(self, dataset: Any, queue: str, paths: Sequence[str]) -> None:
        self.queue, self.paths = queue, tuple(paths)
        self._dataset = dataset
        self._samples = get_db_conn()[dataset._sample_collection_name]

    def fill(self, doubts: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> None:
        """Make these the queue's labels: by path and sample, the doubt of each label by its id."""
        for path in self.paths:
            for name, ftype in _ATTRIBUTES.items():
                add_field(self._dataset, f"{path}.{name}", ftype)
            writes = [
                _marking(path, sample_id, labels, self.queue)
                for sample_id, labels in doubts.get(path, {}).items()
                if labels
            ]
            if writes:
                self._samples.bulk_write(writes, ordered=False)

    def empty(self) -> None:
        """Take all labels out of the queue; verdicts stay."""
        for path in self.paths:
            names = (QUEUE, DOUBT, HOLDER, HELD)
            marks = {f"{path}.$[label].{name}": "" for name in names}
            self._samples.update_many(
                {f"{path}.{QUEUE}": self.queue},
                {"$unset": marks, "$set": _now()},
                array_filters=[{f"label.{QUEUE}": self.queue}],
            )

    def forget(self, paths: Sequence[str]) -> None:
        """Take what only queues need out of the schema of these lists."""
        for path in paths:
            for name in (QUEUE, DOUBT):
                if self._dataset.has_field(f"{path}.{name}"):
                    delete_field(self._dataset, f"{path}.{name}")

    def state(
        self, *, reviewer: str | None = None, skipped: Sequence[str] = (), most: int = 1
    ) -> QueueState:
        """Count the verdicts, and find the most doubtful labels that have none.

        The last verdict is the reviewer's, and what others have in front of them does not come; of
        anybody's, if no reviewer is given.
        """
        counts = {"total": 0, ACCEPTED: 0, REJECTED: 0}
        upcoming: list[LabelAt] = []
        judged: list[LabelAt] = []
        for path in self.paths:
            found = next(
                self._samples.aggregate(counting(path, self.queue, reviewer, skipped, most))
            )
            for row in found["counts"]:
                counts["total"] += row["count"]
                if row["_id"] is not None:
                    counts[row["_id"]] += row["count"]
            upcoming += [label_at(path, row) for row in found["upcoming"]]
            judged += [label_at(path, row) for row in found["last"]]
        upcoming.sort(key=order)
        judged.sort(key=lambda label: label.reviewed or datetime.min, reverse=True)
        last = judged[0] if judged else None
        return QueueState(**counts, upcoming=tuple(upcoming[:most]), last=last)

    def find(self, label_id: str) -> LabelAt | None:
        """A label of the queue as it is now, or None if somebody has deleted it."""
        for path in self.paths:
            for row in self._samples.aggregate(labels_of(path, self.queue, ObjectId(label_id))):
                return label_at(path, row)
        return None

    def hold(self, label: LabelAt, reviewer: str) -> bool:
        """Keep others from being shown the label; False if somebody else was first."""
        only = {"_id": ObjectId(label.label_id), "tags": _PENDING, HELD: label.held}
        held = {HOLDER: reviewer, HELD: datetime.now(timezone.utc) + HOLD}
        return self._change(label, only, {"$set": held})

    def judge(self, label: LabelAt, verdict: str, reviewer: str) -> bool:
        """Give a label without a verdict one; False if it has one by now, or is gone."""
        only = {"_id": ObjectId(label.label_id), "tags": _PENDING}
        signed: dict[str, Any] = {REVIEWER: reviewer, REVIEWED: datetime.now(timezone.utc)}
        let_go = {HOLDER: "", HELD: ""}
        pushed = {"tags": verdict}
        return self._change(label, only, {"$push": pushed, "$set": signed, "$unset": let_go})

    def take_back(self, label: LabelAt) -> bool:
        """Take a verdict away, unless it is another one by now."""
        only = {"_id": ObjectId(label.label_id), "tags": label.verdict, REVIEWED: label.reviewed}
        signed = {REVIEWER: "", REVIEWED: ""}
        return self._change(label, only, {"$pull": {"tags": label.verdict}, "$unset": signed})

    def remove_rejected(self) -> int:
        """Delete the labels that were rejected in this queue; return how many."""
        removed = 0
        for path in self.paths:
            rejected = {QUEUE: self.queue, "tags": REJECTED}
            removed += sum(
                row["count"]
                for row in self._samples.aggregate(
                    [*labels_of(path, self.queue), with_verdict(REJECTED), {"$count": "count"}]
                )
            )
            self._samples.update_many(
                {path: {"$elemMatch": rejected}}, {"$pull": {path: rejected}, "$set": _now()}
            )
        return removed

    def _change(
        self, label: LabelAt, only: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]
    ) -> bool:
        """Change the label if it still is as it is said here."""
        update = {
            operator: {f"{label.path}.$[label].{name}": value for name, value in values.items()}
            for operator, values in changes.items()
        }
        update["$set"] = update.get("$set", {}) | _now()
        result = self._samples.update_one(
            {"_id": ObjectId(label.sample_id), label.path: {"$elemMatch": dict(only)}},
            update,
            array_filters=[{f"label.{name}": value for name, value in only.items()}],
        )
        return bool(result.modified_count)


def _marking(path: str, sample_id: str, doubts: Mapping[str, float | None], queue: str) -> Any:
    """Mark labels of one sample, and nothing else of it, whatever others write meanwhile."""
    marks: dict[str, Any] = {}
    for number, doubt in enumerate(doubts.values()):
        marks[f"{path}.$[l{number}].{QUEUE}"] = queue
        marks[f"{path}.$[l{number}].{DOUBT}"] = doubt
    filters: list[Mapping[str, Any]] = []
    filters += [{f"l{n}._id": ObjectId(label_id)} for n, label_id in enumerate(doubts)]
    wanted = {"_id": ObjectId(sample_id)}
    return UpdateOne(wanted, {"$set": marks | _now()}, array_filters=filters)


def _now() -> dict[str, datetime]:
    """What makes FiftyOne's App notice that a sample has changed under an editor."""
    return {"last_modified_at": datetime.now(timezone.utc)}
