"""Text on pictures: fonts that have the letters, lines that fit, tags beside each other."""

from __future__ import annotations

import bisect
import contextlib
import functools
from collections.abc import Iterator, Sequence

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from premask.geometry import IntBox

Color = tuple[int, int, int]
Font = PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont

INK: Color = (20, 20, 20)
PAPER: Color = (255, 255, 255)

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "malgun.ttf",
)
"""Where letters are looked for that Pillow's own font, which has ASCII and the ellipsis, lacks."""

_LONGEST = 300
_MARGIN = 4


@functools.lru_cache(maxsize=512)
def font_for(text: str, size: int) -> Font:
    """A font of `size` pixels that has all letters of the text, if this machine has one."""
    plain = text.replace("…", "").isascii()
    for name in () if plain else SYSTEM_FONTS:
        with contextlib.suppress(OSError):
            font = PIL.ImageFont.truetype(name, size)
            unknown = bytes(font.getmask("\uffff"))
            if all(letter == " " or bytes(font.getmask(letter)) != unknown for letter in text):
                return font
    return PIL.ImageFont.load_default(size=size)


def fitted(text: str, size: int, width: float) -> str:
    """One printable line of at most `width` pixels, cut off with an ellipsis."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
    line = " ".join(shown.split())
    font = font_for(line, size)
    if font.getlength(line) <= width:
        return line
    lengths = range(1, len(line))
    fits = bisect.bisect(lengths, width, key=lambda end: font.getlength(line[:end] + "…"))
    return line[:fits].rstrip() + "…" if fits else ""


def tag_size_wh(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels of a text with the colored ground behind it."""
    return round(font_for(text, size).getlength(text)) + 2 * _MARGIN, size + _MARGIN + 1


def free_spot(
    box_xyxy: IntBox, tag_wh: tuple[int, int], size_wh: tuple[int, int], taken: Sequence[IntBox]
) -> IntBox | None:
    """Find a place at the object's box where a tag covers no other; None where there is none."""
    spots = _spots(box_xyxy, tag_wh, size_wh)
    return next((spot for spot in spots if not any(_meet(spot, other) for other in taken)), None)


def draw_tag(picture: PIL.Image.Image, text: str, size: int, spot: IntBox, color: Color) -> None:
    """Write black or white, whichever can be read, on a ground of the object's color."""
    x0, y0, x1, y1 = spot
    ink = INK if _luminance(color) > 0.24 else PAPER
    drawing = PIL.ImageDraw.Draw(picture)
    drawing.rectangle((x0, y0, x1 - 1, y1 - 1), fill=color)
    middle = (x0 + _MARGIN, (y0 + y1) / 2)
    drawing.text(middle, text, fill=ink, font=font_for(text, size), anchor="lm")


def _spots(box_xyxy: IntBox, tag_wh: tuple[int, int], size_wh: tuple[int, int]) -> Iterator[IntBox]:
    """Above the box, inside it, below it; moved onto the picture where it sticks out."""
    (x0, y0, x1, y1), (width, height) = box_xyxy, tag_wh
    right, bottom = size_wh[0] - width, size_wh[1] - height
    if right < 0 or bottom < 0:
        return
    for y in (y0 - height, y0, y1, y1 - height):
        for x in (x0, x1 - width):
            left, top = min(max(x, 0), right), min(max(y, 0), bottom)
            yield left, top, left + width, top + height


def _meet(one: IntBox, other: IntBox) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


def _luminance(color: Color) -> float:
    """Brightness to the eye, 0 to 1: the weights are WCAG's, gamma is taken as 2."""
    red, green, blue = ((channel / 255) ** 2 for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
