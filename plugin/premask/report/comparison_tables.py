"""Tables of a comparison as HTML: numbers of classes, and which class was taken for which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from premask.terminal.screen import number_text

_MOST_CLASSES = 25
"""Of the confusion, which gets too wide to be read."""


def rows_table(heading: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    if heading:
        yield f"<h2>{escape(heading)}</h2>"
    names = [name for name, value in rows[0].items() if not isinstance(value, dict)]
    heads = "".join(f'<th scope="col"{_kind(rows, name)}>{escape(name)}</th>' for name in names)
    yield f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>'
    for row in rows:
        cells = (
            f"<td{_kind(rows, name)}>{escape(number_text(row.get(name, -1.0)))}</td>"
            for name in names
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _kind(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    is_number = isinstance(rows[0].get(name), (int, float))
    return ' class="number"' if is_number else ' class="words"'


def confusion_table(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], one: str, other: str
) -> Iterator[str]:
    """The classes that are confused or alone most often, with shades by the share of the row."""
    if not confusion:
        return
    table = np.array(confusion, np.int64)
    wrong = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diagonal(table)
    order = np.argsort(-wrong[:-1], kind="stable")[:_MOST_CLASSES]
    order = np.append(order[(table.sum(axis=0) + table.sum(axis=1))[order] > 0], len(table) - 1)
    names = [*labels, "nothing"]
    yield "<h2>Confusion</h2>"
    more = f" Of {len(labels)} classes, the {len(order) - 1} that differ the most are shown."
    yield f'<p class="quiet">Rows: {escape(other)}. Columns: {escape(one)}.'
    yield f"{more if len(order) <= len(labels) else ''}</p>"
    heads = "".join(f'<th scope="col" class="number">{escape(names[k])}</th>' for k in order)
    yield f'<div class="scroll"><table class="confusion"><thead><tr><th></th>{heads}</tr></thead>'
    for row in order.tolist():
        total = max(1, int(table[row].sum()))
        cells = (
            f'<td class="number" style="--share:{table[row, column] / total:.3f}">'
            f"{table[row, column]:,}</td>"
            if table[row, column]
            else '<td class="number"></td>'
            for column in order.tolist()
        )
        yield f'<tr><th scope="row">{escape(names[row])}</th>{"".join(cells)}</tr>'
    yield "</table></div>"
