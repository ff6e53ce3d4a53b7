"""premask pre-annotates image datasets with masks and mattes: these names are its public API."""

from premask.annotations import Annotation, Labeled
from premask.errors import PremaskError
from premask.images import Image, read_image
from premask.masks import Mask, Matte
from premask.models.pool import ModelPool
from premask.prompts import BoxPrompt, Exemplar, Hint, Phrase, Point, Prompts
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
from premask.runs.pipeline import Request, label
from premask.runs.progress import Progress
from premask.version import __version__

__all__ = [
    "Annotation",
    "BoxPrompt",
    "Exemplar",
    "Hint",
    "Image",
    "Labeled",
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
    "__version__",
    "built_in_recipes",
    "label",
    "read_image",
    "recipe_of",
]
