"""A download that says how far it is, to whoever has no terminal to look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from premask.models.weights import hub
from premask.models.weights.download import download, download_size
from premask.models.weights.kinds import HubWeights, Weighted

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How many bytes are here, and how many there will be; 0 if nobody knows."""

    arrived: int
    total: int


def arriving(checkpoint: Weighted) -> Iterator[Arrival]:
    """Download weights, and say once a second how much has come; raise what `download` raises.

    The hub's library tells only a terminal how far it is, so its folder is looked at. Whoever stops
    listening does not stop the download; what has come is not loaded again.
    """
    total = download_size(checkpoint)
    yield Arrival(arrived=0, total=total)
    before, failures = _bytes_here(checkpoint), list[BaseException]()

    def work() -> None:
        try:
            download(checkpoint)
        except BaseException as error:  # raised again below, where somebody hears it
            failures.append(error)

    thread = threading.Thread(target=work, name="premask-download", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        come = max(0, _bytes_here(checkpoint) - before)
        yield Arrival(arrived=min(come, total) if total else come, total=total)
    if failures:
        raise failures[0]


def _bytes_here(checkpoint: Weighted) -> int:
    """What lies in the hub's folder of the repository, complete or not; 0 of other weights."""
    if not isinstance(checkpoint.weights, HubWeights):
        return 0
    return sum(map(_size, hub.folder_of(checkpoint.weights).glob("blobs/*")))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # it has just got its final name
        return 0
