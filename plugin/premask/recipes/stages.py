"""One batch of images through a recipe's stages; clips go through them in runs/clips/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from premask.annotations import Annotation
from premask.geometry import Box
from premask.images import Image
from premask.models.capabilities import Outline
from premask.models.pool import ModelPool
from premask.prompts import Hint, Prompts
from premask.recipes.matting import matte_objects, matte_subjects, refine_subjects
from premask.recipes.prompt_check import require_fitting_prompts, require_usable_prompts
from premask.recipes.recipe import Recipe
from premask.recipes.stage_settings import FindStage, OutlineStage
from premask.recipes.tiling import Tiling, look_in_tiles
from premask.shaping.refine import Refine, refine
from premask.shaping.select import chosen

Annotations = tuple[Annotation, ...]


def run_stages(
    images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
) -> list[Annotations]:
    """The annotations of each image."""
    for image, asked in zip(images, prompts, strict=True):
        require_usable_prompts(recipe, asked)
        require_fitting_prompts(recipe, asked, image.size_hw)
    with pool.using(recipe.models):
        return _annotated(images, prompts, recipe, pool)


def _annotated(
    images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
) -> list[Annotations]:
    if recipe.mattes_whole_images and recipe.matte is not None:
        subjects = matte_subjects(images, recipe.matte, pool)
        selected = [chosen(of_image, recipe.select) for of_image in subjects]
        return [refine_subjects(of_image, recipe.matte, recipe.refine) for of_image in selected]
    outlined = _found_and_outlined(images, prompts, recipe, pool)
    selected = [chosen(of_image, recipe.select) for of_image in outlined]
    refined = [_refined(of_image, recipe.refine) for of_image in selected]
    if recipe.matte is None:
        return refined
    return matte_objects(images, refined, recipe.matte, pool)


def _found_and_outlined(
    images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
) -> list[Annotations]:
    def look(images: Sequence[Image], prompts: Sequence[Prompts]) -> list[Annotations]:
        hints = _found(images, prompts, recipe.find, pool)
        if recipe.outline is not None:
            hints = _outlined(images, hints, recipe.outline, pool)
        return [tuple(map(_annotation_from_hint, of_image)) for of_image in hints]

    if recipe.find is None or not recipe.find.tile:
        return look(images, prompts)
    tiling = Tiling(side=recipe.find.tile, overlap=recipe.find.overlap, whole=recipe.find.whole)
    return [
        look_in_tiles(image, asked, tiling, look)
        for image, asked in zip(images, prompts, strict=True)
    ]


def _refined(annotations: Annotations, settings: Refine) -> Annotations:
    """The annotations after the refine stage, in boxes that fit their masks."""
    return tuple(
        refined if refined.mask is None else replace(refined, box_xyxy=refined.mask.box_xyxy)
        for refined in refine(annotations, settings)
    )


def _found(
    images: Sequence[Image], prompts: Sequence[Prompts], find: FindStage | None, pool: ModelPool
) -> list[tuple[Hint, ...]]:
    """The hints of each image: what the model found, or else what the person pointed at."""
    if find is None:
        return [asked.hints() for asked in prompts]
    questions = [find.asked(asked) for asked in prompts]
    found = pool.finder(find.model).find(images, questions, find.options)
    return [
        tuple(
            replace(hint, label=find.label or hint.label, source=(*hint.source, find.model))
            for hint in of_image
        )
        for of_image in found
    ]


def _outlined(
    images: Sequence[Image],
    hints: Sequence[tuple[Hint, ...]],
    stage: OutlineStage,
    pool: ModelPool,
) -> list[tuple[Hint, ...]]:
    """The hints with their masks."""
    # An image without hints is not embedded, which is what takes the time.
    hinted = [index for index, of_image in enumerate(hints) if of_image]
    embeddings = pool.embed(stage.model, [images[index] for index in hinted])
    wanted = [hints[index] for index in hinted]
    outlines = pool.segmenter(stage.model).segment(embeddings, wanted, stage.options)
    outlined = list(hints)
    for index, of_image in zip(hinted, outlines, strict=True):
        pairs = zip(hints[index], of_image, strict=True)
        outlined[index] = tuple(
            _with_outline(hint, outline, stage.model) for hint, outline in pairs
        )
    return outlined


def _with_outline(hint: Hint, outline: Outline, model: str) -> Hint:
    """The hint with its mask. The score stays the finder's, where it gave one."""
    score = outline.score if hint.score is None else hint.score
    return replace(hint, mask=outline.mask, score=score, source=(*hint.source, model))


def _annotation_from_hint(hint: Hint) -> Annotation:
    """An object with the box that was found; its mask may stick out of it until it is refined."""
    box: Box = hint.box_xyxy or (hint.mask.box_xyxy if hint.mask is not None else (0, 0, 0, 0))
    return Annotation(
        label=hint.label,
        box_xyxy=box,
        score=hint.score,
        mask=hint.mask,
        track=hint.track,
        source=hint.source,
    )
