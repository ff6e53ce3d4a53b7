"""Files of all kinds are read upright; broken ones are refused with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.errors import UnreadableImage
from premask.images import Image, read_image

RED_AND_BLUE = np.zeros((40, 60, 3), np.uint8)
RED_AND_BLUE[:, :30] = (255, 0, 0)
RED_AND_BLUE[:, 30:] = (0, 0, 255)


def saved(picture: PIL.Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def read(data: bytes) -> NDArray[np.uint8]:
    return read_image(data, "file").rgb


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_lossless_formats_come_back_exactly(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(PIL.Image.fromarray(RED_AND_BLUE), form, **options)
    assert np.array_equal(read(data), RED_AND_BLUE)


def test_jpeg_comes_back_nearly() -> None:
    data = saved(PIL.Image.fromarray(RED_AND_BLUE), "JPEG", quality=95, subsampling=0)
    assert np.abs(read(data).astype(int) - RED_AND_BLUE).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    """The upright picture has red on its left, however the file stores it."""
    upright = PIL.Image.fromarray(RED_AND_BLUE)
    undo = {
        2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        3: PIL.Image.Transpose.ROTATE_180,
        4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_90,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image = read_image(saved(stored, "PNG", exif=exif), "file")
    assert image.size_hw == (40, 60)
    assert np.array_equal(image.rgb, RED_AND_BLUE)


def test_animations_give_their_first_frame() -> None:
    frames = [PIL.Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    for form in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if form == "WEBP" else {}
        data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert tuple(read(data)[0, 0]) == (255, 0, 0), form


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 255, 255), (0, 0, 255)),
        ("RGBA", (0, 0, 255, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("I;16", 0x8040, (0x80, 0x80, 0x80)),
    ],
)
def test_modes_become_rgb(mode: str, color: object, expected: tuple[int, int, int]) -> None:
    picture = PIL.Image.new(mode, (5, 4), color)  # type: ignore[arg-type]
    assert tuple(read(saved(picture, "PNG"))[2, 2]) == expected


def test_palette_with_transparency_lies_on_white() -> None:
    picture = PIL.Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((1, 1), 1)
    rgb = read(saved(picture, "PNG", transparency=0))
    assert tuple(rgb[0, 0]) == (255, 255, 255)
    assert tuple(rgb[1, 1]) == (255, 0, 0)


def test_cmyk_jpeg_and_tiff() -> None:
    cyan = PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for form in ("JPEG", "TIFF"):
        red, green, blue = (int(value) for value in read(saved(cyan, form))[8, 8])
        assert red < 40, form
        assert green > 150, form
        assert blue > 150, form


def test_sixteen_bit_tiff_keeps_its_upper_byte() -> None:
    gray = np.arange(256, dtype=np.uint16).reshape(16, 16) << 8
    rgb = read(saved(PIL.Image.fromarray(gray), "TIFF"))
    assert np.array_equal(rgb[..., 0], gray >> 8)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares a huge size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


PNG = saved(PIL.Image.fromarray(RED_AND_BLUE), "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text", "no image"),
        (PNG[: len(PNG) // 2], "broken"),
        (saved(PIL.Image.fromarray(RED_AND_BLUE), "JPEG")[:300], "broken"),
        (bomb(16_500, 16_500), "pixels"),
        (bomb(60_000, 60_000), "pixels"),
        (saved(PIL.Image.fromarray(RED_AND_BLUE), "PPM"), "no image"),
    ],
)
def test_what_can_not_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_image(data, "the name")
    assert "'the name'" in str(caught.value)


@pytest.mark.filterwarnings("error")
def test_a_large_image_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own warning would fill the terminal; premask has its own bound."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 2000)
    assert read_image(PNG, "file").size_hw == (40, 60)


def test_missing_files_and_folders_say_why(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(UnreadableImage, match="no file"):
        read_image(tmp_path)


def test_arrays_and_pictures_are_images_too() -> None:
    from_array, again = read_image(RED_AND_BLUE), read_image(RED_AND_BLUE)
    from_picture = read_image(PIL.Image.fromarray(RED_AND_BLUE))
    assert np.array_equal(from_array.rgb, from_picture.rgb)
    assert from_array.digest == again.digest != read_image(RED_AND_BLUE[:, ::-1]).digest
    with pytest.raises(UnreadableImage, match="uint8"):
        read_image(RED_AND_BLUE.astype(float))
    with pytest.raises(UnreadableImage, match="no pixels"):
        read_image(np.zeros((0, 4, 3), np.uint8))


def test_an_image_that_let_its_pixels_go_says_so() -> None:
    with pytest.raises(UnreadableImage, match="not in memory"):
        _ = Image.unread("gone").rgb
