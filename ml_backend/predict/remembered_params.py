"""What each project asked for when Label Studio connected it: no later request says it again."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

from ml_backend.project.extra_params import ExtraParams, read_extra_params
from premask.errors import PremaskError
from premask.files import write_atomically

log = logging.getLogger("premask.label_studio")

PROJECTS = 1000
"""So many are remembered; those that were connected longest ago are forgotten first."""


class RememberedParams:
    """Extra params by project, in a file that a new start of the server reads.

    Label Studio sends them with /setup only, and a click may come first after a new start. Several
    servers of one machine share the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        self._read_at = 0
        self._guard = threading.Lock()

    def of(self, project: str) -> ExtraParams:
        """What this project asked for last; raises where the server can't read that any more."""
        with self._guard:
            self._read_if_changed()
            said = self._known.get(project)
        return read_extra_params(said)

    def note(self, project: str, asked: ExtraParams) -> None:
        """Remember what a project asks for; nothing is what all unknown ones ask for."""
        table = json.loads(json.dumps(asked.table()))
        with self._guard:
            self._read_if_changed()
            if self._known.get(project, {}) == table:
                return
            self._known.pop(project, None)
            if table:
                self._known[project] = table
            for oldest in list(self._known)[:-PROJECTS]:
                del self._known[oldest]
            self._write()

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(self._known, indent=1).encode())
            self._read_at = self._path.stat().st_mtime_ns
        except (OSError, PremaskError) as error:
            log.warning("what projects ask for is forgotten at the next start: %s", error)

    def _read_if_changed(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at == self._read_at:
                return
            self._read_at = changed_at
            known = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("what projects asked for can't be read from %s: %s", self._path, error)
            return
        if isinstance(known, dict):
            self._known = known
