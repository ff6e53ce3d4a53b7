"""Which samples a person should look at first, and what they say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo
import fiftyone.core.utils as fou
from fiftyone import ViewField

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.evaluation.comparison import disagreement
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.shaping.doubt import doubt_of_edges, doubt_of_scores

from ..dataset.chosen_images import dataset_of
from ..dataset.provenance import ACCEPTED, REJECTED
from ..dataset.reading import read_labels
from ..dataset.saved_views import require_own_view

SCORE, EDGES, FIELDS = "score", "edges", "fields"

MEASURES = {
    SCORE: "Where a model gave the lowest score",
    EDGES: "Where a mask changes the most when its edge moves a little: thin, ragged, scattered",
    FIELDS: "Where two fields disagree the most",
}

_DESCRIPTION = "The most doubtful samples first (made by premask)"


@dataclass(slots=True, kw_only=True)
class Queue:
    """A saved view, and the sample field by which it is ordered.

    `unmeasured` samples have no label with such a value: no score, no mask.
    """

    view: str
    doubt_field: str
    samples: int = 0
    unmeasured: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def review_queue(
    samples: Any,
    *,
    label_field: str,
    by: str = SCORE,
    other_field: str | None = None,
    name: str = "review",
    on_progress: ProgressWatcher | None = None,
) -> Queue:
    """Save a view of the samples that nobody has reviewed yet, most doubtful first.

    The doubt, 0 to 1, is that of a sample's worst label, and is put into the field `<name>_doubt`.
    """
    if by not in MEASURES or (by == FIELDS) != bool(other_field):
        raise InvalidSetting(
            f"Order by one of {', '.join(MEASURES)}; only '{FIELDS}' takes (and needs) "
            f"another field. Got '{by}' and {other_field!r}."
        )
    dataset, queue = dataset_of(samples), Queue(view=name, doubt_field=_doubt_field(name))
    require_own_view(dataset, name, queue.doubt_field, description=_DESCRIPTION)
    doubts: dict[str, float | None] = {}
    counter = ProgressCounter(total=len(samples), on_progress=on_progress)
    for sample_id, doubt in _doubts(samples, label_field, by, other_field, queue):
        doubts[sample_id] = doubt
        counter.count()
    queue.unmeasured = sum(doubt is None for doubt in doubts.values())
    _write(dataset, queue.doubt_field, doubts)
    reviewed = ViewField("tags").contains([ACCEPTED, REJECTED])
    view = samples.exists(queue.doubt_field).match(~reviewed)
    view = view.sort_by(queue.doubt_field, reverse=True)
    dataset.save_view(name, view, description=_DESCRIPTION, overwrite=True)
    queue.samples = len(view)
    return queue


def review_samples(samples: Any, verdict: str) -> int:
    """Tag samples as accepted or rejected, and no longer as the other; return how many."""
    samples.untag_samples(_opposite(verdict))
    samples.tag_samples(verdict)
    return len(samples)


def review_labels(samples: Any, verdict: str, fields: Sequence[str] | None = None) -> int:
    """Tag all labels that a view shows, or those in some fields; return how many."""
    samples.untag_labels(_opposite(verdict), label_fields=fields)
    samples.tag_labels(verdict, label_fields=fields)
    return int(samples.count_label_tags(label_fields=fields).get(verdict, 0))


def _opposite(verdict: str) -> str:
    return REJECTED if verdict == ACCEPTED else ACCEPTED


def _doubts(
    samples: Any, label_field: str, by: str, other_field: str | None, queue: Queue
) -> Iterator[tuple[str, float | None]]:
    """Measure the doubt of each sample that can be read."""
    others = read_labels(samples, [other_field] if other_field else [])
    for read, other in zip(read_labels(samples, [label_field]), others, strict=True):
        error = read.labeled.error or other.labeled.error
        if error is None:
            yield read.sample_id, _doubt(by, read.labeled.annotations, other.labeled.annotations)
        else:
            queue.failures[read.filepath] = str(error)


def _doubt(
    by: str, annotations: Sequence[Annotation], others: Sequence[Annotation]
) -> float | None:
    if by == FIELDS:
        return disagreement(annotations, others)
    return doubt_of_scores(annotations) if by == SCORE else doubt_of_edges(annotations)


def _doubt_field(name: str) -> str:
    """Name the field of a queue after the part of its name that FiftyOne puts into addresses."""
    try:
        slug = fou.to_slug(name)
    except ValueError as error:
        raise InvalidSetting(
            f"A view can't be named '{name}': FiftyOne needs some of A to Z and 0 to 9 in it."
        ) from error
    field = f"{slug.replace('-', '_')}_doubt"
    return field if field.isidentifier() else f"queue_{field}"


def _write(dataset: Any, name: str, doubts: Mapping[str, float | None]) -> None:
    """Write the doubts, so that only samples of this queue have one."""
    if dataset.has_field(name):
        dataset.clear_sample_field(name)
    else:
        dataset.add_sample_field(name, fo.FloatField)
    if doubts:
        dataset.set_values(name, doubts, key_field="id")
