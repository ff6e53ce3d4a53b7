"""Whether a recipe can use what it is asked. Callers check before they load anything."""

from __future__ import annotations

from collections.abc import Callable

from premask.errors import UnsupportedPrompt
from premask.geometry import Box, clip_box
from premask.masks import Size
from premask.models.parts.phrases import required_phrases
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe


def require_usable_prompts(recipe: Recipe, prompts: Prompts) -> None:
    """Raise `UnsupportedPrompt` for prompts that the recipe lacks, and for those it can't use.

    A prompt that nobody would listen to is a mistake; it is named instead of ignored.
    """
    if recipe.track is not None:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' follows objects through clips. Give it one with: premask "
            f"track CLIP --recipe {recipe.name}"
        )
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
    _require_area(
        recipe,
        prompts,
        "is empty or inside out: x0 must be less than x1, and y0 less than y1",
        lambda box_xyxy: box_xyxy,
    )
    if recipe.find and recipe.find.tile and prompts.exemplars:
        raise UnsupportedPrompt(
            "Exemplars lie in one tile only, so they can't be used with find.tile. Set it to 0."
        )


def require_fitting_prompts(recipe: Recipe, prompts: Prompts, size_hw: Size) -> None:
    """Raise `UnsupportedPrompt` for boxes beside the image, and for a mask of another size."""
    height, width = size_hw
    _require_area(
        recipe,
        prompts,
        f"covers no pixel of the image, which is {width} x {height}",
        lambda box_xyxy: clip_box(box_xyxy, size_hw),
    )
    for mask in (prompts.mask, *(hint.mask for hint in prompts.objects)):
        if mask is not None and mask.size_hw != size_hw:
            raise UnsupportedPrompt(
                f"The rough mask has (height, width) {mask.size_hw}, but the upright image "
                f"{size_hw}. Make the mask on the image as it is shown."
            )


def _require_area(recipe: Recipe, prompts: Prompts, wrong: str, seen: Callable[[Box], Box]) -> None:
    """Raise `UnsupportedPrompt` with all boxes of which nothing is seen.

    Whoever sends k boxes expects k masks. Without the error, they would get fewer, and not know
    which of them is missing. Where nothing is outlined, a box is a label that is there already.
    """
    if recipe.outline is None:
        return
    given = [(box.label, box.box_xyxy) for box in prompts.boxes]
    given += [(hint.label, hint.box_xyxy) for hint in prompts.objects if hint.box_xyxy is not None]
    named = []
    for number, (label, box_xyxy) in enumerate(given, 1):
        x0, y0, x1, y1 = seen(box_xyxy)
        # Put like this, it is true of NaN as well.
        if not (x0 < x1 and y0 < y1):
            sides = ", ".join(f"{side:g}" for side in box_xyxy)
            named.append(f"box {number} of {len(given)}{label and f', {label!r}'} ({sides})")
    if named:
        raise UnsupportedPrompt(
            f"There is nothing to outline in {'; '.join(named)}: it {wrong}. Boxes are x0, y0, x1, "
            "y1 in pixels of the upright image."
        )
