"""Hints -> the input of SAM and its relatives: points, labels, boxes, low-resolution masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from premask.errors import UnsupportedPrompt
from premask.geometry import Box, box_area, clip_box
from premask.masks import Mask
from premask.models.parts.mask_logits import Canvas, logits_from_mask
from premask.prompts import Hint, Point

Kind = tuple[int, bool, bool]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectPrompt:
    """One object, in pixels of the network's square; `rough` are logits (h, w)."""

    points_xy: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box_xyxy: Box | None = None
    rough: torch.Tensor | None = None

    @property
    def kind(self) -> Kind:
        """Prompts of one kind go into one call without padding, which would change the results."""
        return len(self.labels), self.box_xyxy is not None, self.rough is not None

    @property
    def is_ambiguous(self) -> bool:
        """A click alone may mean a part, a thing, or a group of things."""
        return self.kind == (1, False, False)


def prompt_of(hint: Hint, canvas: Canvas, low_side: int) -> ObjectPrompt | None:
    """The prompt for a hint; None where its box or mask covers no pixel of the image."""
    rough, box_xyxy = checked_mask(hint, canvas), _known_box(hint)
    if box_xyxy is not None and not box_area(clip_box(box_xyxy, canvas.size_hw)):
        return None
    return ObjectPrompt(
        points_xy=tuple(_on_canvas(point, canvas) for point in hint.points),
        labels=tuple(int(point.positive) for point in hint.points),
        box_xyxy=box_xyxy and _box_on_canvas(box_xyxy, canvas),
        rough=rough and logits_from_mask(rough, canvas, low_side),
    )


def click(x: float, y: float, canvas: Canvas) -> ObjectPrompt:
    """A positive point at (x, y) pixels of the image."""
    return ObjectPrompt(points_xy=(_on_canvas(Point(x=x, y=y), canvas),), labels=(1,))


def prompt_tensors(
    prompts: Sequence[ObjectPrompt], device: torch.device, *, one_image: bool
) -> dict[str, torch.Tensor]:
    """The arguments of a forward pass for prompts of one kind.

    Their first two dimensions are (1, n) for n objects of one image, else (n, 1).
    """
    first = prompts[0]
    values: dict[str, torch.Tensor] = {}
    if first.labels:
        values["input_points"] = torch.tensor(
            [prompt.points_xy for prompt in prompts], dtype=torch.float32
        )
        values["input_labels"] = torch.tensor([prompt.labels for prompt in prompts])
    if first.box_xyxy is not None:
        values["input_boxes"] = torch.tensor(
            [prompt.box_xyxy for prompt in prompts], dtype=torch.float32
        )
    axis = 0 if one_image else 1
    tensors = {name: value.unsqueeze(axis).to(device) for name, value in values.items()}
    if first.rough is not None:
        rough = [prompt.rough for prompt in prompts if prompt.rough is not None]
        tensors["input_masks"] = torch.stack(rough)[:, None].to(device)
    return tensors


def _known_box(hint: Hint) -> Box | None:
    """The hint's box, else the mask's, unless a positive click may extend the object beyond it."""
    if hint.box_xyxy is not None or any(point.positive for point in hint.points):
        return hint.box_xyxy
    if hint.mask is None:
        raise UnsupportedPrompt(
            "The model needs to know where the object is: add a positive point, a box or a mask."
        )
    return hint.mask.box_xyxy


def checked_mask(hint: Hint, canvas: Canvas) -> Mask | None:
    """The hint's rough mask, if it has a pixel; raises if it is of an image of another size."""
    if hint.mask is not None and hint.mask.size_hw != canvas.size_hw:
        raise UnsupportedPrompt(
            f"The rough mask has (height, width) {hint.mask.size_hw}, but the image "
            f"{canvas.size_hw}. Send the mask of this image."
        )
    return hint.mask if hint.mask is not None and hint.mask.area else None


def _on_canvas(point: Point, canvas: Canvas) -> tuple[float, float]:
    height, width = canvas.size_hw
    if not (0 <= point.x <= width and 0 <= point.y <= height):
        raise UnsupportedPrompt(
            f"The point ({point.x:g}, {point.y:g}) is not on the image of {width} x {height} "
            "pixels. Points are x, y in pixels of the upright image."
        )
    across, down = canvas.scale_xy
    return point.x * across, point.y * down


def _box_on_canvas(box_xyxy: Box, canvas: Canvas) -> Box:
    x0, y0, x1, y1 = clip_box(box_xyxy, canvas.size_hw)
    across, down = canvas.scale_xy
    return x0 * across, y0 * down, x1 * across, y1 * down
