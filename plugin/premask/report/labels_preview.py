"""A contact sheet and a report of labels in any format, drawn on their images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from premask.annotations import Labeled
from premask.datasets.reading import Dataset
from premask.errors import InvalidMask, UnreadableImage
from premask.images import Image, read_image
from premask.report.contact_sheet import ContactSheet
from premask.report.html_report import MAX_IMAGES, write_report
from premask.version import __version__


def preview_labels(
    dataset: Dataset, folder: Path, *, page_images: int = MAX_IMAGES
) -> tuple[list[Path], list[str]]:
    """Write the pages and the sheet into a folder; they, and the images that could not be read."""
    sheet, count, unread = ContactSheet(), sum(1 for _ in dataset), list[str]()
    results = sheet.watching(_with_pixels(dataset, unread))
    pages = ["report.html"]
    pages += [f"report-{number}.html" for number in range(2, -(-count // page_images) + 1)]
    written = [
        write_report(
            itertools.islice(results, page_images),
            folder / name,
            title=dataset.path.name,
            facts={"format": dataset.format, "made by": f"premask {__version__}"},
            max_images=page_images,
            pages=pages,
        )
        for name in pages
    ]
    return [*written, sheet.write(folder / "contact-sheet.png")], unread


def _with_pixels(dataset: Dataset, unread: list[str]) -> Iterator[Labeled]:
    for one in dataset:
        name = one.image.name
        try:
            image = read_image(dataset.images.require(name), name)
            if one.image.size_hw not in (image.size_hw, (0, 0)):
                raise InvalidMask(
                    f"'{name}' has {image.size_hw[1]} x {image.size_hw[0]} pixels, but its labels "
                    f"are for {one.image.size_hw[1]} x {one.image.size_hw[0]}. Did the tool that "
                    "made them ignore its EXIF?"
                )
            yield replace(one, image=image)
        except (UnreadableImage, InvalidMask) as error:
            unread.append(name)
            yield Labeled(image=Image.unread(name), error=error)
