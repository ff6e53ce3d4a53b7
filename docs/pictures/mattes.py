"""The pictures of mattes in the documentation, by the models that need no hub: run me to redraw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import skimage.data
from numpy.typing import NDArray

from premask import Annotation, BoxPrompt, Labeled, Prompts, label
from premask.geometry import IntBox
from premask.images import Image, Rgb
from premask.labels.cutout import on_color
from premask.masks import Mask
from premask.models.pool import ModelPool
from premask.recipes.matting import matte_objects
from premask.recipes.recipe import recipe_of
from premask.report.draw import cutout_on_checkerboard, overlay
from premask.shaping.foreground import estimate_foreground
from premask.shaping.maps import alpha_map
from premask.shaping.refine import Refine

HERE = Path(__file__).parent
GREEN = (60, 160, 90)
GAP = 6
WIDTH = 480

# How far the one person of the montage stands from the other, in pixels.
STEP = 330

CUP = BoxPrompt(box_xyxy=(165, 12, 415, 290), label="cup")
SAUCER = BoxPrompt(box_xyxy=(70, 55, 490, 385), label="saucer")

ASTRONAUT_HAIR = (120, 0, 330, 150)
CAT_FUR = (240, 0, 450, 150)

Picture = NDArray[np.uint8]


def draw_all() -> None:
    """Draw each sheet beside this file."""
    pool = ModelPool()
    _save("edges.jpg", edges(pool))
    _save("touching.jpg", touching(pool))


def edges(pool: ModelPool) -> list[list[Picture]]:
    """A photo's detail; the model's own alpha, and that of closed-form matting; both on green."""
    return [
        _edge_row(skimage.data.astronaut(), ASTRONAUT_HAIR, pool),
        _edge_row(skimage.data.chelsea(), CAT_FUR, pool),
    ]


def touching(pool: ModelPool) -> list[list[Picture]]:
    """Two objects that touch: the photo, their masks, and what each one's matte cuts out."""
    return [_cup_and_saucer(pool), _two_people(pool)]


def _edge_row(photo: Picture, detail: IntBox, pool: ModelPool) -> list[Picture]:
    raw, refined = (_only(photo, name, pool) for name in ("subject", "subject-cutout"))
    pictures = [photo, _alpha(raw), _alpha(refined), on_color(raw, GREEN), on_color(refined, GREEN)]
    size_wh = (2 * (detail[2] - detail[0]), 2 * (detail[3] - detail[1]))
    return [
        np.asarray(PIL.Image.fromarray(picture).crop(detail).resize(size_wh))
        for picture in pictures
    ]


def _cup_and_saucer(pool: ModelPool) -> list[Picture]:
    recipe = replace(
        recipe_of("click"),
        refine=Refine(overlaps="order", largest_part=True),
        matte=recipe_of("subject-cutout").matte,
    )
    boxes = Prompts(boxes=(CUP, SAUCER))
    (labeled,) = label([skimage.data.coffee()], recipe, prompts=boxes, pool=pool)
    return _objects_row(labeled)


def _two_people(pool: ModelPool) -> list[Picture]:
    """A montage of one photo with itself, so that the two of them touch."""
    person = _only(skimage.data.astronaut(), "subject-cutout", pool)
    masks, scene = _montage(person)
    people = tuple(
        Annotation(label=name, box_xyxy=mask.box_xyxy, mask=mask)
        for name, mask in zip(("behind", "in front"), masks, strict=True)
    )
    image, matte = Image.from_rgb(scene, name="montage"), recipe_of("subject").matte
    assert matte is not None
    (matted,) = matte_objects([image], [people], matte, pool)
    return _objects_row(Labeled(image=image, annotations=matted))


def _montage(person: Labeled) -> tuple[list[Mask], Rgb]:
    """The same person twice before a wall, and which pixels are mostly whose."""
    alpha = alpha_map(person.annotations, person.image.size_hw)
    colors = estimate_foreground(person.image.rgb, alpha)
    height, width = person.image.size_hw
    wall = PIL.Image.fromarray(skimage.data.brick()).convert("RGB").resize((width + STEP, height))
    behind, in_front = (np.zeros((height, width + STEP, 1)) for _ in range(2))
    behind[:, :width, 0], in_front[:, STEP:, 0] = alpha / 255, alpha[:, ::-1] / 255
    left, right = np.zeros((2, height, width + STEP, 3))
    left[:, :width], right[:, STEP:] = colors, colors[:, ::-1]
    scene = np.asarray(wall) * (1 - behind) + left * behind
    scene = scene * (1 - in_front) + right * in_front
    masks = [Mask.from_array(part[..., 0] >= 0.5) for part in (behind * (1 - in_front), in_front)]
    return masks, np.rint(scene).astype(np.uint8)


def _only(photo: Picture, recipe: str, pool: ModelPool) -> Labeled:
    (labeled,) = label([photo], recipe, pool=pool)
    return labeled


def _alpha(labeled: Labeled) -> Picture:
    alpha = alpha_map(labeled.annotations, labeled.image.size_hw)
    return np.repeat(alpha[..., np.newaxis], 3, axis=2)


def _objects_row(labeled: Labeled) -> list[Picture]:
    """The photo, what is whose, and each object alone."""
    alone = [
        cutout_on_checkerboard(replace(labeled, annotations=(annotation,)), max_side=WIDTH)
        for annotation in labeled.annotations
    ]
    photo = replace(labeled, annotations=())
    drawn = [overlay(photo, max_side=WIDTH), overlay(labeled, max_side=WIDTH), *alone]
    return [np.asarray(picture) for picture in drawn]


def _save(name: str, rows: Sequence[Sequence[Picture]]) -> None:
    """Rows of pictures with white gaps between them."""
    lines = [np.concatenate([_framed(picture) for picture in row], axis=1) for row in rows]
    sheet = PIL.Image.fromarray(np.concatenate(lines))
    sheet.save(HERE / name, quality=88)


def _framed(picture: Picture) -> Picture:
    return np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    draw_all()
