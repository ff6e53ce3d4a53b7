"""Which set of labels and images is wanted, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from premask.datasets.losses import Loss
from premask.datasets.selection import Selection
from premask.datasets.splitting import Split
from premask.labels.coco_ids import CocoIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What is wanted: a format, a place, which of the labels, in which parts, with which images.

    Without a `split` the labels go to `out`, a file or a folder as the format is; with one `out` is
    a folder. `copy` is one of `COPY_MODES`. `ids` are those of a person's COCO file; by default
    they are the dataset's own, unless its classes change.
    """

    format: str
    out: Path
    selection: Selection = field(default_factory=Selection)
    split: Split | None = None
    copy: str = "none"
    ids: CocoIds | None = None

    @property
    def is_set(self) -> bool:
        """Whether images and labels are arranged anew; else the images keep their names."""
        return self.split is not None or self.copy != "none"


@dataclass(slots=True, kw_only=True)
class PartCounts:
    """How much is in a part of a set."""

    images: int = 0
    empty: int = 0
    annotations: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """In which part of a set an image is, and where its file is."""

    part: str
    path: Path


@dataclass(slots=True, kw_only=True)
class Converted:
    """What became of a dataset; `placed` are the images that were put beside their labels, by name.

    `turned` images are not upright, and no trainer may notice. Those of `other_size` are not of the
    size that their labels are for.
    """

    written: list[Path] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    parts: dict[str, PartCounts] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    placed: dict[str, Placed] = field(default_factory=dict)
    turned: int = 0
    other_size: list[str] = field(default_factory=list)
    loss: Loss | None = None
