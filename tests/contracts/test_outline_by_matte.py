"""Any model that outlines with any that mattes: two boxes that touch share their pixels."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.models.pool import ModelPool
from premask.models.registry import FAMILIES
from premask.prompts import BoxPrompt, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.pipeline import label
from premask.settings import settings_of
from premask.shaping.morphology import grow, shrink
from tests.tiny import LOOSE, TinyModels, hub_families

# Families whose weights need no hub, by a checkpoint of theirs.
NAMES = {"u2net": "u2netp", "closed-form": "closed-form", "grabcut": "grabcut"}
OUTLINES = [name for name, family in FAMILIES.items() if "outline" in family.stages]
MATTES = [name for name, family in FAMILIES.items() if "matte" in family.stages]
PAIRS = list(itertools.product(OUTLINES, MATTES))
REACH = 0.05

HEAD = BoxPrompt(box_xyxy=(85, 20, 145, 100), label="head")
SUIT = BoxPrompt(box_xyxy=(20, 90, 220, 250), label="suit")


@pytest.mark.parametrize(("outline", "matte"), PAIRS)
def test_it_is_exact_beyond_the_band_and_adds_up_to_one(
    outline: str,
    matte: str,
    astronaut: NDArray[np.uint8],
    pool: ModelPool,
    tiny: TinyModels,
    tmp_path: Path,
) -> None:
    photo = np.ascontiguousarray(astronaut[::2, ::2])
    # What models of random weights outline would else be all of the image.
    shape = f'outline = {{ model = "{named(outline, tiny)}" }}\nrefine = {{ inside_box = true }}'
    edge = f'matte = {{ model = "{named(matte, tiny)}", reach = {REACH}{smaller(matte)} }}'
    hard = annotated(shape, photo, pool, tmp_path)
    soft = annotated(f"{shape}\n{edge}", photo, pool, tmp_path)
    assert [annotation.label for annotation in soft] == ["head", "suit"]
    total = np.zeros(photo.shape[:2], np.int64)
    for before, after in zip(hard, soft, strict=True):
        assert before.mask is not None
        assert after.matte is not None
        alpha, radius = after.matte.to_array(), max(1, round(REACH * before.mask.area**0.5))
        others = [other.mask for other in hard if other is not before and other.mask is not None]
        own = before.mask.difference(*others)
        assert (alpha[shrink(own, radius).to_array()] == 255).all()
        assert not alpha[~grow(before.mask, radius).to_array()].any()
        assert after.mask == after.matte.mask()
        assert after.source[-1].startswith(named(matte, tiny))
        total += alpha
    assert total.max() <= 255


def named(family: str, tiny: TinyModels) -> str:
    if family in hub_families():
        return tiny[family]
    assert family in NAMES, f"Say in NAMES which checkpoint stands for the family '{family}'."
    return NAMES[family]


def smaller(family: str) -> str:
    """So small that a CPU need not be waited for."""
    known = settings_of(FAMILIES[family].options_type("matte"))
    return "".join(f", {name} = {LOOSE[name]}" for name in ("width", "height") if name in known)


def annotated(
    stages: str, photo: NDArray[np.uint8], pool: ModelPool, folder: Path
) -> tuple[Annotation, ...]:
    path = folder / "both.toml"
    path.write_text(f"[both]\n{stages}\n")
    prompts = Prompts(boxes=(HEAD, SUIT))
    (labeled,) = label([photo], recipe_of(str(path)), prompts=prompts, pool=pool)
    assert labeled.error is None
    return labeled.annotations
