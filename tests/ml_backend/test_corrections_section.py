"""What people made of proposals, counted by day, recipe and label: as a plot, a table and files."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import date, timedelta

import pytest

from ml_backend.server.corrections import (
    BY_HAND,
    Corrections,
    Place,
    corrections_csv,
    corrections_json,
)
from ml_backend.server.corrections_section import MOST_BARS, ROWS, Span, corrections_section
from ml_backend.server.verdicts import OTHERS, Judged


def cats(verdict: str, count: int = 1, label: str = "Cat") -> Judged:
    return Judged("dino", label, verdict, count)


def test_the_newest_verdict_on_an_annotation_counts() -> None:
    corrections = Corrections()
    corrections.keep("1", "2026-11-01", [cats("accepted", 2)])
    corrections.keep("2", "2026-11-02", [cats("added")])
    corrections.keep("1", "2026-11-02", [cats("corrected")])
    place = Place("2026-11-02", "dino", "Cat")
    assert corrections.counts() == {place: {"corrected": 1, "added": 1}}
    corrections.forget("1")
    assert corrections.counts() == {place: {"added": 1}}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.server.corrections.ANNOTATIONS", 2)
    monkeypatch.setattr("ml_backend.server.corrections.LABELS", 1)
    corrections = Corrections()
    for number in range(4):
        corrections.keep(str(number), "2026-11-01", [cats("added"), cats("added", label="Dog")])
    assert corrections.counts() == {
        Place("2026-11-01", OTHERS, OTHERS): {"added": 2},
        Place("2026-11-01", "dino", "Cat"): {"added": 2},
    }


def test_the_files_say_the_same_and_run_nothing_in_a_spreadsheet() -> None:
    corrections = Corrections()
    corrections.keep("1", "2026-11-01", [cats("accepted", label='=cmd|"/c calc"')])
    corrections.keep("2", "2026-11-02", [Judged("", "Cat", "deleted", 2)])
    header, *rows = csv.reader(io.StringIO(corrections_csv(corrections.counts())))
    assert rows == [
        ["2026-11-01", "dino", '\'=cmd|"/c calc"', "1", "0", "0", "0"],
        ["2026-11-02", BY_HAND, "Cat", "0", "0", "2", "0"],
    ]
    first, second = corrections_json(corrections.counts())
    assert list(first) == header
    assert [str(value) for value in second.values()] == rows[1]
    assert first["label"] == '=cmd|"/c calc"'


def plots(section: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall("<svg.*?</svg>", section)]


def test_bars_are_as_high_as_their_counts() -> None:
    counts = {
        Place("2026-11-01", "dino", "Cat"): Counter(accepted=6, corrected=2),
        Place("2026-11-03", "dino", "Cat"): Counter(accepted=1, deleted=3),
        Place("2026-11-03", "click", "Dog"): Counter(added=4),
    }
    section = corrections_section(counts)
    large, cat, dog = plots(section)
    heights = {
        title: {rect.get("class"): float(rect.get("height", 0)) for rect in group.iter("rect")}
        for group in large.iter("g")
        if (title := group.findtext("title"))
    }
    assert list(heights) == [
        "1 Nov 2026: 6 accepted, 2 corrected",
        "3 Nov 2026: 1 accepted, 3 deleted, 4 added",
    ]
    first, last = heights.values()
    assert first == {"accepted": 112.5, "corrected": 37.5}
    # Of what was added, the outline is half a pixel inside on each side.
    assert last == pytest.approx({"accepted": 18.8, "deleted": 56.2, "added": 74}, abs=0.06)
    assert large.get("aria-label") == "7 accepted, 2 corrected, 3 deleted, 4 added"
    left = [float(rect.get("x", 0)) for rect in cat.iter("rect")]
    assert left[0] == left[1] < left[2] == left[3]
    assert len(list(dog.iter("rect"))) == 1
    text = re.sub("<svg.*?</svg>|<[^>]*>", " ", section)
    assert re.search(r"Cat\s+7\s+2\s+3\s+0", text)


@pytest.mark.parametrize(
    ("days", "unit"), [(1, "day"), (MOST_BARS, "day"), (MOST_BARS + 1, "week"), (5000, "year")]
)
def test_a_bar_stands_for_as_many_days_as_needed(days: int, unit: str) -> None:
    first = date(2026, 1, 1)
    last = first + timedelta(days - 1)
    span = Span.of([Place(day.isoformat(), "", "") for day in (last, first)])
    assert (span.unit, span.bar_of(first.isoformat())) == (unit, 0)
    assert span.bar_of(last.isoformat()) == span.bars - 1 < MOST_BARS


def test_what_is_not_drawn_is_said() -> None:
    counts = {
        Place("2026-11-01", "dino", f"label {number}"): Counter(accepted=1 + number)
        for number in range(ROWS + 3)
    }
    section = corrections_section(counts)
    assert section.count("<tr>") == ROWS + 1
    assert "3 classes with fewer regions are not shown" in section
    assert "label 42" in section
    assert "label 2<" not in section


def test_nothing_yet_is_said() -> None:
    assert "None." in corrections_section({})
