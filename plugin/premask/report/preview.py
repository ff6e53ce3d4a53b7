"""A contact sheet and a report of what the last run into a folder found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from premask.report.contact_sheet import ContactSheet
from premask.report.html_report import write_report
from premask.runs.folder_state import read_results, read_state
from premask.version import __version__


def preview(folders: Iterable[Path]) -> Iterator[Path]:
    """Write both into each folder, and yield each file when it is there."""
    for folder in folders:
        sheet = ContactSheet()
        # The report reads the images, one at a time, and the sheet looks on: each is decoded once.
        results = sheet.watching(read_results(folder))
        facts = {"recipe": read_state(folder)["recipe"], "made by": f"premask {__version__}"}
        title = folder.resolve().name
        yield write_report(results, folder / "report.html", title=title, facts=facts)
        yield sheet.write(folder / "contact-sheet.png")
