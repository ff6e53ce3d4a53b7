"""SAM and HQ-SAM: our results are those of the call sequences that transformers documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import SamHQModel, SamHQProcessor, SamModel, SamProcessor

from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.options import SamHqOptions
from premask.models.parts.mask_logits import logits_from_mask
from premask.models.parts.promptable import PromptableSegmenter
from premask.prompts import Hint
from tests.models.promptable_checkpoints import (
    BESIDE,
    BOX,
    CLICK,
    TIES,
    TINY,
    assert_same,
    boxed,
    click,
    clicked,
    load,
    outline,
    photos,
    pixels_apart,
    rough,
)

CLASSES = {"sam": (SamModel, SamProcessor), "sam-hq": (SamHQModel, SamHQProcessor)}


class Library:
    """One of the two, asked as its documentation says."""

    def __init__(self, family: str, folder: Path) -> None:
        model_class, processor_class = CLASSES[family]
        self.model = model_class.from_pretrained(folder).eval()
        self.processor = processor_class.from_pretrained(folder)

    def outlines(
        self, image: Image, multimask: bool, masks: torch.Tensor | None = None, **prompts: Any
    ) -> list[Outline]:
        """The best mask of each object."""
        own = {name: prompts.pop(name) for name in ("hq_token_only",) if name in prompts}
        inputs = self.processor(images=np.array(image.rgb), return_tensors="pt", **prompts)
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        with torch.inference_mode():
            output = self.model(**inputs, input_masks=masks, multimask_output=multimask, **own)
        (found,) = self.processor.image_processor.post_process_masks(output.pred_masks, *sizes)
        (scores,) = output.iou_scores.clamp(0, 1)
        best = scores.argmax(dim=-1).tolist()
        return [
            Outline(mask=Mask.from_array(of_one[choice].numpy()), score=float(score[choice]))
            for of_one, score, choice in zip(found, scores, best, strict=True)
        ]


@pytest.fixture(params=CLASSES, scope="module")
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(family)
    TINY[family].build(folder)
    return folder


@pytest.fixture(scope="module")
def ours(family: str, folder: Path) -> PromptableSegmenter:
    return load(family, folder)


@pytest.fixture(scope="module")
def library(family: str, folder: Path) -> Library:
    return Library(family, folder)


@pytest.fixture(params=[0, 1, 2], scope="module")
def image(request: pytest.FixtureRequest) -> Image:
    """A wide photo, a wider one, and a tall one."""
    return photos()[int(request.param)]


def test_a_click_gives_the_best_of_three(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    expected = library.outlines(image, True, input_points=[[[[*CLICK]]]], input_labels=[[[1]]])
    assert_same(outline(ours, image, [clicked(click(*CLICK))]), expected)


def test_several_points_give_one_mask(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    expected = library.outlines(
        image, False, input_points=[[[[*CLICK], [*BESIDE]]]], input_labels=[[[1, 0]]]
    )
    hint = clicked(click(*CLICK), click(*BESIDE, positive=False))
    assert_same(outline(ours, image, [hint]), expected)


def test_boxes_give_a_mask_each(ours: PromptableSegmenter, library: Library, image: Image) -> None:
    boxes = [list(BOX), [10.0, 20.0, 100.0, 90.0], [33.0, 5.0, 290.0, 280.5]]
    expected = library.outlines(image, False, input_boxes=[boxes])
    assert_same(outline(ours, image, [boxed((a, b, c, d)) for a, b, c, d in boxes]), expected)


def test_a_box_goes_with_points(ours: PromptableSegmenter, library: Library, image: Image) -> None:
    expected = library.outlines(
        image,
        False,
        input_boxes=[[list(BOX)]],
        input_points=[[[[*CLICK], [*BESIDE]]]],
        input_labels=[[[1, 0]]],
    )
    hint = boxed(BOX, click(*CLICK), click(*BESIDE, positive=False))
    assert_same(outline(ours, image, [hint]), expected)


def test_a_rough_mask_goes_in_as_logits_with_its_box(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    mask = rough(image.size_hw)
    network = ours._network
    low = logits_from_mask(mask, network.canvas(image.size_hw), network.low_side)
    box_xyxy = [float(side) for side in mask.box_xyxy]
    expected = library.outlines(image, False, low[None, None], input_boxes=[[box_xyxy]])
    assert_same(outline(ours, image, [Hint(label="", mask=mask)]), expected)


def test_hq_token_only_leaves_sams_own_mask_out(tmp_path: Path) -> None:
    TINY["sam-hq"].build(tmp_path)
    ours, library, image = load("sam-hq", tmp_path), Library("sam-hq", tmp_path), photos()[0]
    expected = library.outlines(image, False, input_boxes=[[list(BOX)]], hq_token_only=True)
    (alone,) = outline(ours, image, [boxed()], SamHqOptions(hq_token_only=True))
    assert_same([alone], expected)
    (added,) = outline(ours, image, [boxed()], SamHqOptions())
    assert pixels_apart(added.mask, alone.mask) > 10 * TIES
