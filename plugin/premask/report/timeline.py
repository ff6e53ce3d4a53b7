"""The timeline of a clip in HTML: a line for each track, as high as it is sure, and keyframes."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from premask.report.page_parts import counted, swatch
from premask.report.tracks import UNKNOWN, ClipSummary, Track

WIDTH = 1000
HEIGHT = 100
MAX_LANES = 500
_COLUMNS = 500
"""Of a longer clip so many columns are drawn, each as high as its least sure frame."""

_LOWEST = 0.2
"""How high a line is where the score is 0: nothing would look as if the object was away."""

POINTED_AT = "pointed at"
"""What is said of a keyframe."""

_TICKS = 6
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def timeline(summary: ClipSummary) -> Iterator[str]:
    """All tracks of a clip; the page's script moves the line that shows the film's time."""
    start, end = (summary.times[0] if summary.times else 0.0), summary.end
    yield f'<div class="timeline" data-seconds="{end - start if summary.is_timed else 0:.6f}">'
    yield f'<div class="row axis"><span></span><div class="lane">{"".join(_ticks(summary))}</div>'
    yield '<span class="count">frames</span></div>'
    for track in summary.tracks[:MAX_LANES]:
        yield _row(summary, track)
    yield "</div>"
    if len(summary.tracks) > MAX_LANES:
        more = counted(len(summary.tracks) - MAX_LANES, "more track")
        yield f'<p class="quiet">Not shown here: {more}.</p>'


def time_text(seconds: float, *, digits: int = 0) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> time_text(75.04), time_text(3600), time_text(2.34, digits=1)
    ('1:15', '1:00:00', '0:02.3')
    """
    whole, part = divmod(round(seconds * 10**digits), 10**digits)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text}.{part:0{digits}}" if digits else text


def _ticks(summary: ClipSummary) -> Iterator[str]:
    start, length = (summary.times[0] if summary.times else 0.0), summary.end
    length -= start
    step = next((step for step in _STEPS if length / step <= _TICKS), length / _TICKS)
    at = start - start % step
    while at < start + 0.95 * length:  # farther right there is no room for a text
        if at >= start:
            text = time_text(at) if summary.is_timed else f"{at:.0f}"
            yield f'<i style="left:{100 * (at - start) / length:.2f}%">{text}</i>'
        at += step


def _row(summary: ClipSummary, track: Track) -> str:
    columns = {place // _stride(summary): place for place in reversed(track.keyframes)}
    keys = "".join(
        f'<b style="left:{100 * summary.share(place):.2f}%" '
        f'title="frame {summary.numbers[place]}: {POINTED_AT}"></b>'
        for place in reversed(columns.values())
    )
    known = [score for score in track.scores if score != UNKNOWN]
    sure = f", score {min(known):.2f} to {max(known):.2f}" if known else ""
    there = counted(len(track.places), "frame")
    name, color = escape(track.name), f"rgb{track.color}"
    drawing = f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" fill="{color}"'
    return f"""<div class="row">
<span class="name" title="{name}">{swatch(track.color)} {name}</span>
<div class="lane" role="img" aria-label="{name}: in {there}{sure}">
<svg {drawing}>{"".join(_shapes(summary, track))}</svg>{keys}</div>
<span class="count">{len(track.places):,}</span></div>"""


def _shapes(summary: ClipSummary, track: Track) -> Iterator[str]:
    """One path for each time that the object is there, of columns next to each other."""
    stride = _stride(summary)
    lowest: dict[int, float] = {}
    for place, score in zip(track.places, track.scores, strict=True):
        column = place // stride
        lowest[column] = min(score, lowest.get(column, score))
    steps: list[str] = []
    for column, score in lowest.items():
        left = WIDTH * summary.share(column * stride)
        right = WIDTH * summary.share(min((column + 1) * stride, len(summary.numbers)))
        if not steps:
            steps.append(f"M{left:.1f} {HEIGHT}")
        steps.append(f"L{left:.1f} {HEIGHT * (1 - _height(score)):.0f}H{right:.1f}")
        if column + 1 not in lowest:
            yield f'<path d="{"".join(steps)}V{HEIGHT}Z"/>'
            steps = []


def _stride(summary: ClipSummary) -> int:
    """How many frames share a column."""
    return max(1, len(summary.numbers) // _COLUMNS)


def _height(score: float) -> float:
    return 1.0 if score == UNKNOWN else _LOWEST + (1 - _LOWEST) * min(max(score, 0.0), 1.0)
