"""The settings of each stage: those that every model of it has, and those of its own model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from premask.errors import InvalidRecipe
from premask.models.catalog import Checkpoint, checkpoint_of
from premask.models.registry import Stage
from premask.prompts import Phrase, Prompts
from premask.settings import Setting, checked, require_known, setting, settings_of
from premask.shaping.refine import Refine
from premask.shaping.select import Select


@dataclass(frozen=True, slots=True, kw_only=True)
class FindStage:
    """Where is it? Without this stage, the person's own points and boxes say so.

    Here and in the other stages with a model, `checkpoint` is what its name stands for, and
    `options` are its family's own settings; left out, those that suit the checkpoint.
    """

    model: str = setting(help="who finds: a name from `premask models`")
    label: str = setting("", "what to call all that is found; empty: what the model calls it")
    phrases: tuple[str, ...] = setting((), "what to look for, where the person asks for nothing")
    tile: int = setting(
        0,
        "look at squares of so many pixels one by one, for small objects in large images; 0: off",
        minimum=0,
        maximum=16384,
    )
    overlap: float = setting(
        0.25, "how much of a tile its neighbor sees too, as a share", minimum=0, maximum=0.9
    )
    whole: bool = setting(True, "whether to look at the whole image too, besides its tiles")
    options: Any = None
    checkpoint: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _resolve(self, "find")

    def asked(self, prompts: Prompts) -> Prompts:
        """What the person asks for, or else what the recipe does."""
        if prompts.phrases or prompts.exemplars:
            return prompts
        return replace(prompts, phrases=tuple(Phrase(text=text) for text in self.phrases))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineStage:
    """What shape has it?"""

    model: str = setting(help="who outlines: a name from `premask models`")
    options: Any = None
    checkpoint: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _resolve(self, "outline")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackStage:
    """Where does it go? In clips only: who follows the objects, and when find looks for others.

    Objects are those that a person points at or, where nobody does, those that find sees in the
    first frame. With `every`, find looks again for newcomers.
    """

    model: str = setting(help="who follows: a name from `premask models`")
    every: float = setting(
        0.0, "find looks for newcomers each time that so many seconds are over; 0: never", minimum=0
    )
    join: float = setting(
        0.5,
        "the IoU from which on what find sees is an object that is followed already",
        minimum=0.01,
        maximum=1,
    )
    most: int = setting(32, "how many objects are followed at once", minimum=1, maximum=10000)
    present: float = setting(
        0.0, "the score from which on an object counts as there", minimum=0, maximum=1
    )
    end_after: float = setting(
        0.0, "an object that was lost for so many seconds ends; 0: never", minimum=0
    )
    both_ways: bool = setting(
        True, "whether to follow objects also backwards, from where they were pointed at"
    )
    options: Any = None
    checkpoint: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _resolve(self, "track")

    @property
    def looks_itself(self) -> bool:
        """Whether its model looks for phrases in every frame, and needs no find stage."""
        return "phrases" in self.checkpoint.listens_to


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteStage:
    """How soft is the edge? Of each object found before, or else of the whole image's subject."""

    model: str = setting(help="who mattes: a name from `premask models`")
    label: str = setting("subject", "what to call the subject of a whole image")
    threshold: int = setting(
        128, "the alpha from which on a pixel belongs to the binary mask", minimum=1, maximum=255
    )
    reach: float = setting(
        0.1,
        "how far from its mask's edge an object's matte may be soft, as a share of its size",
        minimum=0,
        maximum=1,
    )
    options: Any = None
    checkpoint: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _resolve(self, "matte")

    @property
    def is_guided(self) -> bool:
        """Whether its model softens the edge of a mask that it is given, and finds none itself."""
        return self.checkpoint.is_guided


ModelStage = FindStage | OutlineStage | TrackStage | MatteStage

STAGES: dict[str, type[Any]] = {
    "find": FindStage,
    "outline": OutlineStage,
    "track": TrackStage,
    "select": Select,
    "refine": Refine,
    "matte": MatteStage,
}
MODEL_STAGES: tuple[Stage, ...] = ("find", "outline", "track", "matte")


def stage_from_table(stage: str, table: Any, where: str) -> Any:
    """The settings of a stage as a TOML file has them, checked; `where` begins the messages."""
    where = f"{where}{stage}."
    if not isinstance(table, dict):
        raise InvalidRecipe(
            f'{where.rstrip(".")} must be a table, such as {stage} = {{ model = "..." }}.'
        )
    known = known_settings(stage, table, where)
    for name in table:
        require_known(name, known, where)
    own = settings_of(STAGES[stage])
    part = checked(STAGES[stage], {name: table[name] for name in table if name in own}, where)
    if stage not in MODEL_STAGES:
        return part
    usual = dataclasses.asdict(part.options)
    given = {name: value for name, value in table.items() if name not in own}
    return replace(part, options=checked(type(part.options), {**usual, **given}, where))


def known_settings(stage: str, table: Mapping[str, Any], where: str = "") -> dict[str, Setting]:
    """The settings that a stage can have, with those of the model that the table names."""
    known = settings_of(STAGES[stage])
    if stage in MODEL_STAGES and isinstance(table.get("model"), str):
        checkpoint = checkpoint_of(table["model"])
        if stage not in checkpoint.stages:
            raise InvalidRecipe(
                f"{where}model: '{checkpoint.name}' can't {stage}; "
                f"it can {' and '.join(checkpoint.stages)}."
            )
        known |= settings_of(type(checkpoint.options_for(stage)))
    return known


def settings_and_values(stage: str, part: Any) -> Iterator[tuple[str, Setting, Any]]:
    """Name, description and value of each setting of a stage and of its model.

    What is usual for the checkpoint is the default of its model's settings.
    """
    for name, item in settings_of(type(part)).items():
        yield name, item, getattr(part, name)
    if stage in MODEL_STAGES:
        usual = part.checkpoint.options_for(stage)
        for name, item in settings_of(type(part.options)).items():
            yield name, replace(item, default=getattr(usual, name)), getattr(part.options, name)


def _resolve(part: ModelStage, stage: Stage) -> None:
    """Look its model up once, for all images."""
    # The dataclass is frozen for everybody else.
    object.__setattr__(part, "checkpoint", checkpoint_of(part.model))
    if part.options is None:
        object.__setattr__(part, "options", part.checkpoint.options_for(stage))
