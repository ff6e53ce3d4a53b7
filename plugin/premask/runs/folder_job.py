"""A run into a folder: what it is asked for, and how it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from premask.deep_values import Window
from premask.errors import PremaskError
from premask.labels.formats import Format
from premask.prompts import Prompts
from premask.recipes.class_names import known_classes
from premask.recipes.recipe import Recipe
from premask.recipes.work_keys import WorkKeys
from premask.runs.delivery import Delivery
from premask.runs.inputs import Input


@dataclass(frozen=True, kw_only=True)
class FolderJob:
    """What to annotate, how, and what to write where; of `classes` only these, in their order.

    `window` has the values that are black and white in images of more than 8 bits. Without `resume`
    all images are annotated, those too that an earlier run did.
    """

    inputs: Sequence[Input]
    recipe: Recipe
    folder: Path
    formats: Sequence[Format]
    prompts: Prompts = Prompts()
    classes: tuple[str, ...] = ()
    batch_size: int | None = None
    resume: bool = True
    allowed_hosts: tuple[str, ...] = ()
    window: Window | None = None

    @cached_property
    def delivery(self) -> Delivery:
        """What is written where, with the classes' numbers."""
        # Kept, because the classes that a checkpoint knows are read from its file.
        known = known_classes(self.recipe, self.prompts)
        return Delivery(folder=self.folder, formats=self.formats, classes=self.classes, known=known)

    def work_key(self, keys: WorkKeys, *digest: str) -> str:
        """What decides the result for an image with this digest; without one, for all of them."""
        seen_through = () if self.window is None else (self.window,)
        return keys.key(self.prompts, *digest, *seen_through)

    def require_usable_names(self) -> None:
        """Raise for images that a format can't write, before anything is done."""
        self.delivery.require_names([item.name for item in self.inputs])


@dataclass(slots=True, kw_only=True)
class FolderOutcome:
    """How it went: rows of (name, annotations, seconds), failures, and where the results are.

    `reused` counts the images that an earlier run did in the same way. Those in `kept` failed now,
    and keep what an earlier run found. `removed` are files that showed what the folder has no more;
    those that a person has changed are in `edited`, and still there.
    """

    annotated: int = 0
    reused: int = 0
    seconds: float = 0.0
    rows: list[tuple[str, int, float]] = field(default_factory=list)
    failures: dict[str, PremaskError] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    edited: list[Path] = field(default_factory=list)
    class_note: str = ""
    notes: Counter[str] = field(default_factory=Counter)
    """How images were read that have more than 8 bits, and how many in each way."""
