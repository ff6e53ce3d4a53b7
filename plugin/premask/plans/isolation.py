"""Finding the images that end every process that looks at them, by halves."""

from __future__ import annotations

from collections.abc import Callable

Survives = Callable[[range], bool]
"""Labels the images at these places of a shard in a process of its own; whether that lived."""


def find_killers(places: range, survives: Survives, *, tries: int) -> list[int]:
    """The places of images that end a process `tries` times; all others are labeled on the way.

    All of them together have ended one. A process may die for other reasons, such as somebody who
    needs its memory. Then nothing worse happens than that more is tried.

    >>> find_killers(range(8), lambda places: 5 not in places, tries=3)
    [5]
    """
    if len(places) == 1:
        lived = any(survives(places) for _ in range(tries - 1))
        return [] if lived else list(places)
    middle = len(places) // 2
    deadly = [half for half in (places[:middle], places[middle:]) if not survives(half)]
    return [killer for half in deadly for killer in find_killers(half, survives, tries=tries)]
