"""The projects that Label Studio connected, and what /setup answered them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

PROJECTS = 1000
"""How many are remembered; the oldest are forgotten first."""

LONGEST_SENTENCE = 500
"""A report names all labels, and there may be thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedProject:
    """What the last /setup answered; `unusable` says why there is no version."""

    version: str = ""
    report: tuple[str, ...] = ()
    unusable: str = ""


class ConnectedProjects:
    """Projects by id, for many threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, ConnectedProject] = OrderedDict()
        self._guard = threading.Lock()

    def note(self, number: str, project: ConnectedProject) -> bool:
        """Remember what a project was told; says whether it differs from before."""
        report = tuple(sentence[:LONGEST_SENTENCE] for sentence in project.report)
        project = replace(project, report=report, unusable=project.unusable[:LONGEST_SENTENCE])
        with self._guard:
            before = self._known.pop(number, None)
            self._known[number] = project
            if len(self._known) > PROJECTS:
                self._known.popitem(last=False)
        return before != project

    def all(self) -> dict[str, ConnectedProject]:
        with self._guard:
            return dict(self._known)
