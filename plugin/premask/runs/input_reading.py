"""Reading inputs ahead of the model: from disk, or from an address, and then once and for all."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future
from functools import cached_property

from premask.files import write_atomically
from premask.images import read_file
from premask.runs.inputs import Input
from premask.runs.ordered_work import in_order
from premask.web.hosts import Hosts
from premask.web.image_bytes import fetch_image
from premask.web.network import Network

READERS = 4
"""Threads that read files ahead, or fetch them, which takes many times as long."""


class InputReader:
    """Hands out the bytes of inputs in their order; a future raises `UnreadableImage` for its own.

    What was fetched stays at the input's path, for the next run and the preview. `again` fetches
    also what is there already.
    """

    def __init__(self, *, allowed_hosts: Sequence[str] = (), again: bool = False) -> None:
        self._allowed_hosts, self._again = tuple(allowed_hosts), again

    def read(self, inputs: Sequence[Input]) -> Generator[tuple[Input, Future[bytes]], None, None]:
        """Each input with its bytes, a few files ahead."""
        return in_order(self._read, inputs, workers=READERS, name="premask-fetch")

    def _read(self, item: Input) -> bytes:
        if not item.url or (not self._again and item.path.is_file()):
            return read_file(item.path, item.name)
        data = fetch_image(item.url, self._network)
        write_atomically(item.path, data)
        return data

    @cached_property
    def _network(self) -> Network:
        # To make one, the certificates of this machine are read.
        allow_with = "--allow-hosts {server}"
        return Network(hosts=Hosts(allowed=self._allowed_hosts, allow_with=allow_with))
