"""The tracks of clips below each other in one PNG, each as a strip of some of its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import PIL.Image

from premask.files import replacing
from premask.report.clip_pictures import CELL, STRIP, ClipPictures
from premask.report.contact_sheet import GROUND, INK, QUIET, draw_line
from premask.report.tracks import UNKNOWN, ClipSummary, Track

MAX_ROWS = 40

# All in pixels.
_GAP = 6
_MARGIN = 24
_LINE = 20


@dataclass(slots=True)
class StripSheet:
    """Grows track by track, and keeps no more than what it shows."""

    _rows: list[PIL.Image.Image] = field(default_factory=list)
    _seen: int = 0

    def add(self, clip_name: str, summary: ClipSummary, pictures: ClipPictures) -> None:
        """Add the strips of a clip, or count them where the sheet is full."""
        self._seen += len(summary.tracks)
        for row, strip in sorted(pictures.strips.items()):
            if len(self._rows) < MAX_ROWS:
                self._rows.append(_drawn(clip_name, summary, summary.tracks[row], strip))

    def write(self, path: Path) -> Path:
        """Write the sheet as PNG."""
        width = STRIP * (CELL + _GAP) - _GAP
        step = CELL + 2 * _LINE + _MARGIN
        height = len(self._rows) * step + 2 * _MARGIN + _LINE
        sheet = PIL.Image.new("RGB", (width + 2 * _MARGIN, height), GROUND)
        for place, row in enumerate(self._rows):
            sheet.paste(row, (_MARGIN, _MARGIN + place * step))
        more = self._seen - len(self._rows)
        shown = "1 track" if self._seen == 1 else f"{self._seen:,} tracks"
        footer = f"{shown}: {len(self._rows)} shown, and {more:,} more" if more else shown
        draw_line(sheet, footer, (_MARGIN, height - _MARGIN - _LINE), QUIET)
        with replacing(path) as file:
            sheet.save(file, "PNG")
        return path


def _drawn(
    clip_name: str, summary: ClipSummary, track: Track, strip: list[tuple[int, PIL.Image.Image]]
) -> PIL.Image.Image:
    """A line that says which track it is, its pictures, and the number and score below each."""
    width = STRIP * (CELL + _GAP) - _GAP
    row = PIL.Image.new("RGB", (width, CELL + 2 * _LINE), GROUND)
    row.paste(track.color, (0, 2, 12, 14))
    count = len(track.places)
    draw_line(row, f"{track.name} in {clip_name}, {count:,} frames", (20, 0), INK)
    for place, (own, picture) in enumerate(strip):
        left = place * (CELL + _GAP)
        row.paste(picture, (left, _LINE))
        score = "" if track.scores[own] == UNKNOWN else f": {track.scores[own]:.2f}"
        caption = f"frame {summary.numbers[track.places[own]]}{score}"
        draw_line(row, caption, (left, CELL + _LINE + 2), QUIET)
    return row
