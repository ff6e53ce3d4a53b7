"""How often people accepted, corrected and deleted what was proposed: by day, recipe and label."""

from __future__ import annotations

import csv
import io
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ml_backend.server.verdicts import OTHERS, VERDICTS, Judged

ANNOTATIONS = 100_000
"""How many are remembered; the oldest are forgotten first."""

LABELS = 1_000
"""Further labels are counted together: anybody who can send an event can make up names."""

BY_HAND = "(by hand)"
"""What stands for a recipe where people began without a proposal, or with an unknown one."""


class Place(NamedTuple):
    """Where a verdict is counted; the day is "2026-11-28"."""

    day: str
    recipe: str
    label: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts on one annotation, as they were counted."""

    day: str
    rows: Sequence[Judged]


class Corrections:
    """Counts the newest verdict on each annotation. Only one thread may write.

    The counts are kept up to date with each verdict, so that reading them takes no time.
    """

    def __init__(self) -> None:
        self._verdicts: OrderedDict[str, Verdicts] = OrderedDict()
        self._counts: dict[Place, Counter[str]] = {}
        self._names: Counter[tuple[str, str]] = Counter()
        self._guard = threading.Lock()

    def keep(self, annotation: str, day: str, rows: Sequence[Judged]) -> None:
        """Remember a verdict; it replaces the previous one on the same annotation."""
        with self._guard:
            self._drop(annotation)
            counted = []
            for row in map(self._known, rows):
                place = Place(day, row.recipe, row.label)
                self._counts.setdefault(place, Counter())[row.verdict] += row.times
                self._names[row.recipe, row.label] += 1
                counted.append(row)
            self._verdicts[annotation] = Verdicts(day, counted)
            while len(self._verdicts) > ANNOTATIONS:
                self._drop(next(iter(self._verdicts)))

    def forget(self, annotation: str) -> None:
        with self._guard:
            self._drop(annotation)

    def counts(self) -> dict[Place, Counter[str]]:
        """Counts of each verdict, in the order of the days."""
        with self._guard:
            return {place: Counter(counts) for place, counts in sorted(self._counts.items())}

    def _known(self, row: Judged) -> Judged:
        named = row._replace(recipe=row.recipe or BY_HAND)
        known = (named.recipe, row.label) in self._names or len(self._names) < LABELS
        return named if known else named._replace(recipe=OTHERS, label=OTHERS)

    def _drop(self, annotation: str) -> None:
        """Take the verdict on an annotation out of the counts."""
        verdicts = self._verdicts.pop(annotation, None)
        if verdicts is None:
            return
        for row in verdicts.rows:
            place = Place(verdicts.day, row.recipe, row.label)
            self._counts[place][row.verdict] -= row.times
            self._counts[place] = +self._counts[place]
            if not self._counts[place]:
                del self._counts[place]
            self._names[row.recipe, row.label] -= 1
            if not self._names[row.recipe, row.label]:
                del self._names[row.recipe, row.label]


def corrections_json(counts: dict[Place, Counter[str]]) -> list[dict[str, Any]]:
    """The counts as a list of objects, one a day, recipe and label."""
    return [
        place._asdict() | {verdict: counted[verdict] for verdict in VERDICTS}
        for place, counted in counts.items()
    ]


def corrections_csv(counts: dict[Place, Counter[str]]) -> str:
    """The same as a table for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((*Place._fields, *VERDICTS))
    for place, counted in counts.items():
        writer.writerow((*map(_as_text, place), *(counted[verdict] for verdict in VERDICTS)))
    return text.getvalue()


def _as_text(cell: str) -> str:
    """Spreadsheets run a cell that begins like this as a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
