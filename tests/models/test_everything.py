from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from torchvision.ops import nms
from transformers import SamImageProcessor, pipeline

from premask.images import read_image
from premask.masks import Mask
from premask.models.options import EverythingOptions
from premask.models.parts import everything
from premask.models.parts.everything import find_everything
from premask.models.parts.mask_logits import (
    Canvas,
    boxes_around,
    masks_and_stabilities,
    masks_from_logits,
)
from premask.models.parts.rivalry import Rivalry
from premask.models.parts.sam_prompts import ObjectPrompt
from premask.prompts import Hint, Prompts
from tests.models.mask_shapes import canvases, shapes
from tests.models.promptable_checkpoints import TIES, TINY, load, photos, pixels_apart

SIZE_HW = (300, 400)
CANVAS = Canvas(side=128, size_hw=SIZE_HW, covered_hw=(96, 128))
LOW = 32
OPTIONS = EverythingOptions(points_per_side=8, min_score=0.5, min_stability=0.8)


def blobs(prompts: Sequence[ObjectPrompt]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stands for a network: a small, a middling and a large disc near each click, some blurred."""
    places = torch.tensor([prompt.points_xy[0] for prompt in prompts]) * LOW / 128
    rows, columns = torch.meshgrid(torch.arange(LOW), torch.arange(LOW), indexing="ij")
    # Clicks of one cell mean the same object, so there are duplicates to drop.
    centers = (places / 6).round() * 6
    away = torch.hypot(rows - centers[:, 1, None, None], columns - centers[:, 0, None, None])
    # No matrix product: its rounding depends, on some CPUs, on how many clicks there are.
    phase = (places * torch.tensor([1.7, 2.9])).sum(dim=1)
    wobble = torch.sin(phase)
    logits = torch.stack([(radius + wobble[:, None, None]) - away for radius in (3, 5, 9)], dim=1)
    sharpness = 3 + 2.5 * torch.cos(3 * phase)
    scores = 0.5 + 0.5 * torch.sin(phase[:, None] * torch.tensor([2.0, 5.0, 7.0]))
    return logits * sharpness[:, None, None, None], scores


def grid(points_per_side: int) -> list[ObjectPrompt]:
    """Segment Anything's `build_point_grid`, in pixels of the square."""
    offset = 1 / (2 * points_per_side)
    points = np.linspace(offset, 1 - offset, points_per_side)
    across, down = np.meshgrid(points, points)
    xy = np.stack([across, down], axis=-1).reshape(-1, 2) * (128, 96)
    return [ObjectPrompt(points_xy=((x, y),), labels=(1,)) for x, y in xy.tolist()]


def found(options: EverythingOptions, clicks_at_once: int = 10) -> list[Hint]:
    return find_everything(blobs, CANVAS, options, clicks_at_once)


def masks_of(hints: Sequence[Hint]) -> list[Mask]:
    return [hint.mask for hint in hints if hint.mask is not None]


def published(options: EverythingOptions) -> list[tuple[Mask, float]]:
    """The same clicks by transformers' own filters and torchvision's suppression."""
    processor = SamImageProcessor(
        size={"longest_edge": 128}, pad_size={"height": 128, "width": 128}
    )
    logits, scores = blobs(grid(options.points_per_side))
    (full,) = processor.post_process_masks([logits], [SIZE_HW], [(96, 128)], binarize=False)
    runs, kept_scores, boxes = processor.filter_masks(
        full,
        scores,
        SIZE_HW,
        [0, 0, SIZE_HW[1], SIZE_HW[0]],
        options.min_score,
        options.min_stability,
    )
    # There, upper bounds are inclusive, so that a line of one pixel has no area.
    boxes = boxes.float() + torch.tensor([0, 0, 1, 1])
    best = nms(boxes, kept_scores, options.nms).tolist()
    # Its run lengths are those of COCO.
    return [(Mask.from_rle(runs[index]), float(kept_scores[index])) for index in best]


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0])
def test_what_is_kept_is_what_the_published_rule_keeps(threshold: float) -> None:
    options = replace(OPTIONS, nms=threshold)
    expected, hints = published(options), found(options)
    assert 5 < len(expected) < 150
    assert [hint.score for hint in hints] == pytest.approx([score for _, score in expected])
    # Equal scores may come in another order.
    assert set(masks_of(hints)) == {mask for mask, _ in expected}


@pytest.mark.parametrize("clicks_at_once", [1, 64])
def test_nothing_depends_on_how_many_clicks_go_at_once(clicks_at_once: int) -> None:
    assert found(OPTIONS, clicks_at_once) == found(OPTIONS)


def test_each_object_has_its_box_its_score_and_a_name() -> None:
    hints = found(OPTIONS)
    assert {hint.label for hint in hints} == {"object"}
    assert [hint.score for hint in hints] == sorted(
        (hint.score or 0 for hint in hints), reverse=True
    )
    assert [hint.box_xyxy for hint in hints] == [mask.box_xyxy for mask in masks_of(hints)]


def test_small_masks_can_be_left_out() -> None:
    smallest = min(mask.area for mask in masks_of(found(OPTIONS)))
    without = found(replace(OPTIONS, min_area=smallest + 1))
    assert len(without) == len(found(OPTIONS)) - 1
    assert all(mask.area > smallest for mask in masks_of(without))


def test_an_unstable_mask_is_left_out() -> None:
    assert len(found(replace(OPTIONS, min_stability=0.9))) < len(found(OPTIONS))
    assert found(replace(OPTIONS, min_stability=1)) == []


def test_duplicates_can_be_told_by_their_masks() -> None:
    """A ring around a disc has nearly its box, and none of its pixels."""

    def ring_and_disc(prompts: Sequence[ObjectPrompt]) -> tuple[torch.Tensor, torch.Tensor]:
        rows, columns = torch.meshgrid(torch.arange(LOW), torch.arange(LOW), indexing="ij")
        disc = 7.5 - torch.hypot(rows - 12.0, columns - 16.0)
        ring = 2 - (torch.hypot(rows - 12.0, columns - 16.0) - 8).abs()
        logits = 20 * torch.stack([disc, ring]).expand(len(prompts), 2, LOW, LOW)
        return logits, torch.tensor([[0.9, 0.8]]).expand(len(prompts), 2)

    options = replace(OPTIONS, points_per_side=2, nms=0.5)
    by_box, by_mask = (
        find_everything(ring_and_disc, CANVAS, replace(options, nms_by=by), 64)
        for by in ("box", "mask")
    )
    assert (len(by_box), len(by_mask)) == (1, 2)


def test_the_grid_covers_the_image_however_it_lies_in_the_square() -> None:
    seen: list[tuple[float, float]] = []

    def remembered(prompts: Sequence[ObjectPrompt]) -> tuple[torch.Tensor, torch.Tensor]:
        seen.extend(prompt.points_xy[0] for prompt in prompts)
        return torch.zeros(len(prompts), 3, LOW, LOW), torch.zeros(len(prompts), 3)

    options = replace(OPTIONS, points_per_side=2)
    for canvas in (CANVAS, replace(CANVAS, covered_hw=None)):
        find_everything(remembered, canvas, options, 64)
    assert seen == [(32, 24), (96, 24), (32, 72), (96, 72), (32, 32), (96, 32), (32, 96), (96, 96)]


@pytest.mark.parametrize("family", TINY)
def test_a_network_finds_what_transformers_pipeline_finds(
    family: str, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    """On a square: on others, transformers' pipeline (5.23) scales SAM 2's clicks as SAM's."""
    TINY[family].build(tmp_path)
    rgb = np.ascontiguousarray(astronaut[::2, ::2])
    options = EverythingOptions(points_per_side=3, min_score=0.002, min_stability=0, nms=1)
    segmenter = load(family, tmp_path)
    (hints,) = segmenter.find(segmenter.embed([read_image(rgb)]), [Prompts()], options)
    generate: Any = pipeline("mask-generation", model=str(tmp_path), device="cpu")
    expected = generate(
        PIL.Image.fromarray(rgb),
        points_per_crop=3,
        pred_iou_thresh=options.min_score,
        stability_score_thresh=options.min_stability,
        crops_nms_thresh=options.nms,
    )
    assert len(hints) == len(expected["masks"]) > 3
    assert [hint.score for hint in hints] == pytest.approx(expected["scores"].tolist(), abs=1e-5)
    theirs = [Mask.from_array(pixels) for pixels in expected["masks"]]
    for mask in masks_of(hints):
        assert min(pixels_apart(mask, other) for other in theirs) <= TIES


def test_an_image_of_its_own_for_each_embedding(tmp_path: Path) -> None:
    TINY["sam2"].build(tmp_path)
    segmenter, images = load("sam2", tmp_path), photos()
    options = EverythingOptions(points_per_side=1, min_score=0, min_stability=0)
    together = segmenter.find(segmenter.embed(images), [Prompts()] * 3, options)
    assert [masks_of(hints)[0].size_hw for hints in together] == [image.size_hw for image in images]
    for image, hints in zip(images, together, strict=True):
        (alone,) = segmenter.find(segmenter.embed([image]), [Prompts()], options)
        for mask, other in zip(masks_of(hints), masks_of(alone), strict=True):
            assert pixels_apart(mask, other) <= TIES


def discs(prompts: Sequence[ObjectPrompt]) -> tuple[torch.Tensor, torch.Tensor]:
    """Some twenty discs of many sizes, found by every click near them, more or less surely."""
    side = 4 * LOW
    generator = torch.Generator().manual_seed(4)
    centers = torch.rand(20, 2, generator=generator) * side
    radii = 3 + 30 * torch.rand(20, generator=generator)
    places = torch.tensor([prompt.points_xy[0] for prompt in prompts])
    away = torch.hypot(*(places[:, None] - centers).unbind(-1))
    nearest = (away - radii).topk(3, largest=False).indices
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    x, y = (centers[nearest][..., axis, None, None] for axis in (0, 1))
    wobble = torch.sin(places.sum(dim=1) * 7)[:, None] * torch.tensor([1.0, -0.9, 0.5])
    logits = (radii[nearest] + wobble / 2)[..., None, None] - torch.hypot(rows - y, columns - x)
    return logits * (3 + 2 * wobble)[..., None, None], 0.85 + 0.15 * wobble


@pytest.mark.parametrize(
    ("canvas", "threshold"),
    [
        (replace(CANVAS, side=512, covered_hw=(384, 512)), 0.7),
        (Canvas(side=128, size_hw=(200, 300)), 0.0),
        (Canvas(side=128, size_hw=(200, 300)), 0.3),
        (Canvas(side=128, size_hw=(200, 300)), 0.7),
        (Canvas(side=128, size_hw=(50, 60)), 0.7),
        (Canvas(side=128, size_hw=(20, 15), covered_hw=(128, 96)), 0.7),
    ],
    ids=str,
)
def test_what_is_never_enlarged_changes_nothing(
    canvas: Canvas, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against all masks enlarged, and then the same rule: bit by bit."""
    enlarged: list[int] = []

    def counted(logits: torch.Tensor, *rest: Any) -> Any:
        enlarged.append(len(logits))
        return masks_and_stabilities(logits, *rest)

    monkeypatch.setattr(everything, "masks_and_stabilities", counted)
    options = replace(OPTIONS, points_per_side=10, min_score=0.75, nms=threshold)
    hints = find_everything(discs, canvas, options, 64)
    some, turns = sum(enlarged), len(enlarged)
    monkeypatch.setattr(Rivalry, "_surely_doubled_by", lambda rivalry, place: np.False_)
    enlarged.clear()
    assert find_everything(discs, canvas, options, 64) == hints
    assert 1 < len(hints) < some <= sum(enlarged)
    if canvas.covered_hw is None and min(canvas.size_hw) > 100:
        assert some < sum(enlarged) / 2
        assert turns < 20


@pytest.mark.parametrize("canvas", canvases(), ids=str)
@pytest.mark.parametrize("shape", shapes())
def test_boxes_are_where_they_are_said_to_be(canvas: Canvas, shape: str) -> None:
    logits = shapes()[shape][None]
    (outer,), (inner,) = boxes_around(logits, canvas)
    (mask,) = masks_from_logits(logits, [canvas])
    x0, y0, x1, y1 = mask.box_xyxy
    if mask.area:
        assert (outer <= (x0, y0, x1, y1))[:2].all()
        assert (outer >= (x0, y0, x1, y1))[2:].all()
    if inner[0] < inner[2]:
        assert x0 <= inner[0]
        assert x1 >= inner[2]
    if inner[1] < inner[3]:
        assert y0 <= inner[1]
        assert y1 >= inner[3]
