"""From what people name to images one at a time: folders, patterns, lists, files full of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
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
    for uri in meant:
        yield from listing.images(uri)


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
    return _above(uri) if suffix_of(uri) and not places.is_folder(uri) else uri


def _above(uri: str) -> str:
    return uri.rpartition("/")[0]


def _is_pattern(uri: str) -> bool:
    return has_wildcard(uri) and not (is_local(uri) and path_of(uri).exists())


@dataclass(frozen=True, slots=True)
class _Listing:
    places: Places
    root: str
    column: str | None
    suffixes: Collection[str]

    def images(self, uri: str) -> Iterator[SourceImage]:
        """The images behind one address that somebody typed; if there are none, an error."""
        if uri.startswith("@"):
            for line in lines_of(uri[1:], self.places):
                yield from self._listed(line)
        elif _is_pattern(uri):
            yield from self._matching(uri)
        elif self.places.is_folder(uri):
            yield from self._below(uri)
        else:
            yield from self._in_file(self.places.stat(uri))

    def _listed(self, uri: str) -> Iterator[SourceImage]:
        """A line of a list: an image that is not there is told when it is read."""
        if not is_local(uri):
            # To ask for each of ten million how large it is would take days.
            yield from self._in_file(StoredFile(uri=uri))
        elif path_of(uri).is_dir():
            yield from self._below(uri)
        elif path_of(uri).is_file():
            yield from self._in_file(self.places.stat(uri))
        else:
            yield self._image(StoredFile(uri=uri))

    def _below(self, uri: str) -> Iterator[SourceImage]:
        seen, passed_over = False, Counter[str]()
        for stored in self.places.walk(uri):
            suffix = suffix_of(stored.uri)
            if suffix in self.suffixes:
                seen = True
                yield self._image(stored)
            else:
                passed_over[suffix or "no suffix"] += 1
        if not seen:
            wanted = " ".join(sorted(self.suffixes))
            kinds = ", ".join(f"{count} {kind}" for kind, count in passed_over.most_common(5))
            raise UnreadableImage(
                uri,
                f"the folder holds {kinds or 'nothing'}; looked for {wanted}. Files full of images "
                f"are named themselves, such as '{uri.rstrip('/')}/*.tar'",
            )

    def _matching(self, pattern: str) -> Iterator[SourceImage]:
        matches, seen = pattern_to_regex(pattern).fullmatch, False
        for stored in self.places.walk(fixed_folder(pattern)):
            if matches(stored.uri):
                seen = True
                yield from self._in_file(stored)
        if not seen:
            raise UnreadableImage(pattern, "nothing matches it")

    def _in_file(self, stored: StoredFile) -> Iterator[SourceImage]:
        """The images in a file of many, or the file itself if it is none of these."""
        match suffix_of(stored.uri):
            case ".tar":
                yield from tar_members(stored.uri, self._name(stored), self.places, self.suffixes)
            case ".zip":
                yield from zip_members(stored.uri, self._name(stored), self.places, self.suffixes)
            case ".parquet":
                yield from self._in_table(stored)
            case ".gz" | ".tgz" | ".bz2" | ".xz" | ".zst" as suffix:
                reason = f"nothing can be read from the middle of a {suffix}: unpack it first"
                raise UnreadableImage(stored.uri, reason)
            case _:
                yield self._image(stored)

    def _in_table(self, stored: StoredFile) -> Iterator[SourceImage]:
        column = image_column(stored.uri, self.places, self.column)
        if column.has_bytes:
            # A list does not say which version of a file it means, and its rows are of one.
            whole = stored if stored.etag else self.places.stat(stored.uri)
            yield from parquet_rows(whole, self._name(stored), column, self.places)
            return
        for text in texts_in(stored.uri, column, self.places):
            yield from self._listed(address_in_list(stored.uri, text))

    def _image(self, stored: StoredFile) -> SourceImage:
        return SourceImage(
            uri=stored.uri, name=self._name(stored), size=stored.size, etag=stored.etag
        )

    def _name(self, stored: StoredFile) -> str:
        return name_below(self.root, stored.uri)
