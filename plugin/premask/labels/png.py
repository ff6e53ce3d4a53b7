"""Arrays and masks <-> the bytes of PNG files: gray, with a palette, or in color."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.images import Image
from premask.labels.glimpse import Glimpse
from premask.labels.numbering import files_of_images
from premask.labels.palette import png_palette
from premask.masks import Mask, Size
from premask.shaping.maps import NumberMap

PILLOWS_OWN = -1
"""The compression strategy that Pillow chooses by itself."""


def png_from_mask(mask: Mask) -> bytes:
    """A gray PNG of 0 and 255."""
    return png_from_gray(mask.to_array().view(np.uint8) * np.uint8(255))


def mask_from_png(data: bytes) -> Mask:
    """The pixels of a PNG that are not 0."""
    return Mask.from_array(pixels_from_png(data))


def png_from_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """A black picture that is as opaque as this array (height, width) says.

    Its only channel is a number for each pixel, which its palette makes alpha of: a quarter of the
    work that four channels are, in a picture of one bit where all is opaque or transparent.
    """
    is_hard = not ((alpha > 0) & (alpha < 255)).any()
    picture = PIL.Image.fromarray((alpha > 0).view(np.uint8) if is_hard else alpha)
    levels = (0, 255) if is_hard else range(256)
    picture.putpalette(bytes(3 * len(levels)))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes(levels), bits=1 if is_hard else 8)
    return buffer.getvalue()


def alpha_from_painted_png(data: bytes, size_hw: Size) -> NDArray[np.uint8]:
    """How opaque the pixels are; where none can be transparent, those that are not black."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.size != (size_hw[1], size_hw[0]):
                raise InvalidMask(
                    f"This PNG has {picture.width} x {picture.height} pixels, but its image has "
                    f"{size_hw[1]} x {size_hw[0]}."
                )
            if picture.has_transparency_data:
                return np.asarray(picture.convert("RGBA").getchannel("A"))
            painted = np.asarray(picture.convert("RGB")).any(axis=-1)
            return np.where(painted, 255, 0).astype(np.uint8)
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise InvalidMask(f"This mask is no PNG that can be read ({error}).") from error


def png_from_numbers(numbers: NumberMap, palette: bytes | None = None) -> bytes:
    """A PNG with a palette, by default PASCAL VOC's.

    Beyond 255 numbers it has 16 bits of gray, without colors.
    """
    picture = PIL.Image.fromarray(numbers)
    if numbers.dtype == np.uint8:
        picture.putpalette(palette or png_palette())
    return png_from_picture(picture)


def png_from_gray(gray: NumberMap) -> bytes:
    """A gray PNG of an array (height, width), of 8 or 16 bits as the array is."""
    return png_from_picture(PIL.Image.fromarray(gray))


def png_from_picture(picture: PIL.Image.Image, *, strategy: int = PILLOWS_OWN) -> bytes:
    """The file of a picture; `strategy` is one of zlib's, of which some suit photos."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_type=strategy)
    return buffer.getvalue()


def pixels_from_png(data: bytes) -> NDArray[np.integer]:
    """The numbers (height, width) of a gray PNG, or of one with a palette."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture)
    # Pillow's decoders raise nearly anything on broken files.
    except Exception as error:
        raise InvalidMask(f"This mask is no PNG that can be read ({error}).") from error
    if pixels.ndim != 2:
        raise InvalidMask(f"This PNG has colors ({picture.mode}); a mask has one number a pixel.")
    return pixels


def read_pngs(folder: Path, images: Iterable[Image]) -> Iterator[tuple[Image, NDArray[np.integer]]]:
    """Each image that has a PNG in the folder, and the numbers (height, width) in that.

    Without `images` all PNGs below the folder are read, and each gives its name to its image.
    """
    for image, path in files_of_images(folder, ".png", images):
        pixels = pixels_from_png(path.read_bytes())
        size_hw = (pixels.shape[0], pixels.shape[1])
        if image.size_hw == (0, 0):
            yield Image(name=image.name, size_hw=size_hw), pixels
        elif image.size_hw == size_hw:
            yield image, pixels
        else:
            raise InvalidMask(
                f"'{path}' has {size_hw[1]} x {size_hw[0]} pixels, but its image has "
                f"{image.size_hw[1]} x {image.size_hw[0]}. Is it another image's?"
            )


def mode_of_first_png(glimpse: Glimpse) -> tuple[str, bytes]:
    """Pillow's mode of the first PNG below a folder, and its palette; "" where there is none."""
    path = glimpse.first(".png")
    try:
        with PIL.Image.open(path or "", formats=["PNG"]) as picture:
            return picture.mode, bytes(picture.getpalette() or ())
    except (OSError, PIL.Image.DecompressionBombError):
        return "", b""
