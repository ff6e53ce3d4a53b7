"""What the tests of Label Studio's editor compare: what is drawn, submitted, pulled, and meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import premask
from premask.annotations import Annotation
from premask.geometry import pixels_of_percent
from premask.images import read_image
from premask.prompts import Point, Prompts
from premask.recipes.recipe import Recipe
from tests.e2e.label_studio_backend import pulled
from tests.e2e.label_studio_editor import Editor
from tests.e2e.programs import until

Json = dict[str, Any]

DRAWN_SECONDS = 20


def annotated(photo: Path, recipe: Recipe, prompts: Prompts | None = None) -> Annotation:
    """What premask finds without Label Studio."""
    ((found,),) = (
        labeled.annotations for labeled in premask.label([photo], recipe, prompts=prompts)
    )
    return found


def points_of(regions: list[Json]) -> Prompts:
    """The points of a call, in pixels of the photo."""
    points = []
    for region in regions:
        size_hw = (region["original_height"], region["original_width"])
        x, y = pixels_of_percent((region["value"]["x"], region["value"]["y"]), size_hw)
        points.append(Point(x=x, y=y, positive=region["is_positive"], label="suit"))
    return Prompts(points=tuple(points))


def assert_drawn(
    editor: Editor,
    photo: Path,
    annotation: Annotation,
    *,
    besides: int = 0,
    beside: Annotation | None = None,
) -> None:
    """On the screen, the pixels of the object differ from the photo, and no others do.

    Pixels of a soft edge may be either; `besides` says how many others may differ, and those of
    the box `beside` it, and of its handles, are not looked at.
    """
    assert annotation.mask is not None
    rgb = read_image(photo).rgb
    hard = np.where(annotation.mask.to_array(), 255, 0)
    alpha = hard if annotation.matte is None else annotation.matte.to_array()

    def is_drawn() -> bool:
        changed = (editor.photo() != rgb).any(axis=2)
        if beside is not None:
            x0, y0, x1, y1 = (int(side) for side in beside.box_xyxy)
            changed[max(y0 - 10, 0) : y1 + 10, max(x0 - 10, 0) : x1 + 10] = False
        missing, wrong = (~changed & (alpha == 255)).sum(), (changed & (alpha == 0)).sum()
        return bool(missing == 0 and wrong <= besides)

    assert until(is_drawn, DRAWN_SECONDS)


def types_of(annotations: list[Json]) -> list[str]:
    """The types of the regions and choices in the only annotation."""
    (annotation,) = annotations
    return [region["type"] for region in annotation["result"]]


def only_pulled(project: int, folder: Path, environment: dict[str, str]) -> Annotation:
    ((found,),) = (
        labeled.annotations for labeled in pulled(project, folder / "pulled", environment)
    )
    return found


def assert_same(one: Annotation, other: Annotation) -> None:
    """The same class, and the same in every pixel."""
    assert (one.label, one.mask, one.matte) == (other.label, other.mask, other.matte)
