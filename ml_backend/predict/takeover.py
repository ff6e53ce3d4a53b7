"""New weights under the path of a model that is in use are served without a restart."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from premask.errors import MissingWeights, PremaskError
from premask.models.catalog import checkpoint_of
from premask.models.weights.kinds import LocalWeights
from premask.models.weights.watching import WatchedWeights

log = logging.getLogger("premask.label_studio")

LOOK_SECONDS = 3.0
"""A file that has not changed for so long is taken to be written."""

AS_STARTED = "as it was when the server started"


@dataclass(slots=True, kw_only=True)
class _Watched:
    weights: WatchedWeights
    state: str = AS_STARTED

    @property
    def shown(self) -> str:
        if self.weights.is_gone:
            return f"there is nothing at its path any more; what was loaded serves ({self.state})"
        if self.weights.is_being_written:
            return f"new weights are being written; the old ones serve ({self.state})"
        return self.state


class Takeover:
    """Looks at the files of people's own models every few seconds, in a thread.

    `models` names those that are in use now, and `renew` puts new weights of one of them in the
    place of the old ones, or raises, and leaves everything as it was.
    """

    def __init__(
        self,
        models: Callable[[], Iterable[str]],
        renew: Callable[[str], None],
        trouble: Callable[[str, str], object],
    ) -> None:
        self._models, self._renew, self._trouble = models, renew, trouble
        self._watched: dict[str, _Watched] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="premask-takeover", daemon=True)
        self._note_models()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()

    def look(self) -> None:
        """Take over what is new. Two looks are needed to see that it is written."""
        self._note_models()
        for name, watched in self._watched.items():
            if watched.weights.is_new():
                self._take_over(name, watched)

    def shown(self) -> Iterator[tuple[str, str]]:
        """Each model of a person's own, and which weights serve."""
        for name, watched in list(self._watched.items()):
            yield name, watched.shown

    def _take_over(self, name: str, watched: _Watched) -> None:
        try:
            broken = watched.weights.what_is_broken()
            if broken:
                raise MissingWeights(f"{broken}.")
            self._renew(name)
        # A library may raise anything for a file that is no checkpoint.
        except Exception as error:
            reason = str(error) if isinstance(error, PremaskError) else repr(error)
            watched.state = (
                f"what is at its path can't be used, and the old weights serve: {reason}"
            )
            log.error("new weights of %s can't be used: %s", name, reason)
            self._trouble(f"new weights of {name}", reason)
            return
        watched.state = f"new weights, since {time.strftime('%d %b %H:%M:%S')}"
        log.info("%s: %s", name, watched.state)
        # What has run on the old weights refers to itself in places, and they may be gigabytes.
        gc.collect()

    def _note_models(self) -> None:
        for name in self._models():
            # Weights that are not there yet are told where they are asked for.
            with suppress(PremaskError):
                weights = checkpoint_of(name).weights if name not in self._watched else None
                if isinstance(weights, LocalWeights):
                    self._watched[name] = _Watched(weights=WatchedWeights(Path(weights.path)))

    def _watch(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            try:
                self.look()
            # A disk that fails for a moment must not end the watching.
            except Exception as error:
                log.warning("weights can't be looked at: %s", error)
