"""Asking again when a source fails for a moment, a little later each time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from premask.errors import UnreadableImage
from premask.sources.stores import PassingFailure

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How many times to try, and how many seconds to wait: twice as long each time."""

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def ask(self, name: str, question: Callable[[], Result]) -> Result:
        """The answer, or `UnreadableImage` with what was wrong the last time."""
        for trial in range(1, self.tries + 1):
            try:
                return question()
            except PassingFailure as error:
                if trial == self.tries:
                    raise UnreadableImage(name, f"{error} ({self.tries} tries)") from error
                wait = min(self.longest_wait, self.first_wait * 2 ** (trial - 1))
                # Thousands of processes that failed at once don't all come back at once.
                time.sleep(wait * random.uniform(0.5, 1.0))
        raise AssertionError("there is at least one try")
