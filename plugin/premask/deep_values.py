"""Values of more than 8 bits -> 8 bits: by the bits that a file has, or by one window for a run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import PIL.Image
import PIL.ImageFile
from numpy.typing import NDArray

from premask.errors import InvalidSetting

_DEPTHS = (8, 10, 12, 14, 16)
"""How many bits cameras, microscopes and scanners have for a value."""

_LEAST_OF_16_BITS = 2**14 >> 8
"""No value of 14 bits or fewer has an upper byte like this or greater."""

_TIFF_BITS, _TIFF_HIGHEST = 258, 281  # the tags BitsPerSample and MaxSampleValue

_OF_THIS_MACHINE = "L" if sys.byteorder == "little" else "B"
_OTHER_ORDER = {"L": "B", "B": "L"}
"""The orders of the two bytes of a value, as Pillow calls them."""


Window = tuple[float, float]
"""The values that are black and white in all images of a run that have more than 8 bits."""


def require_window(window: Window) -> None:
    """`InvalidSetting` for one in which there is nothing between black and white."""
    low, high = window
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidSetting(
            f"The window {low:g},{high:g} is empty. Name the value that is black, and then the "
            "greater one that is white, such as 0,4095."
        )


def gray_in_eight_bits(
    picture: PIL.Image.Image, declared: int, window: Window | None = None
) -> tuple[PIL.Image.Image, str]:
    """Gray values of 16 or 32 bits, or of floats, in 8 bits; and how, in words.

    Of 16 bits the upper eight are taken, but many files have 10, 12 or 14 bits in them, which they
    declare (TIFF) or not. Where they don't, the fewest bits are taken that hold all values of the
    picture. Other types go from their least to their greatest value.
    """
    if not (picture.mode.startswith("I;16") or picture.mode in ("I", "F")):
        return picture, ""
    gray = np.asarray(picture)
    # Floats may have holes: NaN is what microscopes and maps write where they know no value.
    known = gray[np.isfinite(gray)] if picture.mode == "F" else gray
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    # Pillow opens some files of 16 bits as "I", which has 32.
    if picture.mode != "F" and low >= 0 and high < 65536:
        values, how = _sixteen_in_eight(gray.astype(np.uint16), declared, window)
    else:
        whose = ""
        if window is not None:
            (low, high), whose = window, ", as asked"
        scaled = (gray - low) * (255 / (high - low) if high > low else 0)
        filled = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0)
        values = filled.clip(0, 255).astype(np.uint8)
        how = f"{low:g} to {high:g} as 0 to 255{whose}"
    return _like(picture, PIL.Image.fromarray(values)), f"gray values {how}"


def has_colors_of_16_bits(picture: PIL.Image.Image) -> bool:
    """Whether each color has two bytes, for which Pillow has no type."""
    return any(_byte_order(picture, tile) for tile in getattr(picture, "tile", ()))


def read_bytes(picture: PIL.ImageFile.ImageFile, which: Literal["upper", "lower"]) -> None:
    """Let Pillow read one byte of each color of 16 bits, when it gets to the pixels.

    Pillow reads the upper ones by itself, and the lower ones if it is told that the bytes are in
    the other order. In TIFFs with a plane for each color, it would take both for pixels.
    """
    picture.tile = [
        _with_raw_mode(tile, _raw_mode(tile), _byte_order(picture, tile), which)
        for tile in picture.tile
    ]


def colors_in_eight_bits(
    upper: PIL.Image.Image,
    read_lower: Callable[[], PIL.Image.Image],
    declared: int,
    window: Window | None = None,
) -> tuple[PIL.Image.Image, str]:
    """Colors of 16 bits in 8, and how; the lower bytes are read where something depends on them."""
    high = np.asarray(upper)[..., :3]
    if window is None and high.max() >= _LEAST_OF_16_BITS:
        return upper, "color values of 16 bits, as their range suggests"
    low = np.asarray(read_lower())[..., :3]
    if window is None and np.array_equal(high, low):
        # Stretched from 8 bits: what is dark is the picture.
        return upper, "color values of 16 bits, as their range suggests"
    values, how = _sixteen_in_eight(high.astype(np.uint16) << 8 | low, declared, window)
    colors = PIL.Image.fromarray(values)
    if upper.mode == "RGBA":
        colors.putalpha(upper.getchannel("A"))
    return _like(upper, colors), f"color values {how}"


def declared_bits(picture: PIL.Image.Image) -> int:
    """How many bits a TIFF says that its values have, if more than 8 and fewer than 16; else 0."""
    tags = getattr(picture, "tag_v2", {})
    highest = tags.get(_TIFF_HIGHEST, 0)
    highest = int(highest[0] if isinstance(highest, tuple) else highest)
    bits = highest.bit_length() or int((tags.get(_TIFF_BITS) or (0,))[0])
    return bits if 8 < bits < 16 else 0


def _sixteen_in_eight(
    values: NDArray[np.uint16], declared: int, window: Window | None
) -> tuple[NDArray[np.uint8], str]:
    """Values of 16 bits through a table of all that there can be."""
    every = np.arange(65536, dtype=np.float64)
    if window is not None:
        low, high = window
        steps = (every - low) * (256 / (high - low + 1))
        how = f"{low:g} to {high:g} as 0 to 255, as asked"
    else:
        highest = int(values.max())
        needed = next(depth for depth in _DEPTHS if highest < 2**depth)
        bits = declared if declared and highest < 2**declared else needed
        whose = "as the file declares" if bits == declared else "as their range suggests"
        steps, how = every / 2 ** (bits - 8), f"of {bits} bits, {whose}"
    return steps.clip(0, 255).astype(np.uint8)[values], how


def _like(picture: PIL.Image.Image, shallow: PIL.Image.Image) -> PIL.Image.Image:
    shallow.info = {"icc_profile": picture.info.get("icc_profile")}
    return shallow


def _raw_mode(tile: Any) -> str:
    """How Pillow unpacks this part of the file: "RGB;16B", or "R" for a plane."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _byte_order(picture: PIL.Image.Image, tile: Any) -> str:
    """The order of bytes in a part of the file with colors of 16 bits; empty for others."""
    raw, tags = _raw_mode(tile), getattr(picture, "tag_v2", None)
    if picture.mode not in ("RGB", "RGBA"):
        return ""
    if raw[:-1].endswith(";16"):
        return _OF_THIS_MACHINE if raw.endswith("N") else raw[-1]
    if raw in ("R", "G", "B", "A") and tags is not None and set(tags.get(_TIFF_BITS, ())) == {16}:
        return "L" if tags.prefix == b"II" else "B"
    return ""


def _with_raw_mode(tile: Any, raw: str, order: str, which: str) -> Any:
    if not order:
        return tile
    name = f"{raw.partition(';')[0]};16{order if which == 'upper' else _OTHER_ORDER[order]}"
    arguments = (name, *tile[3][1:]) if isinstance(tile[3], tuple) else name
    kind = type(tile)
    return kind(*tile[:3], arguments) if kind is not tuple else (*tile[:3], arguments)
