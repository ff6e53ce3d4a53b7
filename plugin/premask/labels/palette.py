"""Colors for numbers, in which neighbors differ much: PASCAL VOC's, in which 0 is black."""

from __future__ import annotations

Color = tuple[int, int, int]


def color(index: int) -> Color:
    """The color (red, green, blue) of an index.

    >>> color(0), color(1), color(2)
    ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    """
    return _channel(index, 0), _channel(index, 1), _channel(index, 2)


def hex_color(index: int) -> str:
    """The color as it is written in HTML and XML.

    >>> hex_color(1)
    '#800000'
    """
    red, green, blue = color(index)
    return f"#{red:02x}{green:02x}{blue:02x}"


def png_palette() -> bytes:
    """The 256 colors of an indexed PNG, three bytes each."""
    return bytes(value for index in range(256) for value in color(index))


def _channel(index: int, channel: int) -> int:
    """One channel of a color: every third bit of the index, of which the lowest counts most."""
    bits = (index >> (3 * place + channel) & 1 for place in range(8))
    return sum(bit << (7 - place) for place, bit in enumerate(bits))
