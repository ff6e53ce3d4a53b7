"""Addresses of images inside of other files: `tar://photos/1.jpg::s3://bucket/a.tar`."""

from __future__ import annotations

from typing import NamedTuple

from premask.errors import UnreadableImage
from premask.sources.places import scheme_of
from premask.sources.source_image import SourceImage

_BETWEEN = "::"
KINDS = ("tar", "zip", "parquet")


class MemberAddress(NamedTuple):
    """What kind of file it is, what the member is called in it, and where the file lies."""

    kind: str
    member: str
    container: str


def member_uri(kind: str, member: str, container: str) -> str:
    """The address, as fsspec chains them."""
    return f"{kind}://{member}{_BETWEEN}{container}"


def member_address(image: SourceImage) -> MemberAddress | None:
    """Undo `member_uri`; None for an image that is a file of its own."""
    kind = scheme_of(image.uri)
    if kind not in KINDS:
        return None
    member, between, container = image.uri.removeprefix(f"{kind}://").rpartition(_BETWEEN)
    if not between or scheme_of(container) in KINDS:
        raise UnreadableImage(image.uri, "it names no file that it is in")
    return MemberAddress(kind, member, container)


def require_container(uri: str) -> None:
    """Raise for a file whose own address could not be told from a member's."""
    if _BETWEEN in uri:
        raise UnreadableImage(uri, f"a file of images can't have {_BETWEEN} in its name: rename it")
