"""JPEG by simplejpeg against Pillow, which nobody here made: the same pixels, the same refusals."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
import simplejpeg
import skimage.data
from numpy.typing import NDArray

from premask import jpeg
from premask.errors import UnreadableImage
from premask.images import read_image

TURNS = [{"exif": orientation} for orientation in range(1, 10)]
WRITERS: list[dict[str, Any]] = [
    *({"subsampling": subsampling} for subsampling in ("4:4:4", "4:2:2", "4:2:0")),
    *({"quality": quality} for quality in (5, 50, 100)),
    {"progressive": True},
    {"optimize": True},
    {"restart_marker_blocks": 3},
    {"keep_rgb": True, "subsampling": "4:4:4"},
]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What simplejpeg was asked for, and could decode."""
    files = []

    def decode(data: bytes, colors: str) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colors)
        files.append(data)
        return pixels

    monkeypatch.setattr(jpeg, "_decoder", lambda: decode)
    return files


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpeg, "_decoder", lambda: None)
        return read_image(data).rgb


def by_either(data: bytes) -> NDArray[np.uint8]:
    return read_image(data).rgb


def outcome(read: Callable[[bytes], NDArray[np.uint8]], data: bytes) -> NDArray[np.uint8] | str:
    """The pixels, or why there are none."""
    try:
        return read(data)
    except UnreadableImage as error:
        return str(error)


def photo(mode: str = "RGB", size: tuple[int, int] = (203, 151)) -> PIL.Image.Image:
    return PIL.Image.fromarray(skimage.data.astronaut()).convert(mode).resize(size)


def saved(picture: PIL.Image.Image, exif: int = 1, **options: object) -> bytes:
    tags, buffer = PIL.Image.Exif(), io.BytesIO()
    tags[0x0112] = exif
    picture.save(buffer, "JPEG", exif=tags, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [*TURNS, *WRITERS], ids=str)
@pytest.mark.parametrize("size", [(203, 151), (64, 48), (1, 1), (17, 1)])
def test_pixels_are_pillows(
    options: dict[str, Any], size: tuple[int, int], decoded: list[bytes]
) -> None:
    data = saved(photo(size=size), **options)
    image = read_image(data)
    assert decoded == [data]
    assert np.array_equal(image.rgb, by_pillow(data))
    assert image.rgb.flags.c_contiguous
    assert not image.rgb.flags.writeable


def test_photos_of_phones_with_several_pictures(decoded: list[bytes]) -> None:
    buffer = io.BytesIO()
    photo().save(buffer, "MPO", save_all=True, append_images=[photo().rotate(180)])
    assert np.array_equal(read_image(buffer.getvalue()).rgb, by_pillow(buffer.getvalue()))
    assert decoded


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colors_are_left_to_pillow(mode: str, decoded: list[bytes]) -> None:
    data = saved(photo(mode))
    assert np.array_equal(read_image(data).rgb, by_pillow(data))
    assert not decoded


def test_pillow_says_what_is_broken(decoded: list[bytes]) -> None:
    """Cut off anywhere, or with other bytes within: what Pillow reads is read, and no more."""
    data = saved(photo())
    random = np.random.default_rng(0)
    refused = 0
    for place in random.integers(100, len(data) - 1, 60):
        other = bytes(random.integers(0, 256, 3, np.uint8))
        for broken in (data[:place], data[:place] + other + data[place + 3 :]):
            expected, found = outcome(by_pillow, broken), outcome(by_either, broken)
            assert np.array_equal(found, expected)
            refused += isinstance(expected, str)
    assert 60 <= refused < 120


def test_it_goes_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    jpeg._decoder.cache_clear()
    monkeypatch.setattr(jpeg, "import_module", missing)
    assert read_image(saved(photo())).size_hw == (151, 203)
    jpeg._decoder.cache_clear()
