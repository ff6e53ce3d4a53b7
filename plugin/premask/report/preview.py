"""A contact sheet and a report of what the last run into a folder found, or of the clips in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from premask.errors import PremaskError
from premask.report.clip_preview import clips_without_videos, has_clips, preview_clips
from premask.report.contact_sheet import ContactSheet
from premask.report.html_report import MAX_IMAGES, write_report
from premask.report.moving_overlay import FilmKind
from premask.runs.folder_state import (
    PREVIEW,
    missing_images,
    read_results,
    read_state,
    written_files,
)
from premask.version import __version__


def preview(
    folders: Iterable[Path],
    *,
    root: Path | None = None,
    page_images: int = MAX_IMAGES,
    film: FilmKind | None = None,
) -> Iterator[Path]:
    """Write a sheet of the first images and pages of all, and yield the files of each folder.

    The images are looked for below `root`, by default where they were. `film` is for clips.
    """
    for folder in folders:
        if has_clips(folder):
            yield from preview_clips(folder, root, film)
        else:
            yield from _preview(folder, root, page_images)


def require_images(folder: Path, root: Path | None) -> list[str]:
    """The images and clips that are not where they were; `PremaskError` if no image is."""
    if has_clips(folder):
        return clips_without_videos(folder, root)
    missing = missing_images(folder, root)
    if missing and len(missing) == len(read_state(folder)["images"]):
        raise PremaskError(
            f"None of the images of {folder} is where it was, such as {missing[0]!r}. Say where "
            f"they are now: premask preview {folder} --root DIR"
        )
    return missing


def _preview(folder: Path, root: Path | None, page_images: int) -> list[Path]:
    sheet, state, files = ContactSheet(), read_state(folder), written_files(folder)
    # The report reads the images, one at a time, and the sheet looks on: each is decoded once.
    results = sheet.watching(read_results(folder, root))
    facts = {"recipe": state["recipe"], "made by": f"premask {__version__}"}
    # One that failed and keeps what it had is in both.
    names = {entry["name"] for entry in state.get("images", ())} | {*state.get("failures", ())}
    pages = ["report.html"]
    pages += [f"report-{number}.html" for number in range(2, -(-len(names) // page_images) + 1)]
    for old in folder.glob("report-*.html"):
        if old.name not in pages and files.shows(old) == PREVIEW and not files.is_edited(old):
            old.unlink()
    # Listed, or the next run would take the sheet for a photo if the photos lie here, too.
    with files.claiming(PREVIEW):
        written = [
            write_report(
                itertools.islice(results, page_images),
                folder / name,
                title=folder.resolve().name,
                facts=facts,
                max_images=page_images,
                pages=pages,
            )
            for name in pages
        ]
        return [*written, sheet.write(folder / "contact-sheet.png")]
