"""Label Studio's brush format: the same bytes as the SDK's, and no stream harms the reader."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from label_studio_sdk.converter import brush as sdk
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.geometry import MAX_PIXELS
from premask.labels import brush_rle
from premask.masks import Mask, Matte

Alpha = NDArray[np.uint8]
Block = tuple[bool, int, list[int]]


def circle(height: int, width: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[:height, :width]
    inside: NDArray[np.bool_] = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
    return inside


def painted(size_hw: tuple[int, int], *boxes: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Every box inverts its pixels, so a box in a box is a hole."""
    canvas = np.zeros(size_hw, np.bool_)
    for x0, y0, x1, y1 in boxes:
        canvas[y0:y1, x0:x1] ^= True
    return canvas


NOISE = np.random.default_rng(5).random((160, 320)) < 0.5
MASKS = {
    "circle": circle(240, 320),
    "hole": painted((50, 60), (5, 5, 40, 40), (10, 10, 20, 20)),
    "two parts": painted((50, 60), (1, 1, 9, 9), (30, 20, 60, 50)),
    "one pixel": painted((9, 11), (4, 3, 5, 4)),
    "first pixel": painted((9, 11), (0, 0, 1, 1)),
    "last pixel": painted((9, 11), (10, 8, 11, 9)),
    "first and last column": painted((9, 11), (0, 0, 1, 9), (10, 0, 11, 9)),
    "one row": painted((1, 500), (3, 0, 70, 1)),
    "one column": painted((500, 1), (0, 3, 1, 70)),
    "empty": painted((33, 47)),
    "full": painted((33, 47), (0, 0, 47, 33)),
    "one pixel image": painted((1, 1), (0, 0, 1, 1)),
    "exactly the longest run": painted((128, 128), (0, 0, 128, 128)),
    "one pixel more than the longest run": painted((1, 16385), (0, 0, 16385, 1)),
    "twice the longest run": painted((256, 256), (0, 0, 256, 128)),
    "every length of run": np.repeat(np.arange(140) % 2 == 1, np.arange(140) % 70 + 1)[None],
    "odd size": circle(101, 77),
    "noise": NOISE,
}


def blocks_to_bytes(
    blocks: Sequence[Block],
    count: int,
    word_bits: int = 8,
    field_bits: Sequence[int] = (3, 4, 8, 16),
) -> bytes:
    """Write a stream by the format's definition, bit by bit, with any header."""
    bits = f"{count:032b}{word_bits - 1:05b}" + "".join(f"{size - 1:04b}" for size in field_bits)
    for is_run, field, values in blocks:
        bits += f"{is_run:b}{field:02b}{len(values) - 1:0{field_bits[field]}b}"
        bits += "".join(f"{value:0{word_bits}b}" for value in values[: 1 if is_run else None])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def literals(values: Sequence[int]) -> list[Block]:
    values = list(values)
    return [(False, 3, values[at : at + 65536]) for at in range(0, len(values), 65536)]


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_the_bytes_of_the_sdk(name: str) -> None:
    alpha = MASKS[name].astype(np.uint8) * 255
    data = brush_rle.encode(Mask.from_array(alpha))
    assert data == bytes(sdk.mask2rle(alpha))
    np.testing.assert_array_equal(brush_rle.decode(data, (alpha.shape[0], alpha.shape[1])), alpha)


@settings(deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_a_matte_is_the_bytes_of_the_sdk(alpha: Alpha) -> None:
    data = brush_rle.encode(Matte.from_array(alpha))
    assert data == bytes(sdk.mask2rle(alpha))
    np.testing.assert_array_equal(brush_rle.decode(data, (alpha.shape[0], alpha.shape[1])), alpha)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, int]:
    """Streams that another writer may have made of one column of pixels: runs, and literals."""
    word_bits = draw(st.integers(1, 8))
    field_bits = draw(st.lists(st.integers(1, 16), min_size=4, max_size=4))
    pixels = draw(st.integers(1, 60))
    left, blocks = 4 * pixels, []
    while left:
        is_run, field = draw(st.booleans()), draw(st.integers(0, 3))
        length = draw(st.integers(1, min(left, 2 ** field_bits[field])))
        words = st.integers(0, 2**word_bits - 1)
        values = [draw(words)] * length if is_run else draw(exactly(length, words))
        blocks.append((is_run, field, values))
        left -= length
    return blocks_to_bytes(blocks, 4 * pixels, word_bits, field_bits), pixels


def exactly(length: int, values: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=length, max_size=length)


@settings(deadline=None)
@given(streams())
def test_any_header_and_any_blocks_are_read_as_the_sdk_reads_them(
    stream: tuple[bytes, int],
) -> None:
    data, pixels = stream
    expected = sdk.decode_rle(data)[3::4]
    np.testing.assert_array_equal(brush_rle.decode(data, (pixels, 1))[:, 0], expected)


def test_a_color_painted_in_the_browser_gives_its_alpha() -> None:
    alpha = circle(150, 150).astype(np.uint8) * 127
    rgba = np.stack([alpha // 2, alpha // 3, alpha // 5, alpha], axis=-1)
    data = blocks_to_bytes(literals(rgba.ravel().tolist()), rgba.size)
    np.testing.assert_array_equal(brush_rle.decode(data, (150, 150)), alpha)


def test_json_lists_are_read() -> None:
    mask = Mask.from_array(MASKS["hole"])
    data = brush_rle.encode(mask)
    np.testing.assert_array_equal(
        brush_rle.decode(list(data), mask.size_hw), brush_rle.decode(data, mask.size_hw)
    )


def test_half_and_whole_bytes_of_padding_are_read() -> None:
    # 53 bits of header + 27 of one block: a whole number of bytes, to which the SDK adds one more.
    data = brush_rle.encode(Mask.empty((16, 16)))
    assert len(data) == 11
    assert not brush_rle.decode(data[:-1], (16, 16)).any()
    assert not brush_rle.decode(data, (16, 16)).any()


GOOD = brush_rle.encode(Mask.from_array(MASKS["noise"]))
NOISE_SIZE = (160, 320)
BROKEN: dict[str, tuple[bytes | list[int], tuple[int, int], str]] = {
    "nothing": (b"", NOISE_SIZE, "no more than a header"),
    "a header only": (GOOD[:7], NOISE_SIZE, "no more than a header"),
    "cut off in the first chunk": (GOOD[:9000], NOISE_SIZE, "cut off"),
    "cut off in a later chunk": (GOOD[:-3], NOISE_SIZE, "cut off"),
    "too short for its image": (GOOD[:15], NOISE_SIZE, "too few"),
    "bytes behind the end": (GOOD + b"\0\0", NOISE_SIZE, "behind its last pixel"),
    "another size": (GOOD, (320, 161), "another size"),
    "no pixels": (GOOD, (0, 0), "at least 1 x 1"),
    "absurd size": (GOOD, (2**16, 2**16), "at most"),
    "a negative number": ([-1, *GOOD[1:]], NOISE_SIZE, "0 to 255"),
    "a number above 255": ([256, *GOOD[1:]], NOISE_SIZE, "0 to 255"),
    "words of 16 bits": (blocks_to_bytes(literals([0] * 4), 4, word_bits=16), (1, 1), "16 bits"),
    "a run too long": (blocks_to_bytes([(True, 0, [7] * 5)], 4), (1, 1), "behind the last pixel"),
    "literals too long": (blocks_to_bytes(literals([7] * 5), 4), (1, 1), "behind the last pixel"),
    "literals cut off": (blocks_to_bytes(literals([7] * 40), 40)[:-2], (10, 1), "cut off"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_is_an_invalid_mask(name: str) -> None:
    data, size_hw, reason = BROKEN[name]
    with pytest.raises(InvalidMask, match=reason):
        brush_rle.decode(data, size_hw)


@pytest.mark.parametrize("data", [None, 10**12, "abc", [1.5] * 20, [[1]] * 20, {"rle": [1]}])
def test_what_is_no_list_of_bytes_is_an_invalid_mask(data: object) -> None:
    with pytest.raises(InvalidMask, match="list of bytes"):
        brush_rle.decode(data, (1, 1))  # type: ignore[arg-type]


def test_an_absurd_size_costs_no_memory() -> None:
    side = int(MAX_PIXELS**0.5)
    header = blocks_to_bytes([(True, 3, [0] * 65536)] * 20, 4 * side * side)
    assert peak_bytes(header, (side, side)) < 100_000


def test_a_long_stream_is_parsed_bit_by_bit_in_little_memory() -> None:
    noise = np.random.default_rng(6).random((480, 640)) < 0.5
    assert peak_bytes(brush_rle.encode(Mask.from_array(noise)), (480, 640)) < 8_000_000


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([(2, 3), (40, 50), (1024, 1024)]))
def test_random_bits_give_pixels_or_an_invalid_mask(body: bytes, size_hw: tuple[int, int]) -> None:
    header = blocks_to_bytes([], 4 * size_hw[0] * size_hw[1])
    pixels = size_hw[0] * size_hw[1]
    assert peak_bytes(header + body, size_hw) < 2.2 * pixels + 1_000_000


def peak_bytes(data: bytes, size_hw: tuple[int, int]) -> int:
    """The most memory that decoding takes; whatever is wrong with the data must be InvalidMask."""
    tracemalloc.start()
    try:
        assert brush_rle.decode(data, size_hw).shape == size_hw
    except InvalidMask:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak
