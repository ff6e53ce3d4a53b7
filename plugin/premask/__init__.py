"""premask pre-annotates image datasets with masks and mattes: these names are its public API."""

from __future__ import annotations

from premask.version import __version__

# Type checkers take it for true. `typing` itself would be the slowest import of all of these.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from premask.annotations import Annotation, Labeled, LabeledClip
    from premask.datasets.clip_reading import read_clips
    from premask.datasets.conversion import split
    from premask.datasets.differences import Differences, compare
    from premask.datasets.evaluation import Evaluation, evaluate
    from premask.datasets.health import check
    from premask.datasets.problems import Health
    from premask.datasets.reading import Dataset, read
    from premask.datasets.statistics import Statistics, stats
    from premask.errors import PremaskError
    from premask.images import Image, read_image
    from premask.masks import Mask, Matte
    from premask.models.pool import ModelPool
    from premask.prompts import BoxPrompt, Exemplar, Hint, Phrase, Point, Prompts
    from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
    from premask.runs.pipeline import Request, label
    from premask.runs.progress import Progress
    from premask.runs.tracking import track
    from premask.runs.writing import write, write_clips

__all__ = [
    "Annotation",
    "BoxPrompt",
    "Dataset",
    "Differences",
    "Evaluation",
    "Exemplar",
    "Health",
    "Hint",
    "Image",
    "Labeled",
    "LabeledClip",
    "Mask",
    "Matte",
    "ModelPool",
    "Phrase",
    "Point",
    "PremaskError",
    "Progress",
    "Prompts",
    "Recipe",
    "Request",
    "Statistics",
    "__version__",
    "built_in_recipes",
    "check",
    "compare",
    "evaluate",
    "label",
    "read",
    "read_clips",
    "read_image",
    "recipe_of",
    "split",
    "stats",
    "track",
    "write",
    "write_clips",
]

# A name is imported when it is first asked for. So the command `premask` is there at once, and can
# be interrupted without a traceback while numpy and what stands on it are still being loaded.
_HOMES = {
    "premask.annotations": (
        "Annotation",
        "Labeled",
        "LabeledClip",
    ),
    "premask.datasets.clip_reading": ("read_clips",),
    "premask.datasets.conversion": ("split",),
    "premask.datasets.differences": (
        "Differences",
        "compare",
    ),
    "premask.datasets.evaluation": (
        "Evaluation",
        "evaluate",
    ),
    "premask.datasets.health": ("check",),
    "premask.datasets.problems": ("Health",),
    "premask.datasets.reading": (
        "Dataset",
        "read",
    ),
    "premask.datasets.statistics": (
        "Statistics",
        "stats",
    ),
    "premask.errors": ("PremaskError",),
    "premask.images": (
        "Image",
        "read_image",
    ),
    "premask.masks": (
        "Mask",
        "Matte",
    ),
    "premask.models.pool": ("ModelPool",),
    "premask.prompts": (
        "BoxPrompt",
        "Exemplar",
        "Hint",
        "Phrase",
        "Point",
        "Prompts",
    ),
    "premask.recipes.recipe": (
        "Recipe",
        "built_in_recipes",
        "recipe_of",
    ),
    "premask.runs.pipeline": (
        "Request",
        "label",
    ),
    "premask.runs.progress": ("Progress",),
    "premask.runs.tracking": ("track",),
    "premask.runs.writing": (
        "write",
        "write_clips",
    ),
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A public name, or one of the modules, such as `premask.errors`."""
        from importlib import import_module

        for module, names in _HOMES.items():
            if name in names:
                globals()[name] = found = getattr(import_module(module), name)
                return found
        try:
            if not name.startswith("_"):
                return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
