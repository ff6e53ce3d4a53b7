"""The bytes of image files -> upright RGB in sRGB: formats, orientation, color profiles."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
from numpy.typing import NDArray

from premask.deep_values import (
    Window,
    colors_in_eight_bits,
    declared_bits,
    gray_in_eight_bits,
    has_colors_of_16_bits,
    read_bytes,
)
from premask.errors import UnreadableImage
from premask.geometry import MAX_PIXELS
from premask.jpeg import decode_jpeg

Rgb = NDArray[np.uint8]

READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "HEIF")
"""Pillow's names of the formats that are read. MPO, which some phones call .jpg, counts as JPEG."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_ORIENTATION, _TURNED, _ON_A_SIDE = 274, range(2, 9), range(5, 9)
"""The tag of EXIF, and its values for images that are not upright, or that lie on a side."""


# Ultralytics puts a function of its own here, which installs a package where a file is no image.
_open = PIL.Image.open


def decode_bytes(data: bytes, name: str, window: Window | None = None) -> tuple[Rgb, str]:
    """The pixels of a file, and in words how its values became 8 bits, if they had more.

    Those between the ends of the window go from black to white, in all files alike; without one,
    each file's own bits decide.
    """
    if not data:
        raise UnreadableImage(name, "the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns at half the size at which it refuses; our own bound is checked below.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            # Only these: some of Pillow's other readers start programs.
            formats = _formats_for(data, name)
            with _open(io.BytesIO(data), formats=formats) as picture:
                if not has_colors_of_16_bits(picture):
                    return decode_picture(picture, name, window, data=data)
                # Pillow keeps one of the two bytes of a color; so the file is read once for each.
                with _open(io.BytesIO(data), formats=formats) as again:
                    read_bytes(picture, "upper")
                    read_bytes(again, "lower")
                    return decode_picture(picture, name, window, lower_bytes=again)
    except (PIL.UnidentifiedImageError, ImportError) as error:
        # An ImportError is Ultralytics', too, where it was imported before premask.
        known = ", ".join(READABLE)
        raise UnreadableImage(name, f"it is no image of a kind that is read ({known})") from error
    except PIL.Image.DecompressionBombError as error:
        raise UnreadableImage(name, f"it unpacks to too many pixels ({error})") from error
    except OSError as error:
        raise _broken(name, error) from error


def upright_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, once it is turned upright; its pixels are not decoded."""
    (width, height), turned = _stored_size(path)
    return (width, height) if turned in _ON_A_SIDE else (height, width)


def is_turned(path: Path) -> bool:
    """Whether the file's EXIF says that its pixels are to be turned or mirrored."""
    return _stored_size(path)[1] in _TURNED


def _stored_size(path: Path) -> tuple[tuple[int, int], int]:
    """Width and height of the pixels in a file, and EXIF's orientation."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
            file.seek(0)
            with _open(file, formats=_formats_for(head, str(path))) as picture:
                return picture.size, picture.getexif().get(_ORIENTATION, 1)
    except PIL.UnidentifiedImageError as error:
        why = "it is no image of a kind that is read" if head else "the file is empty"
        raise UnreadableImage(str(path), why) from error
    except (OSError, ImportError, PIL.Image.DecompressionBombError) as error:
        raise UnreadableImage(str(path), f"it is no image that can be read ({error})") from error


def decode_picture(
    picture: PIL.Image.Image,
    name: str,
    window: Window | None = None,
    *,
    lower_bytes: PIL.Image.Image | None = None,
    data: bytes = b"",
) -> tuple[Rgb, str]:
    """The same for what Pillow has opened already, of which it may have the upper bytes only.

    Where `data` has the bytes of its file, others than Pillow may decode them.
    """
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise UnreadableImage(
            name, f"{width} x {height} pixels are more than {MAX_PIXELS:,}: is it a bomb?"
        )
    try:
        rgb, note = _jpeg_pixels(picture, data), ""
        if rgb is None:
            rgb, note = _pillow_pixels(picture, window, lower_bytes)
    # Pillow's decoders raise nearly anything on broken files.
    except Exception as error:
        raise _broken(name, error) from error
    rgb.setflags(write=False)
    return rgb, note


def _jpeg_pixels(picture: PIL.Image.Image, data: bytes) -> Rgb | None:
    """The pixels of a file whose colors need not be changed, if it is a JPEG and has no faults."""
    if not data or _profile_to_apply(picture) is not None:
        return None
    return decode_jpeg(data, picture, picture.getexif().get(_ORIENTATION, 1))


def _pillow_pixels(
    picture: PIL.Image.Image, window: Window | None, lower_bytes: PIL.Image.Image | None
) -> tuple[Rgb, str]:
    # Asked first, because a picture that was turned has no tags any more.
    declared = declared_bits(picture)
    upright = _upright(picture)
    if lower_bytes is None:
        shallow, note = gray_in_eight_bits(upright, declared, window)
    else:
        shallow, note = colors_in_eight_bits(
            upright, lambda: _upright(lower_bytes), declared, window
        )
    return np.asarray(_on_white(_in_srgb(shallow))), note


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The picture itself if it need not be turned; Pillow would copy all of it."""
    picture.load()  # before that, some formats don't know their tags
    if picture.getexif().get(_ORIENTATION, 1) in _TURNED:
        return PIL.ImageOps.exif_transpose(picture)
    return picture


def _broken(name: str, error: Exception) -> UnreadableImage:
    return UnreadableImage(name, f"the file is broken ({error})")


def _formats_for(data: bytes, name: str) -> list[str]:
    """The formats that Pillow may try on this file; HEIC needs a package of its own."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        # Brands that begin with m are AVIF's, too, which says so further on.
        is_avif = b"avif" in data[12:64]
        if not is_avif and not _can_read_heic():
            raise UnreadableImage(
                name, "it is HEIC, which needs one more package: pip install 'premask[heif]'"
            )
    PIL.Image.init()
    return [form for form in READABLE if form in PIL.Image.OPEN]


@cache
def _can_read_heic() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _on_white(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture of any mode as RGB; what is transparent is shown on white."""
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        paper = PIL.Image.new("RGBA", over.size, "white")
        return PIL.Image.alpha_composite(paper, over).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _in_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The colors that the file's profile means, as models and screens expect them."""
    profile = _profile_to_apply(picture)
    if profile is None:
        return picture
    mode, source = profile
    alpha = None
    try:
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            alpha = picture.getchannel("A")
        if mode == "L" and picture.mode not in ("1", "L", "LA"):
            return picture
        colors = PIL.ImageCms.profileToProfile(
            picture.convert(mode), source, _srgb(), outputMode="RGB"
        )
    except (PIL.ImageCms.PyCMSError, OSError, ValueError):
        return picture
    assert colors is not None  # it is None for pictures that are changed in place
    if alpha is not None:
        colors.putalpha(alpha)
    return colors


def _profile_to_apply(
    picture: PIL.Image.Image,
) -> tuple[str, PIL.ImageCms.ImageCmsProfile] | None:
    """The profile of a file whose colors are not sRGB already, with the mode that it is for.

    One that is broken, or is for another kind of picture, says nothing, as in browsers.
    """
    profile = picture.info.get("icc_profile")
    if not profile:
        return None
    try:
        source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (PIL.ImageCms.PyCMSError, OSError, ValueError):
        return None
    if (source.profile.profile_description or "").startswith("sRGB"):
        return None
    mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(source.profile.xcolor_space)
    if mode is None or (mode == "CMYK") != (picture.mode == "CMYK"):
        return None
    return mode, source


@cache
def _srgb() -> PIL.ImageCms.ImageCmsProfile:
    return PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB"))
