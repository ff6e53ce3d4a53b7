"""One side of a comparison: what is known of all its images, and the labels of a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from premask.evaluation.objects import TableRow
from premask.masks import Matte, Size


@dataclass(slots=True, kw_only=True)
class LabeledImage:
    """One image's objects; `phrases` are what was looked for, where the file says so."""

    name: str
    size_hw: Size
    rows: list[TableRow] = field(default_factory=list)
    mattes: list[Matte] = field(default_factory=list)
    phrases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """The sizes of images by name, in order; `load` reads the labels of some of them.

    `classes` are what the file lists, and `labels` what its objects are; `stuff` are those classes
    of which it says that they have no objects, as sky. `image_ids` and `class_ids` are COCO's own,
    by id.
    """

    source: str
    sizes: Mapping[str, Size]
    load: Callable[[Sequence[str]], list[LabeledImage]]
    classes: Sequence[str] = ()
    labels: frozenset[str] = frozenset()
    stuff: frozenset[str] = frozenset()
    has_mattes: bool = False
    names_phrases: bool = False
    image_ids: Mapping[object, str] = field(default_factory=dict)
    class_ids: Mapping[object, str] = field(default_factory=dict)
