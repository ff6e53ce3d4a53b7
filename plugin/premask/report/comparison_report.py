"""A report of how two sets of labels differ, as one HTML file that needs no network."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from premask.annotations import Labeled
from premask.datasets.image_files import ImageFiles
from premask.datasets.matched_images import MatchedImage
from premask.datasets.reading import read
from premask.errors import PremaskError, UnreadableImage
from premask.evaluation.objects import TableRow
from premask.files import replacing
from premask.images import Image, read_image
from premask.report.comparison_tables import confusion_table, rows_table
from premask.report.draw import overlay
from premask.report.lettering import Color
from premask.report.page_parts import (
    data_uri,
    definitions,
    swatch,
    top,
    write_parts,
    zoomable,
)
from premask.report.page_style import SCRIPT
from premask.terminal.screen import counted

MAX_SIDE = 560
MAX_IMAGES = 100
# Okabe and Ito's, which people who see few colors can tell apart.
_AGREED: Color = (0, 158, 115)
_DIFFERING: Color = (230, 159, 0)
_ALONE: Color = (213, 94, 0)
_OTHER_ALONE: Color = (86, 180, 233)
_BLANK = 236
"""The gray on which labels are drawn whose image is not there."""

FindImage = Callable[[MatchedImage], Image | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage:
    """What the page says; `one` and `other` are what the two sides are called.

    `tables` have a heading and rows, all with the same keys. The confusion has the classes of the
    other side in rows and those of this side in columns, and last what has no partner.
    """

    title: str
    one: str
    other: str
    facts: Mapping[str, str]
    numbers: Mapping[str, str]
    images: Sequence[MatchedImage]
    notes: Sequence[str] = ()
    tables: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = ()
    labels: Sequence[str] = ()
    confusion: Sequence[Sequence[int]] = ()


def write_comparison(
    page: ComparisonPage, path: Path, find_image: FindImage, *, max_images: int = MAX_IMAGES
) -> Path:
    """Write the page, with pictures of the images that come first, read one at a time."""
    shown = [image for image in page.images if image.disagreement > 0][:max_images]
    errors = dict(Counter(label for one in shown for label in _wrong_labels(one)).most_common())
    numbers = {label: place for place, label in enumerate(errors)}
    with replacing(path) as file, tempfile.TemporaryFile(dir=path.parent) as pictures:
        for image in shown:
            write_parts(pictures, _article(page, image, numbers, find_image(image)))
        write_parts(
            file, top(page.title, page.facts, script=SCRIPT), definitions("numbers", page.numbers)
        )
        write_parts(file, *(f'<p class="quiet">{escape(note)}</p>' for note in page.notes))
        write_parts(file, *(part for table in page.tables for part in rows_table(*table)))
        write_parts(file, *confusion_table(page.confusion, page.labels, page.one, page.other))
        write_parts(file, *_images_top(page, shown, errors))
        pictures.seek(0)
        shutil.copyfileobj(pictures, file)
        dialog = '<dialog aria-label="Enlarged picture"><button type="button"><img alt=""></button>'
        write_parts(file, "</main>", f"{dialog}</dialog>")
        write_parts(file, f"<script>{SCRIPT}</script>", "</body>", "</html>")
    return path


def image_finder(images: Path | None, *labels: Path) -> FindImage:
    """What finds the image that labels are of: below a folder, where a run had it, or beside."""
    files = _own_files(labels) if images is None else ImageFiles.of(images)
    beside = [path if path.is_dir() else path.parent for path in labels]

    def find(image: MatchedImage) -> Image | None:
        places = [files.path_of(image.name), *(folder / image.name for folder in beside)]
        for path in places:
            if path is not None and path.is_file():
                try:
                    read = read_image(path, image.name)
                except UnreadableImage:
                    continue
                return read if read.size_hw == image.size_hw else None
        return None

    return find


def _own_files(labels: Iterable[Path]) -> ImageFiles:
    """The images of the first run or folder of labels that knows its own."""
    for path in labels:
        try:
            files = read(path).images if path.is_dir() else None
        except PremaskError:
            continue
        if files:
            return files
    return ImageFiles()


def _images_top(
    page: ComparisonPage, shown: Sequence[MatchedImage], errors: Mapping[str, int]
) -> Iterator[str]:
    same = sum(image.disagreement == 0 for image in page.images)
    yield "<h2>Images, those that differ the most first</h2>"
    if errors:
        yield '<p class="quiet">Choose classes to see only the images in which they differ.</p>'
        yield '<ul class="labels">'
        most = max(errors.values())
        for place, (label, count) in enumerate(errors.items()):
            yield _bar(label, place, count, most)
        yield "</ul>"
    yield f'<p class="quiet legend">{"".join(_legend(page))}</p>'
    yield f'<p class="shown quiet"><span id="shown" role="status">{counted(len(shown), "image")}'
    yield "</span>"
    more = len(page.images) - same - len(shown)
    if more:
        yield f"<span>and {more:,} more that differ and are not shown here</span>"
    yield f"<span>{counted(same, 'image')} without any difference</span>"
    yield '<button type="button" id="reset" hidden>Show all</button></p><main class="images">'


def _legend(page: ComparisonPage) -> Iterator[str]:
    for color, meaning in (
        (_AGREED, "both"),
        (_DIFFERING, "another class"),
        (_ALONE, f"only {page.one}"),
        (_OTHER_ALONE, f"only {page.other}"),
    ):
        yield f"<span>{swatch(color)} {escape(meaning)}</span> "


def _bar(label: str, place: int, count: int, most: int) -> str:
    return f"""<li><button type="button" data-label="{place}" aria-pressed="false">
{swatch(_ALONE)}<span class="name" title="{escape(label)}">{escape(label)}</span>
<span class="bar"><i style="width:{100 * count / most:.1f}%"></i></span>
<span class="count">{count:,}</span></button></li>"""


def _article(
    page: ComparisonPage, image: MatchedImage, numbers: Mapping[str, int], pixels: Image | None
) -> str:
    """One image: the other side first, because it is the truth of an evaluation."""
    height, width = image.size_hw
    places = sorted(numbers[label] for label in set(_wrong_labels(image)))
    counts = {
        "both": len(image.agreed),
        "of another class": len(image.differing),
        f"only {page.one}": len(image.alone),
        f"only {page.other}": len(image.others_alone),
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    missing = "" if pixels is not None else " (the image itself was not found)"
    pictures = "".join(
        _picture(side, rows, image, pixels)
        for side, rows in ((page.other, _other_side(image)), (page.one, _one_side(image)))
    )
    return f"""<article class="image" data-least="0" data-labels="{" ".join(map(str, places))}">
<h3>{escape(image.name)}</h3>
<p class="quiet">{width} &times; {height} pixels, disagreement {image.disagreement:.2f}:
{escape(said)}{missing}</p>
<div class="pictures">{pictures}</div>{_couples(image, page)}</article>"""


def _picture(
    side: str,
    colored: Sequence[tuple[TableRow, Color]],
    image: MatchedImage,
    pixels: Image | None,
) -> str:
    if pixels is None:
        blank = np.full((*image.size_hw, 3), _BLANK, np.uint8)
        pixels = Image.from_rgb(blank, name=image.name)
    labeled = Labeled(image=pixels, annotations=tuple(row.annotation() for row, _ in colored))
    drawn = overlay(labeled, max_side=MAX_SIDE, own_colors=[color for _, color in colored])
    uri = data_uri(drawn, "JPEG", quality=82, subsampling=0)
    name = f"<figcaption>{escape(side)}</figcaption>"
    return f"<figure>{zoomable(drawn, uri, f'{image.name}, {side}')}{name}</figure>"


def _one_side(image: MatchedImage) -> list[tuple[TableRow, Color]]:
    return [
        *((couple.one, _AGREED) for couple in image.agreed),
        *((couple.one, _DIFFERING) for couple in image.differing),
        *((row, _ALONE) for row in image.alone),
    ]


def _other_side(image: MatchedImage) -> list[tuple[TableRow, Color]]:
    return [
        *((couple.other, _AGREED) for couple in image.agreed),
        *((couple.other, _DIFFERING) for couple in image.differing),
        *((row, _OTHER_ALONE) for row in image.others_alone),
    ]


def _wrong_labels(image: MatchedImage) -> Iterator[str]:
    for row in (*image.alone, *image.others_alone):
        yield row.label
    for couple in image.differing:
        yield from (couple.one.label, couple.other.label)


def _couples(image: MatchedImage, page: ComparisonPage) -> str:
    rows = [
        {page.other: couple.other.label, page.one: couple.one.label, "IoU": couple.iou}
        for couple in (*image.differing, *image.agreed)
    ]
    if not rows:
        return ""
    table = "\n".join(rows_table("", sorted(rows, key=lambda row: float(row["IoU"]))))
    return f"<details><summary>{counted(len(rows), 'pair')}</summary>{table}</details>"
