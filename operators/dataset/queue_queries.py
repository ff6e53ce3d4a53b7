"""Queries for the labels of a queue: how many have which verdict, and which come next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from .provenance import ACCEPTED, REJECTED

VERDICTS = (ACCEPTED, REJECTED)

QUEUE = "premask_queue"
DOUBT = "premask_doubt"
REVIEWER = "premask_reviewer"
REVIEWED = "premask_reviewed_at"

HOLDER = "premask_held_by"
HELD = "premask_held_until"

_JUDGED = {"$in": list(VERDICTS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAt:
    """A label, and where it is: `path` is that of the list, such as `masks.detections`."""

    path: str
    sample_id: str
    label_id: str
    doubt: float | None = None
    verdict: str | None = None
    reviewer: str = ""
    reviewed: datetime | None = None
    held: datetime | None = None

    @property
    def field(self) -> str:
        return self.path.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How many labels of a queue have which verdict, and which come next or were judged last."""

    total: int = 0
    accepted: int = 0
    rejected: int = 0
    upcoming: Sequence[LabelAt] = ()
    last: LabelAt | None = None

    @property
    def pending(self) -> int:
        return self.total - self.accepted - self.rejected


def labels_of(path: str, queue: str, label_id: ObjectId | None = None) -> list[dict[str, Any]]:
    """A pipeline to the labels of a queue, or to one of them, without what they look like."""
    member: dict[str, Any] = {QUEUE: queue}
    conditions: list[Any] = [{"$eq": [f"$$label.{QUEUE}", queue]}]
    if label_id is not None:
        member["_id"] = label_id
        conditions.append({"$eq": ["$$label._id", label_id]})
    chosen = {"$filter": {"input": f"${path}", "as": "label", "cond": {"$and": conditions}}}
    row = {
        "label_id": "$$label._id",
        "doubt": f"$$label.{DOUBT}",
        "reviewer": f"$$label.{REVIEWER}",
        "reviewed": f"$$label.{REVIEWED}",
        "holder": f"$$label.{HOLDER}",
        "held": f"$$label.{HELD}",
        "verdict": {"$first": {"$setIntersection": ["$$label.tags", list(VERDICTS)]}},
    }
    rows = {"$map": {"input": chosen, "as": "label", "in": row}}
    return [
        {"$match": {path: {"$elemMatch": member}}},
        {"$project": {"row": rows}},
        {"$unwind": "$row"},
        {"$replaceWith": {"$mergeObjects": ["$row", {"sample_id": "$_id"}]}},
    ]


def counting(
    path: str, queue: str, reviewer: str | None, skipped: Sequence[str], most: int
) -> list[dict[str, Any]]:
    pending: dict[str, Any] = {"verdict": None}
    if skipped:
        pending["label_id"] = {"$nin": [ObjectId(label_id) for label_id in skipped]}
    judged: dict[str, Any] = {"verdict": _JUDGED, "reviewed": {"$ne": None}}
    if reviewer is not None:
        judged["reviewer"] = reviewer
        free = {"held": {"$not": {"$gt": datetime.now(timezone.utc)}}}
        pending["$or"] = [{"holder": reviewer}, free]
    facets = {
        "counts": [{"$group": {"_id": "$verdict", "count": {"$sum": 1}}}],
        "upcoming": [
            {"$match": pending},
            {"$sort": {"doubt": -1, "sample_id": 1, "label_id": 1}},
            {"$limit": max(1, most)},
        ],
        "last": [{"$match": judged}, {"$sort": {"reviewed": -1}}, {"$limit": 1}],
    }
    return [*labels_of(path, queue), {"$facet": facets}]


def with_verdict(verdict: str) -> dict[str, Any]:
    return {"$match": {"verdict": verdict}}


def label_at(path: str, row: Mapping[str, Any]) -> LabelAt:
    return LabelAt(
        path=path,
        sample_id=str(row["sample_id"]),
        label_id=str(row["label_id"]),
        doubt=row.get("doubt"),
        verdict=row.get("verdict"),
        reviewer=row.get("reviewer") or "",
        reviewed=row.get("reviewed"),
        held=row.get("held"),
    )


def order(label: LabelAt) -> tuple[float, str, str]:
    """The most doubtful one first; what could not be measured last."""
    doubt = -1.0 if label.doubt is None else label.doubt
    return -doubt, label.sample_id, label.label_id
