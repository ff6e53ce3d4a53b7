"""`premask preview`: a contact sheet and a report of what was found."""

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
from premask.report.html_report import write_report
from premask.report.lettering import Color, fitted, font_for
from premask.runs.folder_state import read_results, read_state
from premask.version import __version__

GROUND: Color = (245, 245, 243)
PANEL: Color = (233, 233, 229)
INK: Color = (29, 29, 31)
QUIET: Color = (102, 102, 107)
ALARM: Color = (179, 38, 30)

_GAP = 6
_MARGIN = 24
_TEXT = 14
_LINE = 20


def preview(folders: Iterable[Path]) -> Iterator[Path]:
    """Draw what the last run into each folder found; yields each file when it is written."""
    for folder in folders:
        sheet = ContactSheet()
        results = sheet.watching(read_results(folder))
        facts = {"recipe": read_state(folder)["recipe"], "made by": f"premask {__version__}"}
        title = folder.resolve().name
        yield write_report(results, folder / "report.html", title=title, facts=facts)
        yield sheet.write(folder / "contact-sheet.png")


def contact_sheet(
    labeled: Iterable[Labeled],
    path: Path,
    *,
    columns: int = 3,
    cell: int = 320,
    max_images: int = 24,
) -> Path:
    """Draw the first images side by side, each with its cut-out; `cell` is a picture's side."""
    sheet = ContactSheet(columns=columns, cell=cell, max_images=max_images)
    for each in labeled:
        sheet.add(each)
    return sheet.write(path)


class _Entry(NamedTuple):
    pictures: tuple[PIL.Image.Image, ...]
    name: str
    found: str


@dataclass(slots=True, kw_only=True)
class ContactSheet:
    """A sheet that grows image by image and keeps no more than what it shows."""

    columns: int = 3
    cell: int = 320
    max_images: int = 24
    _entries: list[_Entry] = field(default_factory=list)
    _seen: int = 0

    def add(self, labeled: Labeled) -> None:
        """Draw one more image, or count it where the sheet is full."""
        self._seen += 1
        if len(self._entries) < self.max_images:
            self._entries.append(_entry(labeled, self.cell))

    def watching(self, labeled: Iterable[Labeled]) -> Iterator[Labeled]:
        """Hand the images on, and add each on its way."""
        for each in labeled:
            self.add(each)
            yield each

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
        _write(sheet, self.footer(), (_MARGIN, size_wh[1] - _MARGIN - _LINE), QUIET)
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
        _write(panel, line, (_TEXT, _TEXT + index * _LINE), ALARM)
    return panel


def _tile(entry: _Entry, cell: int, width: int) -> PIL.Image.Image:
    """The pictures side by side, each in the middle of its slot, and a line below them."""
    height = max(picture.height for picture in entry.pictures)
    tile = PIL.Image.new("RGB", (width, height + _LINE + _GAP), GROUND)
    for slot, picture in enumerate(entry.pictures):
        left = slot * (cell + _GAP)
        tile.paste(PANEL, (left, 0, left + cell, height))
        tile.paste(picture, (left + (cell - picture.width) // 2, (height - picture.height) // 2))
    _write(tile, entry.found, (0, height + _GAP), QUIET, right=True)
    room = width - font_for(entry.found, _TEXT).getlength(entry.found) - _MARGIN
    _write(tile, fitted(entry.name, _TEXT, room), (0, height + _GAP), INK)
    return tile


def _write(
    picture: PIL.Image.Image, text: str, xy: tuple[int, int], ink: Color, *, right: bool = False
) -> None:
    """Write one line from `xy` on, or (right) so that it ends at the picture's right edge."""
    line = fitted(text, _TEXT, picture.width - xy[0])
    font = font_for(line, _TEXT)
    x = picture.width - font.getlength(line) if right else xy[0]
    PIL.ImageDraw.Draw(picture).text((x, xy[1]), line, fill=ink, font=font)
