"""Whether a recipe can use what it is asked. Callers check before they load anything."""

from __future__ import annotations

from premask.errors import UnsupportedPrompt
from premask.masks import Size
from premask.models.parts.phrases import required_phrases
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe


def require_usable_prompts(recipe: Recipe, prompts: Prompts) -> None:
    """Raise `UnsupportedPrompt` for prompts that the recipe lacks, and for those it can't use.

    A prompt that nobody would listen to is a mistake; it is named instead of ignored.
    """
    pointed = bool(prompts.points or prompts.boxes or prompts.mask or prompts.objects)
    if recipe.needs_pointing and not pointed:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' needs you to say where: give points, boxes or a mask."
        )
    # A recipe without models works on the objects that it is told of.
    if pointed and recipe.models and not recipe.needs_pointing:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' finds its objects itself and can't use points, boxes or "
            "a mask. Use a recipe without a find stage, such as 'click'."
        )
    if recipe.find and recipe.find.checkpoint.needs_prompts(recipe.find.options):
        required_phrases(recipe.find.asked(prompts), exemplars="exemplars" in recipe.listens_to)
    for kind, given in (("phrases", prompts.phrases), ("exemplars", prompts.exemplars)):
        if given and kind not in recipe.listens_to:
            raise UnsupportedPrompt(f"The recipe '{recipe.name}' can't use {kind}.")
    if recipe.find and recipe.find.tile and prompts.exemplars:
        raise UnsupportedPrompt(
            "Exemplars lie in one tile only, so they can't be used with find.tile. Set it to 0."
        )


def require_masks_of_size(prompts: Prompts, size_hw: Size) -> None:
    """Raise `UnsupportedPrompt` for a rough mask of another size than the image's."""
    for mask in (prompts.mask, *(hint.mask for hint in prompts.objects)):
        if mask is not None and mask.size_hw != size_hw:
            raise UnsupportedPrompt(
                f"The rough mask has (height, width) {mask.size_hw}, but the upright image "
                f"{size_hw}. Make the mask on the image as it is shown."
            )
