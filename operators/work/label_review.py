"""A person goes through a queue of labels: the next one, a verdict, the last verdict back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from premask.errors import InvalidSetting
from premask.images import read_image
from premask.report.close_up import with_surroundings

from ..dataset.chosen_images import all_images
from ..dataset.holders import holders_of
from ..dataset.label_verdicts import VERDICTS, LabelAt, QueuedLabels, QueueState
from ..dataset.plurals import counted
from ..dataset.provenance import RECIPE, attribute, content_hash
from ..dataset.reading import read_labels
from .label_queue import labels_in, load_queue

_SIDE = 440
"""Height of the picture of a label, in pixels."""


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


def picture_of(dataset: Any, label: LabelAt) -> bytes:
    """A JPEG of the label from near, and of where it is in its image."""
    (read,) = read_labels(all_images(dataset).select(label.sample_id), [label.field])
    if read.labeled.error is not None:
        raise read.labeled.error
    found = dict(zip(read.label_ids, read.labeled.annotations, strict=True))
    image = read_image(read.filepath)
    picture = with_surroundings(image, found[label.label_id], side=_SIDE)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=88)
    return written.getvalue()


def about(dataset: Any, label: LabelAt) -> str:
    """What is known of a label, in Markdown."""
    found = _document(dataset, label)
    if found is None:
        return ""
    score = getattr(found, "confidence", None)
    parts = [f"**{found.label or 'without a class'}**"]
    parts += [f"score {score:.2f}"] if score is not None else []
    parts += [f"doubt {label.doubt:.2f}"] if label.doubt is not None else []
    parts += [f"by {recipe}"] if (recipe := attribute(found, RECIPE)) else []
    return ", ".join([*parts, f"in `{label.field}`"])


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
