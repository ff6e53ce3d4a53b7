"""A queue of labels for a person to judge: which ones, in which order, and how it is closed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import fiftyone.core.utils as fou
import numpy as np
from fiftyone.core.odm import get_db_conn

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.shaping.doubt import doubt_of_edges, doubt_of_scores
from premask.shaping.overlap import best_overlaps

from ..dataset.chosen_images import dataset_of
from ..dataset.label_verdicts import QueuedLabels
from ..dataset.queue_queries import VERDICTS
from ..dataset.reading import MEMBERS, SampleLabels, label_kind, member_path, read_labels
from .review import EDGES, FIELDS, SCORE

METHOD = "premask_review"

MEASURES = {
    SCORE: "What a model gave the lowest score",
    EDGES: "Masks that change the most when their edge moves a little: thin, ragged, scattered",
    FIELDS: "What only one of two fields has, or both with little overlap",
}

_SAME = 0.5
"""From this IoU on, two labels of a class are the same object, and one of them is enough."""

Doubts = dict[str, dict[str, dict[str, float | None]]]


@dataclass(slots=True, kw_only=True)
class LabelQueue:
    """A queue of `labels`; `paths` says in which lists of labels they are.

    `unmeasured` labels have no such value, no score or no mask, and come last.
    """

    name: str
    paths: list[str]
    by: str
    started: float = field(default_factory=time.time)
    labels: int = 0
    unmeasured: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def queue_labels(
    samples: Any,
    *,
    label_field: str,
    by: str = SCORE,
    other_field: str | None = None,
    name: str = "review",
    on_progress: ProgressWatcher | None = None,
) -> LabelQueue:
    """Queue up the labels of a dataset or view that have no verdict yet, most doubtful first.

    A queue of the same name is replaced; the verdicts that were given in it stay.
    """
    if by not in MEASURES or (by == FIELDS) != bool(other_field):
        raise InvalidSetting(
            f"Order by one of {', '.join(MEASURES)}; only '{FIELDS}' takes (and needs) "
            f"another field. Got '{by}' and {other_field!r}."
        )
    dataset = dataset_of(samples)
    chosen = [label_field, *([other_field] if other_field else [])]
    queue = LabelQueue(name=name, paths=[_list_path(samples, one) for one in chosen], by=by)
    key = _key_of(name)
    doubts: Doubts = {path: {} for path in queue.paths}
    counter = ProgressCounter(total=len(samples), on_progress=on_progress)
    judged = _judged(samples, queue.paths)
    for sides in zip(*(read_labels(samples, [one]) for one in chosen), strict=True):
        failed = [side.labeled.error for side in sides if side.labeled.error is not None]
        if failed:
            queue.failures[sides[0].filepath] = str(failed[0])
        else:
            for path, found in zip(queue.paths, _doubts(sides, by), strict=True):
                pending = {one: doubt for one, doubt in found if one not in judged}
                doubts[path].setdefault(sides[0].sample_id, {}).update(pending)
        counter.count(failed=bool(failed))
    values = [doubt for path in doubts.values() for one in path.values() for doubt in one.values()]
    queue.labels, queue.unmeasured = len(values), values.count(None)
    previous = next((one for one in label_queues(dataset) if _key_of(one.name) == key), None)
    if previous is not None:
        labels_in(dataset, previous).empty()
    _save(dataset, key, queue)
    labels_in(dataset, queue).fill(doubts)
    return queue


def label_queues(dataset: Any) -> list[LabelQueue]:
    """The queues of a dataset, the newest one first."""
    known = {item.name for item in fields(LabelQueue)}
    wanted = {"_dataset_id": dataset._doc.id, "config.method": METHOD}
    records = (run["config"]["record"] for run in get_db_conn()["runs"].find(wanted))
    found = [LabelQueue(**{k: v for k, v in record.items() if k in known}) for record in records]
    return sorted(found, key=lambda queue: -queue.started)


def load_queue(dataset: Any, name: str | None = None) -> LabelQueue:
    """The queue of this name, or the newest one."""
    queues = label_queues(dataset)
    found = [queue for queue in queues if name in (None, "", queue.name)]
    if not found:
        names = ", ".join(queue.name for queue in queues)
        raise InvalidSetting(
            f"The dataset '{dataset.name}' has no queue of labels{f' {name!r}' if name else ''}. "
            + (f"It has: {names}." if names else "Make one with 'Review labels'.")
        )
    return found[0]


def labels_in(dataset: Any, queue: LabelQueue) -> QueuedLabels:
    """The labels of a queue, as they are in the database."""
    return QueuedLabels(dataset, queue.name, queue.paths)


def close_queue(dataset: Any, name: str | None = None) -> int:
    """Delete what was rejected in a queue, and the queue; return how many labels are gone.

    What was accepted stays, and what has no verdict, too.
    """
    queue = load_queue(dataset, name)
    labels = labels_in(dataset, queue)
    removed = labels.remove_rejected()
    labels.empty()
    dataset.reload()
    dataset.delete_run(_key_of(queue.name))
    used = {path for other in label_queues(dataset) for path in other.paths}
    labels.forget([path for path in queue.paths if path not in used])
    return removed


def _list_path(samples: Any, name: str) -> str:
    kind = label_kind(samples, name)
    if kind not in MEMBERS or kind == "Keypoints" or name.startswith("frames."):
        raise InvalidSetting(
            f"The labels in '{name}' can't be judged one by one: it holds {kind}. That works for "
            "Detections and Polylines of images. Judge maps, and frames of videos, by their "
            "samples ('Review queue')."
        )
    return member_path(samples, name)


def _key_of(name: str) -> str:
    """Name the record of a queue, as FiftyOne takes it for a run."""
    try:
        return f"review_{fou.to_slug(name).replace('-', '_')}"
    except ValueError as error:
        raise InvalidSetting(
            f"A queue can't be named '{name}': FiftyOne needs some of A to Z and 0 to 9 in it."
        ) from error


def _save(dataset: Any, key: str, queue: LabelQueue) -> None:
    record = {name: value for name, value in asdict(queue).items() if name != "failures"}
    dataset.reload()
    if dataset.has_run(key):
        dataset.delete_run(key)
    dataset.register_run(key, dataset.init_run(method=METHOD, record=record))


def _judged(samples: Any, paths: Sequence[str]) -> set[str]:
    """The labels that have a verdict already."""
    judged = set()
    for path in paths:
        for ids, tags in zip(*samples.values([f"{path}.id", f"{path}.tags"]), strict=True):
            pairs = zip(ids or (), tags or (), strict=True)
            judged |= {one for one, given in pairs if set(given or ()) & set(VERDICTS)}
    return judged


def _doubts(sides: Sequence[SampleLabels], by: str) -> Iterator[list[tuple[str, float | None]]]:
    """For each field the ids of the labels of a sample that are queued, with their doubt."""
    if by != FIELDS:
        (side,) = sides
        doubt = doubt_of_scores if by == SCORE else doubt_of_edges
        pairs = zip(side.label_ids, side.labeled.annotations, strict=True)
        yield [(label_id, doubt([annotation])) for label_id, annotation in pairs]
        return
    one, other = sides
    agreed = _agreement(one.labeled.annotations, other.labeled.annotations)
    yield [(name, 1 - iou) for name, iou in zip(one.label_ids, agreed, strict=True)]
    agreed = _agreement(other.labeled.annotations, one.labeled.annotations)
    yield [
        (name, 1 - iou) for name, iou in zip(other.label_ids, agreed, strict=True) if iou < _SAME
    ]


def _agreement(annotations: Sequence[Annotation], others: Sequence[Annotation]) -> list[float]:
    """The highest IoU of each annotation with one of its class on the other side."""
    by_class: dict[str, list[Annotation]] = {}
    for other in others:
        by_class.setdefault(other.label, []).append(other)
    best = np.zeros(len(annotations))
    for name, rivals in by_class.items():
        places = [place for place, one in enumerate(annotations) if one.label == name]
        best[places] = best_overlaps([annotations[place] for place in places], rivals)
    return [float(iou) for iou in best]
