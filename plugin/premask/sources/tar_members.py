"""Images in tars, as webdataset has them: listed by their headers, read by their place."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Collection, Iterator

from premask.errors import SourceChanged, UnreadableImage
from premask.sources.members import MemberAddress, member_uri, require_container
from premask.sources.naming import member_name, suffix_of
from premask.sources.places import Places
from premask.sources.ranged_file import opened
from premask.sources.source_image import MOST_IMAGE_BYTES, SourceImage

_HEADER_BYTES = 512
_MOST_HEADER_BYTES = 1 << 22
"""Names and attributes of one file take this much where somebody means harm."""


def tar_members(
    uri: str, name: str, places: Places, suffixes: Collection[str]
) -> Iterator[SourceImage]:
    """The images of a tar in its order; links and devices are none, wherever they lead."""
    require_container(uri)
    try:
        with (
            opened(uri, places, most_at_once=_MOST_HEADER_BYTES) as file,
            tarfile.open(fileobj=file, mode="r:") as tar,
        ):
            while (found := tar.next()) is not None:
                # It remembers all of them, and there may be millions.
                tar.members = []  # type: ignore[attr-defined]  # typeshed does not list it
                if found.isreg() and not found.issparse() and suffix_of(found.name) in suffixes:
                    file.seek(found.offset_data - _HEADER_BYTES)
                    yield SourceImage(
                        uri=member_uri("tar", found.name, uri),
                        name=member_name(name, found.name),
                        size=found.size,
                        etag=_etag(file.read(_HEADER_BYTES)),
                        offset=found.offset_data,
                    )
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise UnreadableImage(
            uri, f"it is no tar, or a broken one ({error}). Packed ones have to be unpacked first"
        ) from error


def read_tar_member(image: SourceImage, address: MemberAddress, places: Places) -> bytes:
    """The bytes of a member, if its header still says what it said."""
    size, offset = image.size or 0, image.offset or 0
    if size > MOST_IMAGE_BYTES or offset < _HEADER_BYTES:
        raise UnreadableImage(image.name, f"{size:,} bytes are more than {MOST_IMAGE_BYTES:,}")
    data = places.read(address.container, offset - _HEADER_BYTES, _HEADER_BYTES + size)
    if _etag(data[:_HEADER_BYTES]) != image.etag:
        raise SourceChanged(image.name, "its tar has something else in its place")
    return data[_HEADER_BYTES:]


def _etag(header: bytes) -> str:
    """A header has the member's name, its size and when it was changed."""
    return f"{zlib.crc32(header):08x}"
