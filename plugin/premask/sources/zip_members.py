"""Images in zip files: each is one range of bytes, unpacked within its bounds."""

from __future__ import annotations

import stat
import struct
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterator

from premask.errors import SourceChanged, UnreadableImage
from premask.sources.members import MemberAddress, member_uri, require_container
from premask.sources.naming import member_name, suffix_of
from premask.sources.places import Places
from premask.sources.ranged_file import opened
from premask.sources.source_image import MOST_IMAGE_BYTES, SourceImage

_MOST_DIRECTORY_BYTES = 1 << 28
_HEADER = struct.Struct("<4s22xHH")
"""Of a member's own header: its signature, and how long its name and its extra field are."""

_DIRECTORIES = 4


def zip_members(
    uri: str, name: str, places: Places, suffixes: Collection[str]
) -> Iterator[SourceImage]:
    """The images of a zip file in its order; links are none, wherever they lead."""
    require_container(uri)
    for found in _directory(uri, places).values():
        if suffix_of(found.filename) in suffixes and not _is_link(found):
            yield SourceImage(
                uri=member_uri("zip", found.filename, uri),
                name=member_name(name, found.filename),
                size=found.file_size,
                etag=_etag(found),
            )


class ZipReader:
    """Reads members of zip files, and keeps the tables of contents of the last ones."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._directories: OrderedDict[str, dict[str, zipfile.ZipInfo]] = OrderedDict()

    def read(self, image: SourceImage, address: MemberAddress) -> bytes:
        """The bytes of a member, if it still has the checksum that it had."""
        found = self._directory(address.container).get(address.member)
        if found is None or _etag(found) != image.etag:
            raise SourceChanged(image.name, "its zip file has another one, or none")
        if max(found.file_size, found.compress_size) > MOST_IMAGE_BYTES:
            raise UnreadableImage(image.name, f"it unpacks to {found.file_size:,} bytes")
        if found.flag_bits & 1:
            raise UnreadableImage(image.name, "it is encrypted")
        data = _unpacked(image.name, found, self._packed(image.name, found, address.container))
        if len(data) != found.file_size or zlib.crc32(data) != found.CRC:
            raise UnreadableImage(image.name, "it does not unpack to what its zip file says")
        return data

    def _packed(self, name: str, found: zipfile.ZipInfo, container: str) -> bytes:
        """The member as it lies there, in one question where its header is as long as usual."""
        usual = _HEADER.size + len(found.filename.encode()) + len(found.extra) + 64
        data = self._places.read(container, found.header_offset, usual + found.compress_size)
        if len(data) < _HEADER.size or not data.startswith(b"PK\3\4"):
            raise UnreadableImage(name, "its zip file is broken: it is not where it should be")
        _, name_bytes, extra_bytes = _HEADER.unpack_from(data)
        start = _HEADER.size + name_bytes + extra_bytes
        missing = start + found.compress_size - len(data)
        if missing > 0:
            data += self._places.read(container, found.header_offset + len(data), missing)
        return data[start : start + found.compress_size]

    def _directory(self, uri: str) -> dict[str, zipfile.ZipInfo]:
        with self._lock:
            if uri not in self._directories:
                self._directories[uri] = _directory(uri, self._places)
            self._directories.move_to_end(uri)
            while len(self._directories) > _DIRECTORIES:
                self._directories.popitem(last=False)
            return self._directories[uri]


def _directory(uri: str, places: Places) -> dict[str, zipfile.ZipInfo]:
    """The members by their names; of two with one name the last one counts, as for unzip."""
    try:
        with (
            opened(uri, places, most_at_once=_MOST_DIRECTORY_BYTES) as file,
            zipfile.ZipFile(file) as archive,
        ):
            return {found.filename: found for found in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableImage(uri, f"it is no zip file, or a broken one ({error})") from error


def _unpacked(name: str, found: zipfile.ZipInfo, packed: bytes) -> bytes:
    if found.compress_type == zipfile.ZIP_STORED:
        return packed
    if found.compress_type != zipfile.ZIP_DEFLATED:
        raise UnreadableImage(
            name, f"it is packed by a method that is not read ({found.compress_type})"
        )
    try:
        # One byte more than it says it has is enough to know that it lies.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, found.file_size + 1)
    except zlib.error as error:
        raise UnreadableImage(name, f"its zip file is broken ({error})") from error


def _is_link(found: zipfile.ZipInfo) -> bool:
    return found.is_dir() or stat.S_ISLNK(found.external_attr >> 16)


def _etag(found: zipfile.ZipInfo) -> str:
    return f"{found.CRC:08x}"
