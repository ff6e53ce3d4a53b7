"""From a part of a comparison to the labels themselves, and whether they are still the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from fiftyone import ViewField
from fiftyone.core.view import DatasetView
from numpy.typing import NDArray

from ..dataset.chosen_images import all_images
from ..dataset.comparisons import Compared, bins_of
from ..dataset.sides import Side, digest_of, label_pairs, looked_at_by_both
from .comparing import last_change

ONLY_ONE, BOTH, DIFFERS, ONLY_OTHER = "only one", "both", "one says another", "only other"
"""The parts, by the names that their counts have in a row."""

MOST_SHOWN = 2_000
"""Labels that a view names one by one; the App passes them all on at every step."""

_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A view of patches, the most telling first, and of how many objects it shows how many."""

    view: Any
    shown: int
    found: int


def view_of(
    dataset: Any, compared: Compared, part: str, label: str | None = None, bin: int | None = None
) -> Shown:
    """The patches of a part, of one class or of all, and of pairs of one bin of IoUs or of all.

    What only one side has comes by its score, the surest first; pairs that agree the least first.
    """
    sides = [Side.named(text) for text in (compared.question.one, compared.question.other)]
    side = "other" if part == ONLY_OTHER else "one"
    places = _places(compared, part, side, label, bin)
    chosen = places[:MOST_SHOWN]
    first, second = (sides[1], sides[0]) if side == "other" else (sides[0], sides[1])
    ids = _ids(compared, side, chosen)
    partners = []
    if part in (BOTH, DIFFERS):
        partners = _ids(compared, "other", compared.tables["one_partners"][chosen])
    fields = list(dict.fromkeys([first.field, second.field]))
    view = all_images(dataset).select_labels(ids=[*ids, *partners], fields=fields)
    others = [second.field] if second.field != first.field else None
    view = view.to_patches(first.field, other_fields=others)
    own = ids if others else [*ids, *partners]
    return Shown(view=view.select(own, ordered=True), shown=len(chosen), found=len(places))


def what_changed(dataset: Any, compared: Compared) -> str:
    """Say why the numbers are no longer those of the labels; nothing if they are.

    Only images that were changed since are read, up to the first that is different. Of mask files,
    changes are seen only where the sample was changed, too.
    """
    question = compared.question
    sides = Side.named(question.one), Side.named(question.other)
    gone = [side.field for side in sides if not dataset.has_field(side.field)]
    if gone:
        return f"There is no field '{gone[0]}' any more."
    samples = dataset
    if question.stages:
        samples = DatasetView._build(dataset, json.loads(question.stages))
    samples = looked_at_by_both(samples, *sides)
    tables = compared.tables
    ids = [value.decode() for value in tables["image_ids"].tolist()]
    known = dict(zip(ids, tables["image_digests"].tolist(), strict=True))
    now = set(samples.values("id"))
    if now != set(known):
        more, fewer = len(now - set(known)), len(set(known) - now)
        return f"By now there are {more:,} more images that both know, and {fewer:,} fewer."
    if last_change(samples) == compared.since:
        return ""
    changed = samples.match(ViewField("last_modified_at") > datetime.fromisoformat(compared.since))
    for pair in label_pairs(changed, *sides):
        if digest_of(pair) != known[pair[0].sample_id]:
            return f"Labels have changed since, such as in '{pair[0].filepath}'."
    return ""


def _places(
    compared: Compared, part: str, side: str, label: str | None, bin: int | None
) -> NDArray[np.int64]:
    """The objects of a part by their places among those of their side, the most telling first."""
    tables = compared.tables
    classes = tables[f"{side}_classes"]
    chosen = tables[f"{side}_alone"] if part in (ONLY_ONE, ONLY_OTHER) else _met(compared, part)
    if label is not None:
        chosen = chosen & (classes == compared.classes.index(label))
    ious = tables["one_ious"]
    if bin is not None:
        chosen = chosen & (bins_of(ious) == bin)
    places = np.flatnonzero(chosen)
    if part == BOTH:
        keys = ious[places]
    else:
        keys = -np.nan_to_num(tables[f"{side}_scores"][places], nan=-1)
    return places[np.argsort(keys, kind="stable")]


def _met(compared: Compared, part: str) -> _Flags:
    """Which of the first side's objects have a partner, of their class or of another one."""
    tables = compared.tables
    partners = tables["one_partners"]
    met: _Flags = partners >= 0
    same = np.zeros(len(met), np.bool_)
    same[met] = tables["other_classes"][partners[met]] == tables["one_classes"][met]
    return met & (same if part == BOTH else ~same)


def _ids(compared: Compared, side: str, places: NDArray[np.int64]) -> list[str]:
    ids: list[bytes] = compared.tables[f"{side}_ids"][places].tolist()
    return [value.decode() for value in ids]
