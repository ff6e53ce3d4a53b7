"""Files, bytes and arrays -> Image: upright RGB, or an error that says why it can't be read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from premask.decoding import Rgb as Rgb
from premask.decoding import decode_bytes, decode_picture
from premask.deep_values import Window
from premask.errors import UnreadableImage
from premask.geometry import IntBox, box_slices

ImageSource = str | Path | bytes | Rgb | PIL.Image.Image

SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".avif", ".jp2", ".heic", ".heif", ".hif"),
}
"""The file names that are picked up from a folder."""

MAX_FILE_BYTES = 2**31

PROBES = 64
"""How many rows and columns of an image are compared where its digest is known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """An upright image.

    `digest` is a hash of the file or of the pixels, and tells whether they have changed. `pixels`
    is None for an image whose pixels are not in memory: its labels need the size only. An image
    that could not be read, and one of unknown size, has the size (0, 0). `note` says how values of
    more than 8 bits became 8.
    """

    name: str
    size_hw: tuple[int, int] = (0, 0)
    digest: str = ""
    pixels: Rgb | None = field(default=None, repr=False)
    note: str = ""

    @classmethod
    def from_rgb(cls, rgb: Rgb, *, name: str, digest: str = "", note: str = "") -> Image:
        """An image from its pixels (height, width, 3) of uint8."""
        size_hw = (rgb.shape[0], rgb.shape[1])
        return cls(name=name, size_hw=size_hw, digest=digest, pixels=rgb, note=note)

    @classmethod
    def unread(cls, name: str) -> Image:
        """An image that could not be read: a name, so that its error can be shown beside it."""
        return cls(name=name)

    @property
    def rgb(self) -> Rgb:
        """Pixels (height, width, 3) of uint8."""
        if self.pixels is None:
            raise UnreadableImage(self.name, "its pixels are not in memory; read it again")
        return self.pixels

    @property
    def identity(self) -> str:
        """A hash that other pixels, or the same ones in another shape, do not have.

        Whatever is remembered of an image is remembered under it. An image without a digest is
        known by all of its pixels. Where there is one, it says which file was read; some of the
        pixels are looked at as well, for another version may decode the same file differently.
        """
        if not self.digest:
            return _digest_of_pixels(self.rgb)
        down, across = (max(1, side // PROBES) for side in self.size_hw)
        probes = _digest_of_pixels(self.rgb[::down, ::across])
        # The note: through another window, other pixels come of the same file.
        noted = (self.note,) if self.note else ()
        return digest_of(repr(("digest", self.digest, self.size_hw, probes, *noted)).encode())

    def cropped(self, box_xyxy: IntBox) -> Image:
        """A part of the image. Its digest follows from that of the whole."""
        rgb = np.ascontiguousarray(self.rgb[box_slices(box_xyxy)])
        digest = self.digest and digest_of(repr(("part", self.digest, box_xyxy)).encode())
        return Image.from_rgb(rgb, name=self.name, digest=digest, note=self.note)


def read_image(
    source: ImageSource, name: str | None = None, *, window: Window | None = None
) -> Image:
    """Decode one image, turned upright; `name` is what people call it (by default its path).

    Of values of more than 8 bits, those in the window go from black to white; without one, each
    file's own bits decide.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "array")
    if isinstance(source, PIL.Image.Image):
        name = name or str(getattr(source, "filename", "") or "image")
        rgb, note = decode_picture(source, name, window)
        return Image.from_rgb(rgb, name=name, digest=_digest_of_pixels(rgb), note=note)
    if isinstance(source, (str, Path)):
        name = name or str(source)
        source = read_file(Path(source), name)
    name = name or "bytes"
    rgb, note = decode_bytes(source, name, window)
    return Image.from_rgb(rgb, name=name, digest=digest_of(source), note=note)


def read_file(path: Path, name: str) -> bytes:
    """All bytes of a file, or `UnreadableImage` if there is none or it is larger than 2 GiB."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UnreadableImage(name, "it is no file")
        if size > MAX_FILE_BYTES:
            raise UnreadableImage(name, f"{size:,} bytes are more than {MAX_FILE_BYTES:,}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UnreadableImage(name, (reason or str(error)).lower()) from error


def digest_of(data: bytes) -> str:
    """A hash of the bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _digest_of_pixels(rgb: Rgb) -> str:
    """A hash of the pixels with their type and shape, as the same bytes fit several shapes."""
    digest = hashlib.blake2b(repr((rgb.dtype.str, rgb.shape)).encode(), digest_size=16)
    digest.update(rgb.tobytes())
    return digest.hexdigest()


def _from_array(array: NDArray[np.uint8], name: str) -> Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise UnreadableImage(
            name,
            f"an array must be uint8 of shape (height, width, 3) or (height, width); "
            f"this one is {array.dtype} of shape {array.shape}",
        )
    if not array.size:
        raise UnreadableImage(name, f"an array of shape {array.shape} has no pixels")
    rgb = np.ascontiguousarray(array if array.ndim == 3 else np.stack([array] * 3, axis=-1))
    return Image.from_rgb(rgb, name=name, digest=_digest_of_pixels(rgb))
