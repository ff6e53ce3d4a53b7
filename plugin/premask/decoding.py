"""The bytes of image files -> upright RGB in sRGB: formats, color profiles, deep gray values."""

from __future__ import annotations

import io
import warnings
from functools import cache

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
from numpy.typing import NDArray

from premask.errors import UnreadableImage
from premask.geometry import MAX_PIXELS

Rgb = NDArray[np.uint8]

READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "HEIF")
"""Pillow's names of the formats that are read. MPO, which some phones call .jpg, counts as JPEG."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_DEPTHS = (8, 10, 12, 14, 16)
"""How many bits cameras, microscopes and scanners have for a gray value."""

_TIFF_BITS, _TIFF_HIGHEST = 258, 281  # the tags BitsPerSample and MaxSampleValue


# Ultralytics puts a function of its own here, which installs a package where a file is no image.
_open = PIL.Image.open


def decode_bytes(data: bytes, name: str) -> tuple[Rgb, str]:
    """The pixels of a file, and in words how its gray values became 8 bits, if they had more."""
    if not data:
        raise UnreadableImage(name, "the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns at half the size at which it refuses; our own bound is checked below.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            # Only these: some of Pillow's other readers start programs.
            with _open(io.BytesIO(data), formats=_formats_for(data, name)) as picture:
                return decode_picture(picture, name)
    except (PIL.UnidentifiedImageError, ImportError) as error:
        # An ImportError is Ultralytics', too, where it was imported before premask.
        known = ", ".join(READABLE)
        raise UnreadableImage(name, f"it is no image of a kind that is read ({known})") from error
    except PIL.Image.DecompressionBombError as error:
        raise UnreadableImage(name, f"it unpacks to too many pixels ({error})") from error
    except OSError as error:
        raise _broken(name, error) from error


def decode_picture(picture: PIL.Image.Image, name: str) -> tuple[Rgb, str]:
    """The same for what Pillow has opened already."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise UnreadableImage(
            name, f"{width} x {height} pixels are more than {MAX_PIXELS:,}: is it a bomb?"
        )
    try:
        # Asked first, because a picture that was turned has no tags any more.
        declared = _declared_bits(picture)
        shallow, note = _eight_bits(PIL.ImageOps.exif_transpose(picture), declared)
        rgb = np.asarray(_on_white(_in_srgb(shallow)))
    # Pillow's decoders raise nearly anything on broken files.
    except Exception as error:
        raise _broken(name, error) from error
    rgb.setflags(write=False)
    return rgb, note


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
    return picture.convert("RGB")


def _in_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The colors that the file's profile means, as models and screens expect them.

    A profile that is broken, or is for another kind of picture, says nothing, as in browsers.
    """
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture
    try:
        source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if (source.profile.profile_description or "").startswith("sRGB"):
            return picture
        mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(source.profile.xcolor_space)
        if mode is None or (mode == "CMYK") != (picture.mode == "CMYK"):
            return picture
        alpha = None
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


@cache
def _srgb() -> PIL.ImageCms.ImageCmsProfile:
    return PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB"))


def _eight_bits(picture: PIL.Image.Image, declared: int) -> tuple[PIL.Image.Image, str]:
    """Gray values of 16 or 32 bits, or of floats, in 8 bits; and how, in words.

    Of 16 bits the upper eight are taken, but many files have 10, 12 or 14 bits in them, which they
    declare (TIFF) or not. Where they don't, the fewest bits are taken that hold all values of the
    picture. Other types go from their least to their greatest value.
    """
    if not (picture.mode.startswith("I;16") or picture.mode in ("I", "F")):
        return picture, ""
    gray = np.asarray(picture)
    low, high = float(gray.min()), float(gray.max())
    # Pillow opens some files of 16 bits as "I", which has 32.
    if picture.mode == "F" or low < 0 or high >= 65536:
        scaled = (gray - low) * (255 / (high - low) if high > low else 0)
        values, note = scaled.astype(np.uint8), f"gray values {low:g} to {high:g} as 0 to 255"
    else:
        needed = next(depth for depth in _DEPTHS if high < 2**depth)
        bits = declared if declared and high < 2**declared else needed
        values = (gray.astype(np.uint32) >> (bits - 8)).astype(np.uint8)
        whose = "as the file declares" if bits == declared else "as their range suggests"
        note = f"gray values of {bits} bits, {whose}"
    shallow = PIL.Image.fromarray(values)
    shallow.info = {"icc_profile": picture.info.get("icc_profile")}
    return shallow, note


def _declared_bits(picture: PIL.Image.Image) -> int:
    """How many bits a TIFF says that its values have, if more than 8 and fewer than 16; else 0."""
    tags = getattr(picture, "tag_v2", {})
    highest = tags.get(_TIFF_HIGHEST, 0)
    highest = int(highest[0] if isinstance(highest, tuple) else highest)
    bits = highest.bit_length() or int((tags.get(_TIFF_BITS) or (0,))[0])
    return bits if 8 < bits < 16 else 0
