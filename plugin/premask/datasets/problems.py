"""What can be wrong with labels, one problem a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong where; `mended` says what a mended copy has instead, "" if nobody can know."""

    kind: str
    where: str
    what: str
    mended: str = ""

    def __str__(self) -> str:
        mended = f" ({self.mended})" if self.mended else ""
        return f"{self.where}: {self.what}{mended}"


@dataclass(slots=True, kw_only=True)
class Health:
    """How many images and annotations were looked at, and everything that is wrong with them."""

    path: str
    images: int = 0
    annotations: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, kind: str, where: str, what: str, mended: str = "") -> None:
        self.problems.append(Problem(kind, where, what, mended))

    def counts(self) -> dict[str, int]:
        """How many problems there are of each kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def as_json(self) -> dict[str, object]:
        return {
            "path": self.path,
            "images": self.images,
            "annotations": self.annotations,
            "problems": [problem._asdict() for problem in self.problems],
        }


def shown(names: Iterable[object], most: int = 3) -> str:
    """The first few of many names."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
