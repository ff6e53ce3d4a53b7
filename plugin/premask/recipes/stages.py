"""One batch of images through a recipe's five stages."""

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
from premask.recipes.prompt_check import require_masks_of_size, require_usable_prompts
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
        require_masks_of_size(asked, image.size_hw)
    if recipe.mattes_whole_images and recipe.matte is not None:
        subjects = matte_subjects(images, recipe.matte, pool)
        picked = [chosen(each, recipe.select) for each in subjects]
        return [refine_subjects(each, recipe.matte, recipe.refine) for each in picked]
    outlined = _found_and_outlined(images, prompts, recipe, pool)
    refined = [_refined(chosen(each, recipe.select), recipe.refine) for each in outlined]
    if recipe.matte is None:
        return refined
    return matte_objects(images, refined, recipe.matte, pool)


def _found_and_outlined(
    images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
) -> list[Annotations]:
    def look(images: Sequence[Image], prompts: Sequence[Prompts]) -> list[Annotations]:
        return _outline(images, _find(images, prompts, recipe.find, pool), recipe.outline, pool)

    if recipe.find is None or not recipe.find.tile:
        return look(images, prompts)
    tiling = Tiling(side=recipe.find.tile, overlap=recipe.find.overlap, whole=recipe.find.whole)
    return [
        look_in_tiles(image, each, tiling, look)
        for image, each in zip(images, prompts, strict=True)
    ]


def _refined(annotations: Annotations, settings: Refine) -> Annotations:
    """What refining leaves, in boxes that fit their masks."""
    return tuple(
        each if each.mask is None else replace(each, box_xyxy=each.mask.box_xyxy)
        for each in refine(annotations, settings)
    )


def _find(
    images: Sequence[Image], prompts: Sequence[Prompts], find: FindStage | None, pool: ModelPool
) -> list[tuple[Hint, ...]]:
    if find is None:
        return [each.hints() for each in prompts]
    found = pool.finder(find.model).find(images, [find.asked(own) for own in prompts], find.options)
    return [tuple(_named(hint, find) for hint in hints) for hints in found]


def _named(hint: Hint, find: FindStage) -> Hint:
    return replace(hint, label=find.label or hint.label, source=(*hint.source, find.model))


def _outline(
    images: Sequence[Image],
    hints: Sequence[tuple[Hint, ...]],
    outline: OutlineStage | None,
    pool: ModelPool,
) -> list[Annotations]:
    if outline is not None:
        hints = _outlined(images, hints, outline, pool)
    return [tuple(_from_hint(hint) for hint in each) for each in hints]


def _outlined(
    images: Sequence[Image],
    hints: Sequence[tuple[Hint, ...]],
    outline: OutlineStage,
    pool: ModelPool,
) -> list[tuple[Hint, ...]]:
    """The hints with their masks. An image without hints is not even looked at."""
    hinted = [index for index, each in enumerate(hints) if each]
    embeddings = pool.embed(outline.model, [images[index] for index in hinted])
    wanted = [hints[index] for index in hinted]
    shapes = pool.segmenter(outline.model).segment(embeddings, wanted, outline.options)
    outlined = list(hints)
    for index, shapes_of_one in zip(hinted, shapes, strict=True):
        pairs = zip(hints[index], shapes_of_one, strict=True)
        outlined[index] = tuple(_shaped(hint, shape, outline.model) for hint, shape in pairs)
    return outlined


def _shaped(hint: Hint, shape: Outline, model: str) -> Hint:
    """The score stays the finder's, where it gave one."""
    score = shape.score if hint.score is None else hint.score
    return replace(hint, mask=shape.mask, score=score, source=(*hint.source, model))


def _from_hint(hint: Hint) -> Annotation:
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
