"""What labels call their images: the steps of a name, and names found by another spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

_DISK = re.compile(r"[A-Za-z]:")


def steps_of(name: str) -> list[str]:
    r"""The folders and the file of an image's name, whichever system wrote it.

    >>> steps_of("../train/a.jpg"), steps_of("C:\\photos\\a.jpg")
    (['train', 'a.jpg'], ['photos', 'a.jpg'])
    """
    steps = [step for step in name.replace("\\", "/").split("/") if step.strip(".")]
    return steps[1:] if steps[1:] and _DISK.fullmatch(steps[0]) else steps


@dataclass(slots=True)
class ImageNames:
    """Names among which one is found that somebody else spells otherwise.

    The other spelling may have more or fewer folders, backslashes, or accents that are letters of
    their own, as macOS writes them. It has to fit one name alone.
    """

    _by_last_step: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str]) -> ImageNames:
        known = cls()
        for name in names:
            known._by_last_step.setdefault(_comparable(name)[-1], []).append(name)
        return known

    def alike(self, name: str) -> list[str]:
        """All names whose file is called the same."""
        return self._by_last_step.get(_comparable(name)[-1], [])

    def find(self, name: str) -> str | None:
        """The only name that is meant, if there is one."""
        alike = self.alike(name)
        if len(alike) > 1:
            wanted = _comparable(name)
            alike = [other for other in alike if _ends_alike(_comparable(other), wanted)]
        return alike[0] if len(alike) == 1 else None


def _comparable(name: str) -> list[str]:
    return steps_of(unicodedata.normalize("NFC", name)) or [""]


def _ends_alike(steps: list[str], others: list[str]) -> bool:
    """Whether the longer one ends with the other; a file without a folder fits too many."""
    shared = min(len(steps), len(others))
    return steps == others or (shared > 1 and steps[-shared:] == others[-shared:])
