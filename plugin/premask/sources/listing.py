"""From what people name to images one at a time: folders, patterns, lists, files full of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from premask.errors import UnreadableImage
from premask.images import SUFFIXES
from premask.sources.line_lists import address_in_list, lines_of
from premask.sources.local_store import path_of, uri_of
from premask.sources.naming import common_root, name_below, suffix_of
from premask.sources.parquet_rows import image_column, parquet_rows, texts_in
from premask.sources.patterns import fixed_folder, has_wildcard, pattern_to_regex, without_braces
from premask.sources.places import Places, is_local, scheme_of
from premask.sources.source_image import SourceImage
from premask.sources.stores import StoredFile
from premask.sources.tar_members import tar_members
from premask.sources.zip_members import zip_members

_PACKED = (".tar", ".zip")
_SEALED = (".gz", ".tgz", ".bz2", ".xz", ".zst")
_CONTAINERS = (*_PACKED, *_SEALED, ".parquet")

_AT_ONCE = 8
"""Files full of images that are gone through at the same time."""


def list_images(
    texts: Sequence[str],
    places: Places,
    *,
    column: str | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> Iterator[SourceImage]:
    """All images that are meant, in a stable order, with one folder's names in memory at most.

    Other `suffixes` than those of images mean other files, such as clips. In parquet files images
    are in this `column`, by default in one with a usual name.
    """
    meant = [uri for text in texts for uri in _meant(text)]
    root = common_root([_folder_of(uri, places) for uri in meant])
    listing = _Listing(places, root, column, suffixes)
    yield from listing.images(stored for uri in meant for stored in listing.files(uri))


def _meant(text: str) -> list[str]:
    """A text as whole addresses: paths from the root, `{000..099}` as each of its numbers."""
    if scheme_of(text) or (text.startswith("@") and not Path(text).exists()):
        return [text] if text.startswith("@") else without_braces(text)
    paths = [text] if Path(text).exists() else without_braces(text)
    return [uri_of(Path(path).absolute()) for path in paths]


def _folder_of(uri: str, places: Places) -> str:
    """The folder that names are told from."""
    if uri.startswith("@"):
        listed = uri[1:]
        return uri_of(path_of(listed).absolute().parent) if is_local(listed) else _above(listed)
    if _is_pattern(uri):
        return fixed_folder(uri)
    return uri if _is_folder(uri, places) else _above(uri)


def _above(uri: str) -> str:
    return uri.rpartition("/")[0]


def _is_folder(uri: str, places: Places) -> bool:
    # In a bucket a folder may be called like a file, but nobody asks a thousand times for that.
    looks_like_file = not is_local(uri) and suffix_of(uri) in (*SUFFIXES, *_CONTAINERS)
    return not looks_like_file and places.is_folder(uri)


def _is_pattern(uri: str) -> bool:
    return has_wildcard(uri) and not (is_local(uri) and path_of(uri).exists())


@dataclass(frozen=True, slots=True)
class _Listing:
    places: Places
    root: str
    column: str | None
    suffixes: Collection[str]

    def files(self, uri: str) -> Iterator[StoredFile]:
        """The files behind one address that somebody typed; if there are none, an error."""
        if uri.startswith("@"):
            for line in lines_of(uri[1:], self.places):
                yield from self._listed(line)
        elif _is_pattern(uri):
            yield from self._matching(uri)
        elif _is_folder(uri, self.places):
            yield from self._below(uri)
        else:
            yield self.places.stat(uri)

    def images(self, files: Iterator[StoredFile]) -> Iterator[SourceImage]:
        """The files in their order, and in the place of each that is full of images, these.

        A tar of a bucket is gone through in minutes, most of which are spent waiting: so several
        are at once.
        """
        under_way = deque[Future[list[SourceImage]]]()
        with ThreadPoolExecutor(_AT_ONCE, "premask-list") as threads:
            for stored in files:
                is_packed = suffix_of(stored.uri) in _PACKED
                while len(under_way) >= (_AT_ONCE if is_packed else 1):
                    yield from under_way.popleft().result()
                if is_packed:
                    under_way.append(threads.submit(self._members, stored))
                else:
                    yield from self._unpacked(stored)
            while under_way:
                yield from under_way.popleft().result()

    def _listed(self, uri: str) -> Iterator[StoredFile]:
        """A line of a list: an image that is not there is told when it is read."""
        if is_local(uri) and path_of(uri).is_dir():
            yield from self._below(uri)
        elif is_local(uri) and path_of(uri).is_file():
            yield self.places.stat(uri)
        else:
            # To ask for each of ten million how large it is would take days.
            yield StoredFile(uri=uri)

    def _below(self, uri: str) -> Iterator[StoredFile]:
        wanted = " ".join(sorted(self.suffixes))
        yield from self._known(
            self.places.walk(uri),
            self.suffixes,
            uri,
            f"looked for {wanted}. Files full of images are named themselves, such as "
            f"'{uri.rstrip('/')}/*.tar'",
        )

    def _matching(self, pattern: str) -> Iterator[StoredFile]:
        matches = pattern_to_regex(pattern).fullmatch
        found = (file for file in self.places.walk(fixed_folder(pattern)) if matches(file.uri))
        known = (*self.suffixes, *_CONTAINERS)
        yield from self._known(found, known, pattern, f"looked for {' '.join(sorted(known))}")

    def _known(
        self, files: Iterator[StoredFile], suffixes: Collection[str], uri: str, advice: str
    ) -> Iterator[StoredFile]:
        """Those with these suffixes; if there are none, an error that says what there is."""
        seen, passed_over = False, Counter[str]()
        for stored in files:
            suffix = suffix_of(stored.uri)
            if suffix in suffixes:
                seen = True
                yield stored
            else:
                passed_over[suffix or "no suffix"] += 1
        if not seen:
            kinds = ", ".join(f"{count} {kind}" for kind, count in passed_over.most_common(5))
            raise UnreadableImage(uri, f"there is {kinds or 'nothing'}; {advice}")

    def _members(self, stored: StoredFile) -> list[SourceImage]:
        members = tar_members if suffix_of(stored.uri) == ".tar" else zip_members
        return list(members(stored.uri, self._name(stored), self.places, self.suffixes))

    def _unpacked(self, stored: StoredFile) -> Iterator[SourceImage]:
        suffix = suffix_of(stored.uri)
        if suffix == ".parquet":
            yield from self._in_table(stored)
        elif suffix in _SEALED:
            reason = f"nothing can be read from the middle of a {suffix}: unpack it first"
            raise UnreadableImage(stored.uri, reason)
        else:
            yield self._image(stored)

    def _in_table(self, stored: StoredFile) -> Iterator[SourceImage]:
        column = image_column(stored.uri, self.places, self.column)
        if column.has_bytes:
            # A list does not say which version of a file it means, and its rows are of one.
            whole = stored if stored.etag else self.places.stat(stored.uri)
            yield from parquet_rows(whole, self._name(stored), column, self.places)
            return
        for text in texts_in(stored.uri, column, self.places):
            for listed in self._listed(address_in_list(stored.uri, text)):
                yield self._image(listed)

    def _image(self, stored: StoredFile) -> SourceImage:
        return SourceImage(
            uri=stored.uri, name=self._name(stored), size=stored.size, etag=stored.etag
        )

    def _name(self, stored: StoredFile) -> str:
        return name_below(self.root, stored.uri)
