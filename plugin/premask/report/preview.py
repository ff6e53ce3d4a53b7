"""A contact sheet and a report of what the last run into a folder found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from premask.files import announcing
from premask.report.contact_sheet import ContactSheet
from premask.report.html_report import write_report
from premask.runs.folder_state import PREVIEW, read_results, read_state, written_files
from premask.version import __version__


def preview(folders: Iterable[Path]) -> Iterator[Path]:
    """Write both into each folder, and yield the files of a folder when they are there."""
    for folder in folders:
        sheet = ContactSheet()
        # The report reads the images, one at a time, and the sheet looks on: each is decoded once.
        results = sheet.watching(read_results(folder))
        facts = {"recipe": read_state(folder)["recipe"], "made by": f"premask {__version__}"}
        title, files = folder.resolve().name, written_files(folder)
        # Listed, or the next run would take the sheet for a photo if the photos lie here, too.
        with announcing(partial(files.claim, shows=PREVIEW)):
            report = write_report(results, folder / "report.html", title=title, facts=facts)
            drawn = sheet.write(folder / "contact-sheet.png")
        yield from (report, drawn)
