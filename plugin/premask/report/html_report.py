"""A report of what was found, as one HTML file that needs no network."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.files import replacing
from premask.report.draw import (
    colors_on,
    cutout_on_checkerboard,
    label_color,
    object_mask,
    overlay,
)
from premask.report.lettering import Color
from premask.report.page_parts import (
    counted,
    data_uri,
    definitions,
    failure_list,
    swatch,
    top,
    write_parts,
    zoomable,
)
from premask.report.page_style import SCRIPT

MAX_SIDE = 640
MAX_IMAGES = 500
"""How many images are shown unless more are asked for: about 100 MB, which browsers still open."""

_OPEN_ROWS = 8
_NONE = "&ndash;"
_FILTER = '<button type="button" data-only="{}" aria-pressed="false">{}</button>'
_HEADS = """<th scope="col">label</th><th scope="col" class="number">score</th>
<th scope="col" class="number">area (px)</th><th scope="col">box (x0, y0, x1, y1)</th>
<th scope="col">source</th><th scope="col">matte</th>"""


def write_report(
    labeled: Iterable[Labeled],
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    max_images: int = MAX_IMAGES,
    pages: Sequence[str] = (),
) -> Path:
    """Write the page; beyond `max_images` images are counted and not shown.

    If it is one of several `pages`, which are files beside it, it leads to the others.
    """
    counts = _PageCounts()
    # The summary stands above the images and is known after them: they wait on the disk.
    with replacing(path) as page, tempfile.TemporaryFile(dir=path.parent) as images:
        for result in labeled:
            counts.add(result)
            if result.error is None and counts.images <= max_images:
                write_parts(images, _image(result, counts.numbers))
        write_parts(page, top(title, facts, script=SCRIPT), *_links(pages, path.name))
        write_parts(page, *_summary(counts, max_images))
        images.seek(0)
        shutil.copyfileobj(images, page)
        write_parts(page, "</main>", *_links(pages, path.name))
        dialog = '<dialog aria-label="Enlarged picture"><button type="button"><img alt=""></button>'
        write_parts(page, *failure_list(counts.failures), f"{dialog}</dialog>")
        write_parts(page, f"<script>{SCRIPT}</script>", "</body>", "</html>")
    return path


@dataclass(slots=True)
class _PageCounts:
    """What the summary says."""

    images: int = 0
    empty: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    scored: bool = False

    def add(self, labeled: Labeled) -> None:
        if labeled.error is not None:
            self.failures.append((labeled.image.name, str(labeled.error)))
            return
        self.images += 1
        self.empty += not labeled.annotations
        for annotation in labeled.annotations:
            self.labels[annotation.label] += 1
            self.scored |= annotation.score is not None
            self.numbers.setdefault(annotation.label, len(self.numbers))


def _links(pages: Sequence[str], own: str) -> Iterator[str]:
    if len(pages) > 1:
        yield f'<nav class="pages">Page {pages.index(own) + 1} of {len(pages)}:'
        for number, name in enumerate(pages, start=1):
            current = ' aria-current="page"' if name == own else ""
            yield f'<a href="{escape(name)}"{current}>{number}</a>'
        yield "</nav>"


def _summary(counts: _PageCounts, max_images: int) -> Iterator[str]:
    numbers = {
        "images": counts.images + len(counts.failures),
        "annotations": counts.labels.total(),
        "labels": len(counts.labels),
        "nothing found": counts.empty,
        "failed": len(counts.failures),
    }
    yield definitions("numbers", {name: f"{number:,}" for name, number in numbers.items()})
    yield "<h2>Labels</h2>"
    yield '<p class="quiet">Choose labels to see only the images that have one of them.</p>'
    yield '<ul class="labels">'
    most = max(counts.labels.values(), default=1)
    for label, count in counts.labels.most_common():
        yield _bar(label, counts.numbers[label], count, most)
    yield "</ul>"
    shown = min(counts.images, max_images)
    yield f'<p class="shown quiet"><span id="shown" role="status">{counted(shown, "image")}</span>'
    if shown < counts.images:
        yield f"<span>and {counts.images - shown:,} more that are not shown here</span>"
    if counts.empty:
        yield _FILTER.format("empty", "Nothing found")
    if counts.failures:
        yield _FILTER.format("failed", "Failed")
    if counts.scored:
        yield _FILTER.format("unsure", "Least sure first")
    yield '<button type="button" id="reset" hidden>Show all</button></p>'
    yield '<main class="images">'


def _bar(label: str, number: int, count: int, most: int) -> str:
    return f"""<li><button type="button" data-label="{number}" aria-pressed="false">
{swatch(label_color(label))}<span class="name" title="{escape(label)}">{escape(label)}</span>
<span class="bar"><i style="width:{100 * count / most:.1f}%"></i></span>
<span class="count">{count:,}</span></button></li>"""


def _image(labeled: Labeled, numbers: Mapping[str, int]) -> str:
    image, annotations = labeled.image, labeled.annotations
    height, width = image.size_hw
    present = sorted({numbers[annotation.label] for annotation in annotations})
    count = counted(len(annotations), "annotation") if annotations else "nothing found"
    scores = [annotation.score for annotation in annotations if annotation.score is not None]
    # What has no score is neither sure nor unsure: it comes last.
    least = f"{min(scores, default=2.0):.4f}"
    return f"""<article class="image" data-least="{least}"
data-labels="{" ".join(map(str, present))}">
<h3>{escape(image.name)}</h3><p class="quiet">{width} &times; {height} pixels, {count}</p>
<div class="pictures">{"".join(_pictures(labeled))}</div>
{_table(labeled, numbers) if annotations else ""}
</article>"""


def _pictures(labeled: Labeled) -> Iterator[str]:
    name = labeled.image.name
    labels = Counter(annotation.label for annotation in labeled.annotations)
    found = ", ".join(f"{count} {label}" for label, count in labels.items()) or "nothing found"
    photo = overlay(labeled, max_side=MAX_SIDE)
    # Full color resolution: JPEG's usual half would smear the outlines.
    uri = data_uri(photo, "JPEG", quality=85, subsampling=0)
    yield zoomable(photo, uri, f"{name} with what was found drawn on it: {found}")
    cutout = cutout_on_checkerboard(labeled, max_side=MAX_SIDE)
    if cutout is not None:
        uri = data_uri(cutout, "WEBP", quality=85)
        yield zoomable(cutout, uri, f"The objects of {name} alone, on a checkerboard")


def _table(labeled: Labeled, numbers: Mapping[str, int]) -> str:
    annotations = labeled.annotations
    opened = " open" if len(annotations) <= _OPEN_ROWS else ""
    rows = "\n".join(
        _row(annotation, color, numbers[annotation.label])
        for annotation, color in zip(annotations, colors_on(labeled), strict=True)
    )
    return f"""<details{opened}><summary>{counted(len(annotations), "annotation")}</summary>
<div class="scroll"><table><thead><tr>{_HEADS}</tr></thead><tbody>
{rows}
</tbody></table></div></details>"""


def _row(annotation: Annotation, color: Color, number: int) -> str:
    mask = object_mask(annotation)
    score = _NONE if annotation.score is None else f"{annotation.score:.3f}"
    area = _NONE if mask is None else f"{mask.area:,}"
    box = ", ".join(f"{side:.1f}".removesuffix(".0") for side in annotation.box_xyxy)
    source = " → ".join(annotation.source)
    matte = _NONE if annotation.matte is None else "yes"
    return f"""<tr data-label="{number}">
<td class="words">{swatch(color)} {escape(annotation.label)}</td>
<td class="number">{score}</td><td class="number">{area}</td><td>{box}</td>
<td class="words">{escape(source)}</td><td>{matte}</td></tr>"""
