"""One batch of images through a recipe's five stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from premask.annotations import Annotation
from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.images import Image
from premask.matting import matte_objects, matte_subjects, refine_subjects
from premask.models.catalog import checkpoint_of
from premask.models.pool import ModelPool
from premask.prompts import Hint, Prompts
from premask.recipes import Find, Outline, Recipe
from premask.refine import refine
from premask.select import chosen

Annotations = tuple[Annotation, ...]


def run_stages(
    images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
) -> list[Annotations]:
    """The annotations of each image."""
    for image, each in zip(images, prompts, strict=True):
        _require_usable(image, each, recipe)
    if recipe.find is None and recipe.outline is None and recipe.matte is not None:
        subjects = matte_subjects(images, recipe.matte, pool)
        picked = [chosen(each, recipe.select) for each in subjects]
        return [refine_subjects(each, recipe.matte, recipe.refine) for each in picked]
    hints = _find(images, prompts, recipe.find, pool)
    outlined = _outline(images, hints, recipe.outline, pool)
    refined = [refine(chosen(each, recipe.select), recipe.refine) for each in outlined]
    if recipe.matte is None:
        return refined
    return [
        matte_objects(image, each, recipe.matte, pool)
        for image, each in zip(images, refined, strict=True)
    ]


def _require_usable(image: Image, prompts: Prompts, recipe: Recipe) -> None:
    """A prompt that nobody would listen to is a mistake; say so instead of ignoring it."""
    if prompts.mask is not None and prompts.mask.size_hw != image.size_hw:
        raise UnsupportedPrompt(
            f"The rough mask has (height, width) {prompts.mask.size_hw}, but the upright image "
            f"{image.size_hw}. Make the mask on the image as it is shown."
        )
    pointed = bool(prompts.points or prompts.boxes or prompts.mask)
    if recipe.find is None and recipe.outline is not None:
        if not pointed:
            raise UnsupportedPrompt(
                f"The recipe '{recipe.name}' needs you to say where: give points, boxes or a mask."
            )
    elif pointed:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' finds its objects itself and can't use points, boxes or "
            "a mask. Use a recipe without a find stage, such as 'click'."
        )
    understood = checkpoint_of(recipe.find.model).kind.prompts if recipe.find else ()
    for kind in ("phrases", "exemplars"):
        if getattr(prompts, kind) and kind not in understood:
            raise UnsupportedPrompt(f"The recipe '{recipe.name}' can't use {kind}.")


def _find(
    images: Sequence[Image], prompts: Sequence[Prompts], find: Find | None, pool: ModelPool
) -> list[tuple[Hint, ...]]:
    if find is None:
        return [each.hints() for each in prompts]
    found = pool.get(find.model).find(images, prompts, find.options)
    return [tuple(_named(hint, find) for hint in hints) for hints in found]


def _named(hint: Hint, find: Find) -> Hint:
    return replace(hint, label=find.label or hint.label, source=(*hint.source, find.model))


def _outline(
    images: Sequence[Image],
    hints: Sequence[tuple[Hint, ...]],
    outline: Outline | None,
    pool: ModelPool,
) -> list[Annotations]:
    if outline is None:
        return [tuple(_from_hint(hint) for hint in each) for each in hints]
    model = pool.get(outline.model)
    shapes = model.segment(model.embed(images), hints, outline.options)
    return [
        tuple(
            _from_hint(
                replace(
                    hint,
                    mask=shape.mask,
                    score=shape.score if hint.score is None else hint.score,
                    source=(*hint.source, outline.model),
                )
            )
            for hint, shape in zip(hints_of_one, shapes_of_one, strict=True)
        )
        for hints_of_one, shapes_of_one in zip(hints, shapes, strict=True)
    ]


def _from_hint(hint: Hint) -> Annotation:
    box: Box = hint.mask.box_xyxy if hint.mask is not None else hint.box_xyxy or (0, 0, 0, 0)
    return Annotation(
        label=hint.label, box_xyxy=box, score=hint.score, mask=hint.mask, source=hint.source
    )
