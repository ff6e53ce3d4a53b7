"""A person goes through a queue of labels: the next one, a verdict, the last verdict back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidSetting, PremaskError
from premask.images import read_image
from premask.report.close_up import with_surroundings

from ..dataset.chosen_images import all_images
from ..dataset.holders import holders_of
from ..dataset.label_verdicts import QueuedLabels
from ..dataset.plurals import counted
from ..dataset.provenance import content_hash
from ..dataset.queue_queries import VERDICTS, LabelAt, QueueState
from ..dataset.reading import read_labels
from .label_queue import labels_in, load_queue

_AT_ONCE = 10
"""Labels that are tried, where others take the first ones at the same moment."""

_SIDE = 440
"""Height of the picture of a label, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCard:
    """What a person sees of a label: from near, and where it is in its image; or why they can't."""

    title: str
    jpeg: bytes = b""
    error: str = ""


class LabelReview:
    """One person's way through a queue, which others may go through at the same time."""

    def __init__(self, dataset: Any, queue: str | None = None, reviewer: str = "") -> None:
        self.queue, self.reviewer = load_queue(dataset, queue), reviewer
        self.labels: QueuedLabels = labels_in(dataset, self.queue)

    def state(self, skipped: Sequence[str] = (), most: int = 1) -> QueueState:
        """How far the queue is, and which labels come next; those that were skipped last."""
        state = self.labels.state(reviewer=self.reviewer, skipped=skipped, most=most)
        if skipped and not state.upcoming and state.pending:
            return self.labels.state(reviewer=self.reviewer, most=most)
        return state

    def take_next(self, skipped: Sequence[str] = ()) -> tuple[QueueState, LabelAt | None]:
        """The most doubtful label that nobody else has in front of them, kept for this person."""
        state = self.state(skipped, most=_AT_ONCE)
        taken = (one for one in state.upcoming if self.labels.hold(one, self.reviewer))
        return state, next(taken, None)

    def judge(self, label_id: str, verdict: str) -> str:
        """Give a label its verdict; say what came of it."""
        if verdict not in VERDICTS:
            raise InvalidSetting(f"A verdict is one of {', '.join(VERDICTS)}; got '{verdict}'.")
        label = self.labels.find(label_id)
        if label is not None and self.labels.judge(label, verdict, self.reviewer):
            return f"{verdict.capitalize()}."
        return _why_not(self.labels.find(label_id))

    def undo(self) -> LabelAt | None:
        """Take this person's last verdict back; return the label, or None if there is none."""
        while (last := self.labels.state(reviewer=self.reviewer, most=0).last) is not None:
            if self.labels.take_back(last):
                return last
        return None


def card_of(dataset: Any, label: LabelAt) -> LabelCard:
    """Draw a label for a person to judge; one that can't be read or drawn says why."""
    (read,) = read_labels(all_images(dataset).select(label.sample_id), [label.field])
    found = dict(zip(read.label_ids, read.labeled.annotations, strict=True))
    title = f"doubt {label.doubt:.2f}" if label.doubt is not None else "doubt unknown"
    try:
        if read.labeled.error is not None:
            raise read.labeled.error
        annotation = found[label.label_id]
        title = f"{_described(annotation)}, {title}"
        picture = with_surroundings(read_image(read.filepath), annotation, side=_SIDE)
    except PremaskError as error:
        return LabelCard(title=f"{title}, in `{label.field}`", error=str(error))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=88)
    return LabelCard(title=f"{title}, in `{label.field}`", jpeg=written.getvalue())


def _described(annotation: Annotation) -> str:
    parts = [f"**{annotation.label or 'without a class'}**"]
    parts += [f"score {annotation.score:.2f}"] if annotation.score is not None else []
    parts += [f"by {', '.join(annotation.source)}"] if annotation.source else []
    return ", ".join(parts)


def fingerprint(dataset: Any, label: LabelAt) -> str:
    """A hash of the label's content: another one once somebody has corrected it."""
    found = _document(dataset, label)
    return "" if found is None else content_hash(found)


def _document(dataset: Any, label: LabelAt) -> Any:
    """The label as FiftyOne has it, or None if it is gone."""
    holders = holders_of(all_images(dataset).select(label.sample_id), label.field)
    member = label.path.removeprefix(f"{label.field}.")
    labels = [one for holder in holders.values() for one in (holder[member] if holder else ())]
    return next((one for one in labels if one.id == label.label_id), None)


def progress(state: QueueState) -> str:
    """Say how far the queue is: '12 of 340, 9 accepted, 3 rejected'."""
    done = state.accepted + state.rejected
    parts = [f"{done:,} of {counted(state.total, 'label')}"]
    parts += [f"{state.accepted:,} accepted"] if state.accepted else []
    parts += [f"{state.rejected:,} rejected"] if state.rejected else []
    return ", ".join(parts)


def _why_not(label: LabelAt | None) -> str:
    if label is None:
        return "This label is gone: somebody has deleted it, or has closed the queue."
    by = f" by {label.reviewer}" if label.reviewer else ""
    return f"This label was {label.verdict}{by} already; that stays."
