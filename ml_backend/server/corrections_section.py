"""The section of /status on what people made of proposals: bars over time, for each class too."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ml_backend.server.corrections import Place
from ml_backend.server.verdicts import ADDED, VERDICTS

TITLE = "What people made of it"

MOST_BARS = 40
STEPS = ((1, "day"), (7, "week"), (30, "month"), (91, "quarter"), (365, "year"))
"""How many days a bar stands for: the fewest that give no more than `MOST_BARS`. A month or a
quarter is only about as long as the calendar's."""

ROWS = 40
"""So many classes are drawn, those with the most regions; the files have all of them."""

WIDE, TALL = 960, 150
ROW_WIDE, ROW_TALL = 240, 30

STYLE = """<style>
.made { --accepted: #4477aa; --corrected: #ddaa33; --deleted: #bb5566; }
@media (prefers-color-scheme: dark) {
  .made { --accepted: #7aa8d8; --corrected: #e6c15c; --deleted: #d98392; }
}
.made svg { display: block; max-width: 100%; overflow: visible; }
.made svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
.made line { stroke: var(--line); }
.made .accepted { fill: var(--accepted); background: var(--accepted); }
.made .corrected { fill: var(--corrected); background: var(--corrected); }
.made .deleted { fill: var(--deleted); background: var(--deleted); }
.made .added { fill: none; stroke: var(--quiet); }
.made i.added { border: 1px solid var(--quiet); }
.made .legend { margin: 0 0 1rem; }
.made .legend i { margin-right: .5rem; }
.made td { vertical-align: middle; }
</style>"""

MEANING = (
    "Accepted: taken over with its label, and a shape whose IoU with the proposed one is at least "
    "0.95. Corrected: with another label or shape, or drawn anew where a proposal was deleted "
    "(IoU of 0.5). Deleted: in the prediction that somebody began with, and not in what they "
    "submitted. Added: what the recipe missed. The newest version of each annotation counts, on "
    "the day of it; skipped and deleted ones don't."
)

Totals = Mapping[tuple[str, str], Counter[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days that are shown, in bars of so many days."""

    first: date
    step: int
    bars: int
    unit: str

    @classmethod
    def of(cls, places: Sequence[Place]) -> Span:
        days = [date.fromisoformat(place.day) for place in places]
        first, length = min(days), (max(days) - min(days)).days + 1
        step, unit = next((one for one in STEPS if length <= one[0] * MOST_BARS), STEPS[-1])
        return cls(first=first, step=step, bars=-(-length // step), unit=unit)

    def bar_of(self, day: str) -> int:
        return (date.fromisoformat(day) - self.first).days // self.step

    def name(self, bar: int) -> str:
        """The days that a bar stands for.

        >>> Span(first=date(2026, 11, 2), step=7, bars=2, unit="week").name(1)
        '9 Nov 2026 to 15 Nov 2026'
        """
        begins = self.first + timedelta(bar * self.step)
        ends = begins + timedelta(self.step - 1)
        return _day(begins) if self.step == 1 else f"{_day(begins)} to {_day(ends)}"


def corrections_section(counts: Mapping[Place, Counter[str]]) -> str:
    """The section in HTML. Labels may hold markup, so all of them are escaped."""
    if not counts:
        return f'<section><h2>{TITLE}</h2><p class="quiet">None.</p></section>'
    span = Span.of(list(counts))
    return "".join(
        (
            f'{STYLE}<section class="made"><h2>{TITLE}</h2>',
            f'<div class="legend">{"".join(map(_legend, VERDICTS))}</div>',
            _large(_bars(counts, span), span),
            '<div class="scroll"><table><thead><tr><th>recipe</th><th>label</th>',
            f"<th>by {span.unit}</th>",
            *(f'<th class="number">{verdict}</th>' for verdict in VERDICTS),
            "</tr></thead><tbody>",
            *_rows(counts, span),
            f'</tbody></table></div><p class="quiet">{_left_out(counts)}Each row has a scale of '
            f"its own. {MEANING} All of it, by day: "
            '<a href="status/corrections.csv">for spreadsheets</a>, '
            '<a href="status/corrections.json">for programs</a>.</p></section>',
        )
    )


def _rows(counts: Mapping[Place, Counter[str]], span: Span) -> Iterator[str]:
    for (recipe, label), total in list(_totals(counts).items())[:ROWS]:
        own = {
            place: counted
            for place, counted in counts.items()
            if (place.recipe, place.label) == (recipe, label)
        }
        numbers = "".join(f'<td class="number">{total[verdict]}</td>' for verdict in VERDICTS)
        yield (
            f'<tr><td class="words">{html.escape(recipe)}</td>'
            f'<td class="words">{html.escape(label)}</td>'
            f"<td>{_small(_bars(own, span), span)}</td>{numbers}</tr>"
        )


def _left_out(counts: Mapping[Place, Counter[str]]) -> str:
    more = len(_totals(counts)) - ROWS
    return f"{more:,} classes with fewer regions are not shown here. " if more > 0 else ""


def _totals(counts: Mapping[Place, Counter[str]]) -> Totals:
    """The verdicts on each recipe's labels, those with the most regions first."""
    totals: dict[tuple[str, str], Counter[str]] = {}
    for place, counted in counts.items():
        totals.setdefault((place.recipe, place.label), Counter()).update(counted)
    return dict(sorted(totals.items(), key=lambda item: (-item[1].total(), item[0])))


def _bars(counts: Mapping[Place, Counter[str]], span: Span) -> list[Counter[str]]:
    bars: list[Counter[str]] = [Counter() for _ in range(span.bars)]
    for place, counted in counts.items():
        bars[span.bar_of(place.day)].update(counted)
    return bars


def _large(bars: Sequence[Counter[str]], span: Span) -> str:
    """All classes together, with an axis."""
    highest = max(bar.total() for bar in bars)
    said = ", ".join(f"{sum(bar[verdict] for bar in bars)} {verdict}" for verdict in VERDICTS)
    last = span.name(span.bars - 1)
    return (
        f'<svg viewBox="-44 -10 {WIDE + 48} {TALL + 34}" role="img" aria-label="{said}">'
        f'<line x2="{WIDE}" y1="0" y2="0"/><line x2="{WIDE}" y1="{TALL}" y2="{TALL}"/>'
        f'<text x="-8" y="4" text-anchor="end">{highest:,}</text>'
        f'<text x="-8" y="{TALL + 4}" text-anchor="end">0</text>'
        f'<text y="{TALL + 18}">{span.name(0)}</text>'
        f'<text x="{WIDE}" y="{TALL + 18}" text-anchor="end">{last if span.bars > 1 else ""}</text>'
        f"{''.join(_stacks(bars, span, (WIDE, TALL), highest))}</svg>"
    )


def _small(bars: Sequence[Counter[str]], span: Span) -> str:
    """One class; the numbers stand beside it."""
    highest = max(bar.total() for bar in bars)
    size = (ROW_WIDE, ROW_TALL)
    return (
        f'<svg width="{ROW_WIDE}" height="{ROW_TALL}" viewBox="0 0 {ROW_WIDE} {ROW_TALL}" '
        f'aria-hidden="true"><line x2="{ROW_WIDE}" y1="{ROW_TALL}" y2="{ROW_TALL}"/>'
        f"{''.join(_stacks(bars, span, size, highest))}</svg>"
    )


def _stacks(
    bars: Sequence[Counter[str]], span: Span, size: tuple[int, int], highest: int
) -> Iterator[str]:
    """A bar for each time with something in it: what was accepted at the bottom."""
    height, room = size[1], size[0] / span.bars
    wide = min(0.8 * room, 60)
    for index, bar in enumerate(bars):
        if not bar.total():
            continue
        numbers = ", ".join(f"{bar[verdict]} {verdict}" for verdict in VERDICTS if bar[verdict])
        yield f"<g><title>{span.name(index)}: {numbers}</title>"
        below = 0.0
        for verdict in VERDICTS:
            tall = height * bar[verdict] / highest
            below += tall
            # The outline of what was added lies within its place.
            inset = 0.5 if verdict == ADDED and tall > 1 else 0.0
            if tall:
                x = index * room + (room - wide) / 2 + inset
                yield (
                    f'<rect class="{verdict}" x="{x:.1f}" y="{height - below + inset:.1f}" '
                    f'width="{wide - 2 * inset:.1f}" height="{tall - 2 * inset:.1f}"/>'
                )
        yield "</g>"


def _legend(verdict: str) -> str:
    return f'<span><i class="swatch {verdict}"></i>{verdict}</span>'


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
