"""Plotly's traces and layouts, as FiftyOne's panels draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Trace = dict[str, Any]

WIDTH = 480
"""FiftyOne 1.22 draws plots wider than a panel of half the screen."""

# FiftyOne 1.22 makes tables wider than a panel of half the screen.
NARROW = {"table": {"sx": {"minWidth": 0}}}


def bars(name: str, x: Sequence[Any], y: Sequence[int], **more: Any) -> Trace:
    return {"type": "bar", "name": name, "x": list(x), "y": list(y), **more}


def middles_of_bins(bins: int) -> list[float]:
    """Where the bars of values from 0 to 1 stand."""
    return [round((number + 0.5) / bins, 3) for number in range(bins)]


def bin_at(x: float, bins: int) -> int:
    """The bin whose bar stands there."""
    return min(int(x * bins), bins - 1)


def stacked(counts: Mapping[str, Sequence[int]], bins: int) -> list[Trace]:
    """A histogram of values from 0 to 1; a color for each name."""
    return [bars(name, middles_of_bins(bins), found) for name, found in counts.items()]


def layout(title: str, **more: Any) -> dict[str, Any]:
    # FiftyOne 1.22 cuts the title off.
    margin = {"t": 50, "r": 10, "b": 40, "l": 40}
    return {"title": {"text": title}, "margin": margin, "width": WIDTH, **more}
