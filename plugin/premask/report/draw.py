"""Annotations on pixels: masks, boxes and labels over the photo, cut-outs over a checkerboard."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.geometry import Box, IntBox, box_area, box_slices, pixel_box
from premask.masks import HALF, Mask
from premask.report.lettering import Color, draw_tag, fitted, free_spot, tag_size_wh
from premask.shaping.maps import alpha_map

Colored = tuple[Annotation, Color]

FILL = 0.32
"""How much of a mask's color covers the photo inside the outline."""

SHRINK = PIL.Image.Resampling.HAMMING  # no negative lobes: no halos round a cut-out
TILE = 8
TILES = (118, 142)

_CROWD = 15
_SAMPLES = 200
"""Pixels along the longer side that are looked at for the mean color below an object."""

_TOO_NEAR = 110.0
"""Colors that are nearer than this (in RGB, of 441) can't be told apart at a glance."""

_DISK = tuple((y, x) for y in range(5) for x in range(5) if (y - 2) ** 2 + (x - 2) ** 2 <= 4)


def overlay(
    labeled: Labeled, *, max_side: int, own_colors: Sequence[Color] | None = None
) -> PIL.Image.Image:
    """Draw all that was found on the photo, at most `max_side` pixels wide and high.

    By default objects have the colors of `colors_on`.
    """
    size_hw = labeled.image.size_hw
    size_wh = preview_size_wh(size_hw, max_side)
    photo = PIL.Image.fromarray(labeled.image.rgb).resize(size_wh, SHRINK)
    pixels = np.array(photo)
    # Large ones first, so that what is small stays visible.
    colored = list(zip(labeled.annotations, own_colors or colors_on(labeled), strict=True))
    colored.sort(key=lambda pair: -box_area(pair[0].box_xyxy))
    for annotation, color in colored:
        mask = object_mask(annotation)
        if mask is not None:
            paint_mask(pixels, mask, color)
    boxes = [_preview_box(item.box_xyxy, size_hw, size_wh) for item, _ in colored]
    for (annotation, color), box in zip(colored, boxes, strict=True):
        paint_box(pixels, box, color, width=2 if object_mask(annotation) is None else 1)
    picture = PIL.Image.fromarray(pixels)
    _draw_labels(picture, colored, boxes)
    return picture


def cutout_on_checkerboard(labeled: Labeled, *, max_side: int) -> PIL.Image.Image | None:
    """Show the objects alone, soft where they have mattes; None without any mask or matte."""
    if not any(found.mask or found.matte for found in labeled.annotations):
        return None
    alpha = alpha_map(labeled.annotations, labeled.image.size_hw)
    size_wh = preview_size_wh(labeled.image.size_hw, max_side)
    objects = PIL.Image.fromarray(np.dstack((labeled.image.rgb, alpha))).resize(size_wh, SHRINK)
    board = _checkerboard(size_wh)
    board.paste(objects, mask=objects)
    return board


def preview_size_wh(size_hw: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Width and height of an image scaled down, never up, to `max_side`.

    >>> preview_size_wh((600, 1200), 400)
    (400, 200)
    """
    height, width = size_hw
    scale = min(1.0, max_side / max(size_hw))
    return max(1, round(width * scale)), max(1, round(height * scale))


def object_mask(annotation: Annotation) -> Mask | None:
    """The object's mask, or what its matte mostly covers."""
    if annotation.mask is None and annotation.matte is not None:
        return annotation.matte.mask()
    return annotation.mask


def colors(annotations: Sequence[Annotation]) -> list[Color]:
    """Give each object a color of its own, near to that of its label."""
    seen: dict[str, int] = {}
    result = []
    for annotation in annotations:
        nth = seen.get(annotation.label, 0)
        seen[annotation.label] = nth + 1
        result.append(label_color(annotation.label, nth))
    return result


def colors_on(labeled: Labeled) -> list[Color]:
    """The colors of `colors`, except where the photo below an object is of nearly that color."""
    step = max(1, max(labeled.image.size_hw) // _SAMPLES)
    return [
        _standing_out(color, _below(annotation, labeled, step))
        for annotation, color in zip(labeled.annotations, colors(labeled.annotations), strict=True)
    ]


def _below(annotation: Annotation, labeled: Labeled, step: int) -> NDArray[np.float64]:
    """The mean color of the photo below an object, of every `step`th pixel in its box."""
    box = pixel_box(annotation.box_xyxy, labeled.image.size_hw)
    photo = labeled.image.rgb[box_slices(box)][::step, ::step]
    mask = object_mask(annotation)
    covered = np.ones(photo.shape[:2], np.bool_)
    if mask is not None:
        covered &= mask.crop(box)[::step, ::step]
    inside = photo[covered] if covered.any() else photo.reshape(-1, 3)
    return inside.mean(axis=0) if len(inside) else np.full(3, -_TOO_NEAR)


def _standing_out(color: Color, below: NDArray[np.float64]) -> Color:
    """The color, or the first one on its way round the circle that differs enough from `below`."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in color))
    turned = [_rgb(hue + turn / 6, lightness, saturation) for turn in range(1, 6)]
    candidates = [color, *turned]
    distances = [float(np.linalg.norm(np.array(one) - below)) for one in candidates]
    far = (one for one, away in zip(candidates, distances, strict=True) if away >= _TOO_NEAR)
    return next(far, candidates[int(np.argmax(distances))])


def _rgb(hue: float, lightness: float, saturation: float) -> Color:
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def label_color(label: str, nth: int = 0, *, spread: float = 0.1) -> Color:
    """Color of the `nth` object of a label: the same in all images and all runs.

    The hues of a label are one family, a tenth of the circle. In a clip, where it matters who is
    who, they may be spread farther.
    """
    hue = zlib.crc32(label.encode("utf-8", "surrogatepass")) / 2**32
    # Multiples of the golden ratio never meet.
    hue += spread * (nth * 0.618034 % 1.0)
    return _rgb(hue, (0.55, 0.44, 0.66)[nth % 3], 0.85)


def paint_mask(pixels: NDArray[np.uint8], mask: Mask, color: Color) -> None:
    """Blend the color into (height, width, 3) pixels: translucent inside, solid on the outline."""
    height, width = pixels.shape[:2]
    cover, box = _coverage(mask, (width, height))
    if not cover.size:
        return
    # What is too thin to cover half a pixel anywhere would vanish.
    inside = cover >= min(HALF, int(cover.max()))
    opacity = np.where(_outline(inside), 1.0, FILL * (cover / 255.0))[..., None]
    region = pixels[box_slices(box)]
    blended = region * (1.0 - opacity) + np.array(color) * opacity
    region[...] = np.round(blended).astype(np.uint8)


def _coverage(mask: Mask, size_wh: tuple[int, int]) -> tuple[NDArray[np.uint8], IntBox]:
    """How much of each preview pixel the mask covers (h, w; 255 is all), and the crop's box."""
    height, width = mask.size_hw
    box = _preview_box(mask.box_xyxy, mask.size_hw, size_wh)
    x0, y0, x1, y1 = box
    if x0 == x1:
        return np.zeros((0, 0), np.uint8), box
    across, down = width / size_wh[0], height / size_wh[1]
    exact = (x0 * across, y0 * down, x1 * across, y1 * down)
    source = pixel_box(exact, mask.size_hw)
    crop = PIL.Image.fromarray(mask.crop(source).view(np.uint8) * np.uint8(255))
    left, top = source[:2]
    within = (exact[0] - left, exact[1] - top, exact[2] - left, exact[3] - top)
    shrunk = crop.resize((x1 - x0, y1 - y0), PIL.Image.Resampling.BOX, box=within)
    return np.asarray(shrunk), box


def _outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels inside (h, w) that are at most two pixels from one that is not."""
    height, width = inside.shape
    padded = np.pad(inside, 2)
    deep = inside
    for down, right in _DISK:
        deep = deep & padded[down : down + height, right : right + width]
    return inside & ~deep


def _checkerboard(size_wh: tuple[int, int]) -> PIL.Image.Image:
    width, height = size_wh
    odd = (np.arange(height)[:, None] // TILE + np.arange(width) // TILE) % 2
    gray = np.array(TILES, np.uint8)[odd]
    return PIL.Image.fromarray(gray).convert("RGB")


def _preview_box(box_xyxy: Box, size_hw: tuple[int, int], size_wh: tuple[int, int]) -> IntBox:
    """The pixels of the preview that a box of the image touches."""
    across, down = size_wh[0] / size_hw[1], size_wh[1] / size_hw[0]
    x0, y0, x1, y1 = box_xyxy
    return pixel_box((x0 * across, y0 * down, x1 * across, y1 * down), (size_wh[1], size_wh[0]))


def paint_box(pixels: NDArray[np.uint8], box: IntBox, color: Color, *, width: int) -> None:
    """Draw the box's edge on its own outermost pixels; Pillow's rectangles overrun thin boxes."""
    region = pixels[box_slices(box)]
    for edge in (region[:width], region[-width:], region[:, :width], region[:, -width:]):
        edge[...] = color


def _draw_labels(
    picture: PIL.Image.Image, colored: Sequence[Colored], boxes: Sequence[IntBox]
) -> None:
    """Write label and score at each box; where there is no room left, the color has to do."""
    largest = 16 if len(colored) <= _CROWD else 11
    size = min(largest, max(11, round(max(picture.size) / 40)))
    taken: list[IntBox] = []
    for (annotation, color), box in zip(colored, boxes, strict=True):
        text = _tag_text(annotation, size, picture.width)
        spot = free_spot(box, tag_size_wh(text, size), picture.size, taken)
        if text and spot is not None:
            draw_tag(picture, text, size, spot, color)
            taken.append(spot)


def _tag_text(annotation: Annotation, size: int, width: int) -> str:
    """Label and score in about half the picture's width; it is the label that gives way."""
    score = "" if annotation.score is None else f"{annotation.score:.2f}"
    room = max(width / 2, min(width, 160)) - tag_size_wh(f" {score}", size)[0]
    return f"{fitted(annotation.label, size, room)} {score}".strip()
