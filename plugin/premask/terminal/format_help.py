"""The formats with their meaning, for the end of a command's help."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from premask.labels.formats import GROUPS, AnyFormat
from premask.terminal.screen import table


def format_help(formats: Mapping[str, AnyFormat]) -> str:
    """A line for each format, and for each name of several."""
    rows = [(f"  {name}", form.help) for name, form in formats.items()]
    rows += [(f"  {name}", f"all of: {', '.join(members)}") for name, members in GROUPS.items()]
    width = min(100, shutil.get_terminal_size().columns)
    return f"{table(rows, ('formats:', ''), width=width)}\n"
