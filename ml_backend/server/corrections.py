"""How often people accepted, corrected and deleted what was proposed, by label."""

from __future__ import annotations

import csv
import io
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_backend.studio.protocol import Json
from premask.labels.label_studio import PATH_SEPARATOR

VERDICTS = ("accepted", "corrected", "deleted", "added")

TASKS = 20_000
ANNOTATIONS = 100_000
"""How many are remembered; the oldest are forgotten first."""

REGIONS_OF_A_TASK = 2_000

LONGEST_LABEL = 100
LABELS_OF_AN_ANNOTATION, LABELS = 200, 1_000
OTHERS = "(others)"
"""Labels beyond these numbers are counted together: anybody who can send an event can make up
names."""

Verdict = dict[str, dict[str, int]]
"""Counts by label, then by one of `VERDICTS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One region that was proposed.

    One for a click that is not in the annotation does not count as deleted: the person may have
    clicked again.
    """

    label: str
    clicked: bool


class Corrections:
    """What was proposed for tasks, and what people made of it. Only one thread may write.

    The summary is kept up to date with each verdict, so that reading it takes no time.
    """

    def __init__(self) -> None:
        self._proposed: OrderedDict[str, dict[str, Proposal]] = OrderedDict()
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._summary: dict[str, Counter[str]] = {}
        self._guard = threading.Lock()

    def propose(self, task: str, labels: Mapping[str, str], *, clicked: bool) -> None:
        """Remember regions by id; a new prediction for the whole task replaces the previous one."""
        known = self._proposed.pop(task, {})
        kept = {name: proposal for name, proposal in known.items() if clicked or proposal.clicked}
        kept |= {name: Proposal(label=label, clicked=clicked) for name, label in labels.items()}
        newest = list(kept.items())[-REGIONS_OF_A_TASK:]
        self._proposed[task] = dict(newest)
        _bound(self._proposed, TASKS)

    def judge(self, task: str, annotation: Json) -> Verdict:
        """What an annotation of this task says about its proposals."""
        return verdict(annotation, self._proposed.get(task, {}))

    def keep(self, annotation: str, verdict: Verdict) -> None:
        """Remember a verdict; it replaces the previous one on the same annotation."""
        with self._guard:
            self._drop(annotation)
            self._verdicts[annotation] = self._counted(verdict)
            while len(self._verdicts) > ANNOTATIONS:
                self._drop(next(iter(self._verdicts)))

    def forget(self, annotation: str) -> None:
        with self._guard:
            self._drop(annotation)

    def summary(self) -> dict[str, Counter[str]]:
        """Counts of each verdict by label."""
        with self._guard:
            # The plus leaves out what was counted once, and is no more.
            return {label: +counts for label, counts in sorted(self._summary.items())}

    def _counted(self, verdict: Verdict) -> Verdict:
        """Add a verdict to the summary; returns it with the labels that it was counted under."""
        kept: Verdict = {}
        for label, counts in verdict.items():
            known = label in self._summary or len(self._summary) < LABELS
            name = label if known else OTHERS
            total = self._summary.setdefault(name, Counter())
            own = kept.setdefault(name, {})
            for judged in VERDICTS:
                if count := int(counts.get(judged, 0)):
                    total[judged] += count
                    own[judged] = own.get(judged, 0) + count
        return kept

    def _drop(self, annotation: str) -> None:
        """Take the verdict on an annotation out of the summary."""
        for label, counts in self._verdicts.pop(annotation, {}).items():
            total = self._summary[label]
            total.subtract(counts)
            if not any(total.values()):
                del self._summary[label]

    def csv(self) -> str:
        """The summary as a table for a spreadsheet."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("label", *VERDICTS))
        for label, counts in self.summary().items():
            # Spreadsheets run a cell that begins like this as a formula.
            shown = f"'{label}" if label.startswith(("=", "+", "-", "@")) else label
            writer.writerow((shown, *(counts[name] for name in VERDICTS)))
        return text.getvalue()


def verdict(annotation: Json, proposed: Mapping[str, Proposal]) -> Verdict:
    """Counts by label and verdict.

    Label Studio keeps the ids of regions, and says where they come from: "prediction",
    "prediction-changed" or "manual". An accepted suggestion of a click says "manual".
    """
    counts: dict[str, Counter[str]] = {}
    left = dict(proposed)
    result = annotation.get("result")
    for region in result if isinstance(result, list) else ():
        if isinstance(region, dict) and label_of(region):
            before = left.pop(str(region.get("id")), None)
            label = before.label if before else label_of(region)
            _of_label(counts, label)[_judged(region, before)] += 1
    if annotation.get("parent_prediction"):
        for gone in (proposal for proposal in left.values() if not proposal.clicked):
            _of_label(counts, gone.label)["deleted"] += 1
    return {label: dict(count) for label, count in counts.items()}


def label_of(region: Mapping[str, Any]) -> str:
    """The first label of a region, its first choice, or its first path; empty without any."""
    value = region.get("value")
    labels = value.get(str(region.get("type"))) if isinstance(value, dict) else None
    if not isinstance(labels, list) or not labels:
        return ""
    first = labels[0]
    text = PATH_SEPARATOR.join(map(str, first)) if isinstance(first, list) else str(first)
    return text[:LONGEST_LABEL]


def labels_by_id(regions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The labels of a prediction's regions, by the ids of the regions."""
    return {str(region["id"]): label_of(region) for region in regions}


def _of_label(counts: dict[str, Counter[str]], label: str) -> Counter[str]:
    known = label in counts or len(counts) < LABELS_OF_AN_ANNOTATION
    return counts.setdefault(label if known else OTHERS, Counter())


def _judged(region: Mapping[str, Any], before: Proposal | None) -> str:
    origin = region.get("origin")
    if origin == "prediction-changed" or (before and label_of(region) != before.label):
        return "corrected"
    return "accepted" if before or origin == "prediction" else "added"


def _bound(remembered: OrderedDict[str, Any], most: int) -> None:
    while len(remembered) > most:
        remembered.popitem(last=False)
