"""Files behind http(s) addresses, whoever wrote them: from allowed hosts, within bounds."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from premask.errors import UnreadableImage
from premask.sources.stores import PassingFailure, StoredFile
from premask.web.addresses import quoted, url_for_messages
from premask.web.hosts import ForbiddenAddress, Hosts
from premask.web.image_bytes import MAX_BYTES, failure_in_words, followed
from premask.web.network import Network, Reply

_PARTIAL, _FIRST_FAULT_OF_THE_SERVER, _TOO_MANY = 206, 500, 429
_REFUSED = (400, 401, 403, 405, 501)


class WebStore:
    """What servers give; they tell no list of what they have."""

    def __init__(self, allowed_hosts: Sequence[str] = ()) -> None:
        self._allowed_hosts = tuple(allowed_hosts)

    def stat(self, uri: str) -> StoredFile:
        with self._reply(uri, method="HEAD") as reply:
            if reply.status in _REFUSED:
                # An address that is signed for reading may refuse this, and be read all the same.
                return StoredFile(uri=uri)
            _require_success(uri, reply)
            told = reply.headers
            etag = told.get("ETag") or told.get("Last-Modified") or ""
            size = told.get("Content-Length", "")
            return StoredFile(uri=uri, size=int(size) if size.isdigit() else None, etag=etag)

    def is_folder(self, uri: str) -> bool:
        return False

    def walk(self, uri: str) -> Iterator[StoredFile]:
        raise UnreadableImage(url_for_messages(uri), "a web server tells no list of its files")

    def read(self, uri: str, start: int = 0, length: int | None = None) -> bytes:
        wanted = {} if length is None else {"Range": f"bytes={start}-{start + length - 1}"}
        with self._reply(uri, headers=wanted) as reply:
            _require_success(uri, reply)
            # Some servers give the whole file to whoever asks for a part.
            skipped = 0 if reply.status == _PARTIAL else start
            most = MAX_BYTES if length is None else skipped + length
            data = _bounded(uri, reply.body, most, cuts=length is not None)
            return data[skipped:]

    @contextmanager
    def _reply(
        self, uri: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Iterator[Reply]:
        ends = time.monotonic() + self._network.time_limits.total
        try:
            with followed(
                quoted(uri.strip()), self._network, method=method, headers=headers, ends=ends
            ) as reply:
                yield reply
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = failure_in_words(error, self._network.time_limits.total)
            if _is_final(error):
                raise UnreadableImage(url_for_messages(uri), words) from error
            raise PassingFailure(words) from error

    @cached_property
    def _network(self) -> Network:
        # To make one, the certificates of this machine are read.
        hosts = Hosts(allowed=self._allowed_hosts, allow_with="--allow-hosts {server}")
        return Network(hosts=hosts)


def _require_success(uri: str, reply: Reply) -> None:
    if reply.status in (http.client.OK, _PARTIAL):
        return
    meaning = http.client.responses.get(reply.status, "")
    words = f"its server answers {reply.status} {meaning}".rstrip()
    if reply.status >= _FIRST_FAULT_OF_THE_SERVER or reply.status == _TOO_MANY:
        raise PassingFailure(words)
    raise UnreadableImage(url_for_messages(uri), words)


def _is_final(error: Exception) -> bool:
    """Whether asking again can't help: it is not allowed, no address, or no such name."""
    if isinstance(error, socket.gaierror):
        return error.errno != socket.EAI_AGAIN
    return isinstance(error, (ForbiddenAddress, ValueError))


def _bounded(uri: str, body: Iterator[bytes], most: int, *, cuts: bool) -> bytes:
    """At most so many bytes; what is longer is cut, or refused."""
    data = bytearray()
    for part in body:
        data += part
        if len(data) > most and not cuts:
            raise UnreadableImage(url_for_messages(uri), f"it is larger than {most / 1e6:g} MB")
        if len(data) >= most and cuts:
            break
    return bytes(data[:most])
