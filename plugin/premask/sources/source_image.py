"""An image that a source holds: where it is, what it is called, and how to see that it changed."""

from __future__ import annotations

from dataclasses import dataclass

from premask.images import digest_of

MOST_IMAGE_BYTES = 2**29
"""What is larger, packed or not, is no image that people have by millions, but may be a bomb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """An image by its address, which is a path, a URL, or a member of a file: `tar://a.jpg::x.tar`.

    `size` and `etag` are what the listing told, None and empty where that costs too much to ask:
    an image that has others by the time it is read was changed. `offset` says where in a tar it is.
    """

    uri: str
    name: str
    size: int | None = None
    etag: str = ""
    offset: int | None = None

    @property
    def id(self) -> str:
        """The same for the same address, whatever lies there now."""
        return digest_of(self.uri.encode())

    @property
    def version(self) -> str:
        """A text that changes when the image does, as far as the listing tells."""
        return f"{self.size}:{self.etag}"
