"""Which store an address belongs to, asked again when it fails for a moment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from premask.errors import UnreadableImage
from premask.sources.cloud_store import SCHEMES, CloudStore
from premask.sources.local_store import LocalStore
from premask.sources.patience import Patience
from premask.sources.stores import PassingFailure, Store, StoredFile
from premask.sources.web_store import WebStore

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def scheme_of(uri: str) -> str:
    """What an address begins with; empty for a path.

    >>> scheme_of("s3://bucket/a.jpg"), scheme_of("C:/photos/a.jpg"), scheme_of("/photos/a.jpg")
    ('s3', '', '')
    """
    found = _SCHEME.match(uri)
    return found[1].lower() if found else ""


def is_local(uri: str) -> bool:
    """Whether it is a file of this machine."""
    return "://" not in uri or scheme_of(uri) in ("", "file")


@dataclass(slots=True, kw_only=True)
class Places:
    """All stores behind one door. `allowed_hosts` may lie outside of the public internet."""

    allowed_hosts: Sequence[str] = ()
    patience: Patience = Patience()
    _stores: dict[str, Store] = field(default_factory=dict)

    def stat(self, uri: str) -> StoredFile:
        """The file that is there now, or `UnreadableImage`."""
        return self.patience.ask(uri, lambda: self._store(uri).stat(uri))

    def is_folder(self, uri: str) -> bool:
        """Whether files lie below it."""
        return self.patience.ask(uri, lambda: self._store(uri).is_folder(uri))

    def walk(self, uri: str) -> Iterator[StoredFile]:
        """All files below a folder but hidden ones, in an order that stays."""
        return self._store(uri).walk(uri)

    def read(
        self, uri: str, start: int = 0, length: int | None = None, *, size: int | None = None
    ) -> bytes:
        """A part of a file, by default all of it, which has to have the size that is given.

        There are fewer bytes than were asked for only where it ends before.
        """

        def question() -> bytes:
            data = self._store(uri).read(uri, start, length)
            if size is not None and len(data) != size:
                raise PassingFailure(f"{len(data):,} of its {size:,} bytes arrived")
            return data

        return self.patience.ask(uri, question)

    def _store(self, uri: str) -> Store:
        scheme = scheme_of(uri)
        if scheme not in self._stores:
            self._stores[scheme] = self._new_store(scheme, uri)
        return self._stores[scheme]

    def _new_store(self, scheme: str, uri: str) -> Store:
        if is_local(uri):
            return LocalStore()
        if scheme in ("http", "https"):
            return WebStore(self.allowed_hosts)
        if scheme in SCHEMES:
            return CloudStore(scheme, self.patience)
        known = ", ".join(sorted({*SCHEMES, "http", "https", "file"}))
        raise UnreadableImage(uri, f"'{scheme}' addresses are not opened; these are: {known}")
