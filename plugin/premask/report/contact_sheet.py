"""The first images of a run side by side, in one PNG."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import PIL.Image
import PIL.ImageDraw

from premask.annotations import Labeled
from premask.files import replacing
from premask.report.draw import cutout_on_checkerboard, overlay
from premask.report.lettering import Color, fitted, font_for

GROUND: Color = (245, 245, 243)
PANEL: Color = (233, 233, 229)
INK: Color = (29, 29, 31)
QUIET: Color = (102, 102, 107)
ALARM: Color = (179, 38, 30)

# All in pixels.
_GAP = 6
_MARGIN = 24
_TEXT = 14
_LINE = 20


class _Entry(NamedTuple):
    pictures: tuple[PIL.Image.Image, ...]
    name: str
    found: str


@dataclass(slots=True, kw_only=True)
class ContactSheet:
    """A sheet that grows image by image and keeps no more than what it shows.

    Each image is shown with its cut-out; `cell` is the longest side of a picture in pixels.
    """

    columns: int = 3
    cell: int = 320
    max_images: int = 24
    _entries: list[_Entry] = field(default_factory=list, init=False)
    _seen: int = field(default=0, init=False)

    def add(self, labeled: Labeled) -> None:
        """Draw one more image, or count it where the sheet is full."""
        self._seen += 1
        if len(self._entries) < self.max_images:
            self._entries.append(_entry(labeled, self.cell))

    def watching(self, labeled: Iterable[Labeled]) -> Iterator[Labeled]:
        """Hand the images on, and add each on its way."""
        for result in labeled:
            self.add(result)
            yield result

    def write(self, path: Path) -> Path:
        """Write the sheet as PNG."""
        with replacing(path) as file:
            self._drawn().save(file, "PNG")
        return path

    def _drawn(self) -> PIL.Image.Image:
        slots = max((len(entry.pictures) for entry in self._entries), default=1)
        width = slots * (self.cell + _GAP) - _GAP
        tiles = [_tile(entry, self.cell, width) for entry in self._entries]
        columns = max(1, min(self.columns, len(tiles)))
        rows = [tiles[first : first + columns] for first in range(0, len(tiles), columns)]
        heights = [max(tile.height for tile in row) + _MARGIN for row in rows]
        size_wh = (columns * (width + _MARGIN) + _MARGIN, sum(heights) + 2 * _MARGIN + _LINE)
        sheet = PIL.Image.new("RGB", size_wh, GROUND)
        for index, tile in enumerate(tiles):
            row, column = divmod(index, columns)
            sheet.paste(tile, (_MARGIN + column * (width + _MARGIN), _MARGIN + sum(heights[:row])))
        draw_line(sheet, self.footer(), (_MARGIN, size_wh[1] - _MARGIN - _LINE), QUIET)
        return sheet

    def footer(self) -> str:
        """Say how many images there are, and how many of them are not shown."""
        more = self._seen - len(self._entries)
        images = "1 image" if self._seen == 1 else f"{self._seen:,} images"
        return f"{images}: {len(self._entries)} shown, and {more:,} more" if more else images


def _entry(labeled: Labeled, cell: int) -> _Entry:
    name = re.split(r"[/\\]", labeled.image.name)[-1]
    if labeled.error is not None:
        return _Entry((_notice(str(labeled.error), cell),), name, "failed")
    cutout = cutout_on_checkerboard(labeled, max_side=cell)
    pictures = (overlay(labeled, max_side=cell), *([] if cutout is None else [cutout]))
    count = len(labeled.annotations)
    found = f"{count} annotation" if count == 1 else f"{count} annotations"
    return _Entry(pictures, name, found if count else "nothing found")


def _notice(reason: str, cell: int) -> PIL.Image.Image:
    """A panel that says why there is no picture."""
    panel = PIL.Image.new("RGB", (cell, cell // 2), PANEL)
    lines = textwrap.wrap(reason, width=max(1, cell // 8))
    for index, line in enumerate(lines[: (cell // 2 - _TEXT) // _LINE]):
        draw_line(panel, line, (_TEXT, _TEXT + index * _LINE), ALARM)
    return panel


def _tile(entry: _Entry, cell: int, width: int) -> PIL.Image.Image:
    """The pictures side by side, each in the middle of its slot, and a line below them."""
    height = max(picture.height for picture in entry.pictures)
    tile = PIL.Image.new("RGB", (width, height + _LINE + _GAP), GROUND)
    for slot, picture in enumerate(entry.pictures):
        left = slot * (cell + _GAP)
        tile.paste(PANEL, (left, 0, left + cell, height))
        tile.paste(picture, (left + (cell - picture.width) // 2, (height - picture.height) // 2))
    draw_line(tile, entry.found, (0, height + _GAP), QUIET, right=True)
    room = width - font_for(entry.found, _TEXT).getlength(entry.found) - _MARGIN
    draw_line(tile, fitted(entry.name, _TEXT, room), (0, height + _GAP), INK)
    return tile


def draw_line(
    picture: PIL.Image.Image, text: str, xy: tuple[int, int], ink: Color, *, right: bool = False
) -> None:
    """Draw one line of text from `xy` on, or, if `right`, so that it ends at the right edge."""
    line = fitted(text, _TEXT, picture.width - xy[0])
    font = font_for(line, _TEXT)
    x = picture.width - font.getlength(line) if right else xy[0]
    PIL.ImageDraw.Draw(picture).text((x, xy[1]), line, fill=ink, font=font)
