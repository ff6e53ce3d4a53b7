"""One batch of images through a recipe's five stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from premask.annotations import Annotation
from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.catalog import checkpoint_of
from premask.models.pool import ModelPool
from premask.prompts import Hint, Phrase, Prompts
from premask.recipes.matting import matte_objects, matte_subjects, refine_subjects
from premask.recipes.recipe import FindStage, OutlineStage, Recipe
from premask.recipes.tiling import Tiling, look_in_tiles
from premask.shaping.refine import Refine, refine
from premask.shaping.select import chosen

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


def _require_usable(image: Image, prompts: Prompts, recipe: Recipe) -> None:
    """A prompt that nobody would listen to is a mistake; say so instead of ignoring it."""
    for mask in (prompts.mask, *(each.mask for each in prompts.objects)):
        _require_same_size(mask, image)
    pointed = bool(prompts.points or prompts.boxes or prompts.mask or prompts.objects)
    if recipe.find is None and recipe.outline is not None:
        if not pointed:
            raise UnsupportedPrompt(
                f"The recipe '{recipe.name}' needs you to say where: give points, boxes or a mask."
            )
    elif recipe.models and pointed:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' finds its objects itself and can't use points, boxes or "
            "a mask. Use a recipe without a find stage, such as 'click'."
        )
    understood = checkpoint_of(recipe.find.model).kind.prompts if recipe.find else ()
    for kind in ("phrases", "exemplars"):
        if getattr(prompts, kind) and kind not in understood:
            raise UnsupportedPrompt(f"The recipe '{recipe.name}' can't use {kind}.")
    if recipe.find and recipe.find.tile and prompts.exemplars:
        raise UnsupportedPrompt(
            "Exemplars lie in one tile only, so they can't be used with find.tile. Set it to 0."
        )


def _require_same_size(mask: Mask | None, image: Image) -> None:
    if mask is not None and mask.size_hw != image.size_hw:
        raise UnsupportedPrompt(
            f"The rough mask has (height, width) {mask.size_hw}, but the upright image "
            f"{image.size_hw}. Make the mask on the image as it is shown."
        )


def _find(
    images: Sequence[Image], prompts: Sequence[Prompts], find: FindStage | None, pool: ModelPool
) -> list[tuple[Hint, ...]]:
    if find is None:
        return [each.hints() for each in prompts]
    found = pool.finder(find.model).find(
        images, [_asked(each, find) for each in prompts], find.options
    )
    return [tuple(_named(hint, find) for hint in hints) for hints in found]


def _asked(prompts: Prompts, find: FindStage) -> Prompts:
    """What the person asks for, or else what the recipe does."""
    if prompts.phrases or prompts.exemplars:
        return prompts
    return replace(prompts, phrases=tuple(Phrase(text=text) for text in find.phrases))


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
