"""Label Studio's brush format (a bit stream of runs and literals, RGBA) <-> masks and mattes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from premask import rle
from premask.errors import InvalidMask
from premask.masks import Alpha, Mask, Matte, Size

Bits = NDArray[np.int64]

# The format is that of thi.ng's rle-pack: a stream of bits, the highest of a number first. Its
# header has 32 bits with the number of values, 5 with the bits of a value less 1, and 4 x 4 with
# the bits of a block's length less 1. Then come blocks: 1 bit (a run or literals), 2 that choose
# one of the four lengths, that many bits with the block's length less 1, and one value (a run) or
# all of them.
_CHANNELS = 4
_HEADER_BITS = 53
_HEADER_BYTES = 7
_KIND_BITS = 3
_RUN = 4  # the first three bits of a block as one number are its kind; those of runs are 4 to 7

# The header that every known writer uses, and the longest run that each of its lengths can tell.
_WORD_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST_RUNS = (8, 16, 256, 65536)

_CHUNK_BYTES = 2**14
"""How much of a stream is parsed at once: that bounds the memory, and fits a processor's cache."""

_CUT_OFF = "This brush is cut off: it has {} of {} pixels. Fetch the whole task again."


def encode(mask: Mask | Matte) -> bytes:
    """The same bytes that label-studio-sdk writes for this alpha; a mask's is 255 or 0."""
    lengths, values = _pixel_runs(mask)
    codes, widths = _code_words(_CHANNELS * lengths, values)
    return _packed(_header(mask.size_hw), codes, widths)


def decode(data: bytes | Sequence[int], size_hw: Size) -> Alpha:
    """Alpha (height, width) of a stream of any writer; its red, green and blue are skipped.

    A stream for another size than this, or with more than a byte of padding, is an `InvalidMask`.
    """
    height, width = rle.require_size(size_hw)
    stream = _Stream.read(data, size_hw)
    alpha = np.empty(height * width, np.uint8)
    filled, position = 0, _HEADER_BITS
    while filled < _CHANNELS * alpha.size:
        blocks = stream.blocks_from(position, filled, _CHANNELS * alpha.size)
        stream.write_pixels(blocks, alpha)
        filled, position = int(blocks.values[-1]), blocks.end
    if stream.length_bits - position > 8:
        raise InvalidMask(
            f"This brush has {(stream.length_bits - position) // 8} bytes behind its last pixel. "
            "It belongs to another image, or was joined from two."
        )
    return alpha.reshape(height, width)


def _pixel_runs(mask: Mask | Matte) -> tuple[Bits, Bits]:
    """Lengths and alphas of the runs of equal pixels along the rows of the whole image."""
    height, width = mask.size_hw
    band, top = _rows(mask)
    nothing = band.dtype.type(0)
    changes = np.flatnonzero(np.diff(band, prepend=nothing, append=nothing))
    bounds = np.concatenate(([0], changes + top * width, [height * width]))
    values = np.zeros(len(changes) + 1, np.int64)
    values[1:-1] = band[changes[:-1]]
    lengths = np.diff(bounds)
    # The first and the last run are empty where the object touches that corner of the image.
    filled = lengths > 0
    return lengths[filled], values[filled] * (255 if isinstance(mask, Mask) else 1)


def _rows(mask: Mask | Matte) -> tuple[NDArray[np.generic], int]:
    """All pixels of the rows that the object reaches, in one line, and the first row's number."""
    crop: NDArray[np.generic]
    if isinstance(mask, Mask):
        crop, (x, y) = rle.counts_to_crop(mask.run_lengths, mask.size_hw)
    else:
        crop, (x, y) = mask.crop(), mask.box_xyxy[:2]
    rows = np.zeros((crop.shape[0], mask.size_hw[1]), crop.dtype)
    rows[:, x : x + crop.shape[1]] = crop
    return rows.ravel(), y


def _code_words(lengths: Bits, values: Bits) -> tuple[Bits, Bits]:
    """One block for each run, or several for a long one: its bits, and how many they are."""
    choices = np.searchsorted(_LONGEST_RUNS[:-1], lengths)
    longest = _LONGEST_RUNS[-1]
    blocks = (lengths - 1) // longest + 1
    parts = np.full(blocks.sum(), longest)
    parts[np.cumsum(blocks) - 1] = lengths - (blocks - 1) * longest
    choices, values = np.repeat(choices, blocks), np.repeat(values, blocks)
    length_bits = np.array(_LENGTH_BITS)[choices]
    codes = ((_RUN + choices) << length_bits | (parts - 1)) << _WORD_BITS | values
    return codes, _KIND_BITS + length_bits + _WORD_BITS


def _header(size_hw: Size) -> bytes:
    bits = _CHANNELS * size_hw[0] * size_hw[1] << 5 | _WORD_BITS - 1
    for length_bits in _LENGTH_BITS:
        bits = bits << 4 | length_bits - 1
    return (bits << 8 * _HEADER_BYTES - _HEADER_BITS).to_bytes(_HEADER_BYTES, "big")


def _packed(header: bytes, codes: Bits, widths: Bits) -> bytes:
    ends = _HEADER_BITS + np.cumsum(widths)
    starts = ends - widths
    packed = np.zeros(int(ends[-1]) // 8 + 5, np.uint8)
    packed[: len(header)] = np.frombuffer(header, np.uint8)
    first = starts // 8
    five_bytes = codes << (40 - widths - starts % 8)
    for offset in range(5):
        # A block has more than 8 bits, so no two of them begin in one byte, and `|=` misses none.
        packed[first + offset] |= (five_bytes >> (32 - 8 * offset)).astype(np.uint8)
    # The SDK pads to the next byte, and with a whole byte where nothing is to be padded.
    return packed[: ends[-1] // 8 + 1].tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """A few blocks in a row: where their values are in the stream, and in the image."""

    runs: NDArray[np.bool_]
    words: Bits
    values: Bits  # one more than there are blocks: the last block's end
    end: int  # in the stream


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """A stream whose header makes sense; `windows` has the 32 bits that begin at each byte."""

    windows: NDArray[np.uint32]
    length_bits: int
    word_bits: int
    field_bits: tuple[int, ...]

    @classmethod
    def read(cls, data: bytes | Sequence[int], size_hw: Size) -> _Stream:
        """Read the header, and check all that can be checked without parsing the blocks."""
        raw = _as_bytes(data)
        if len(raw) <= _HEADER_BYTES:
            raise InvalidMask(f"This brush is cut off: {len(raw)} bytes are no more than a header.")
        header = int.from_bytes(raw[:_HEADER_BYTES], "big") >> 8 * _HEADER_BYTES - _HEADER_BITS
        declared, word_bits = header >> 21, (header >> 16 & 31) + 1
        field_bits = tuple((header >> shift & 15) + 1 for shift in (12, 8, 4, 0))
        _require_possible(declared, word_bits, max(field_bits), 8 * len(raw), size_hw)
        padded = raw + bytes(3)
        return cls(
            windows=np.ndarray(len(raw), ">u4", padded, strides=(1,)),
            length_bits=8 * len(raw),
            word_bits=word_bits,
            field_bits=field_bits,
        )

    def blocks_from(self, position: int, filled: int, total: int) -> _Blocks:
        """The blocks that begin in the next chunk, up to the one that fills the image."""
        if position >= self.length_bits:
            raise InvalidMask(_CUT_OFF.format(filled // _CHANNELS, total // _CHANNELS))
        starts, end = self._block_starts(position)
        kinds, extra_values = self._heads(self._window_at(starts))
        values = filled + np.concatenate(([0], np.cumsum(extra_values + 1)))
        last = int(np.searchsorted(values, total))
        if last < len(starts):
            end = int(starts[last])
        values, starts, kinds = values[: last + 1], starts[:last], kinds[:last]
        if values[-1] > total:
            raise InvalidMask("This brush is broken: its last run goes on behind the last pixel.")
        if end > self.length_bits:
            raise InvalidMask(_CUT_OFF.format(int(values[-2]) // _CHANNELS, total // _CHANNELS))
        words = starts + _KIND_BITS + np.array(2 * self.field_bits)[kinds]
        return _Blocks(runs=kinds >= _RUN, words=words, values=values, end=end)

    def write_pixels(self, blocks: _Blocks, alpha: Alpha) -> None:
        """Write the alpha of the pixels whose fourth value is in these blocks."""
        pixels = blocks.values // _CHANNELS
        counts = np.diff(pixels)
        alpha[pixels[0] : pixels[-1]] = np.repeat(self._words_at(blocks.words), counts)
        literals = np.flatnonzero(~blocks.runs & (counts > 0))
        if len(literals):
            origins = blocks.words - self.word_bits * blocks.values[:-1]
            where = _ranges(pixels[literals], counts[literals])
            word = np.repeat(origins[literals], counts[literals])
            word += self.word_bits * (_CHANNELS * where + _CHANNELS - 1)
            alpha[where] = self._words_at(word)

    def _block_starts(self, position: int) -> tuple[Bits, int]:
        """Where blocks begin in the chunk at `position`, and where the first one behind it does.

        Where a block begins is known only when the one before it was read. So numpy works out for
        each bit of the chunk where a block that began there would end; then Python has only to go
        from one to the next.
        """
        first_byte, bit = divmod(position, 8)
        heads = self.windows[first_byte : first_byte + _CHUNK_BYTES].astype(np.uint32)
        windows = (heads[:, None] << np.arange(8, dtype=np.uint32)).ravel()
        kinds, extra_values = self._heads(windows)
        fixed = np.array(2 * self.field_bits) + _KIND_BITS + self.word_bits
        growth = np.repeat([self.word_bits, 0], 4)
        ends = fixed.astype(np.int32)[kinds] + growth.astype(np.int32)[kinds] * extra_values
        ends += np.arange(len(ends), dtype=np.int32)
        follow, chunk_bits = ends.data, len(ends)
        starts = []
        while bit < chunk_bits:
            starts.append(bit)
            bit = follow[bit]
        return np.array(starts) + 8 * first_byte, bit + 8 * first_byte

    def _heads(self, windows: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Kind and length less 1 of the blocks that begin at the highest bit of each window."""
        kinds = (windows >> np.uint32(32 - _KIND_BITS)).astype(np.uint8)
        unused = 32 - np.array(2 * self.field_bits, np.uint32)
        lengths = (windows << np.uint32(_KIND_BITS)) >> unused[kinds]
        return kinds, lengths.astype(np.int32)

    def _window_at(self, positions: Bits) -> NDArray[np.uint32]:
        """The bits that begin at each position; the first 25 of them are the stream's."""
        byte, bit = np.divmod(positions, 8)
        windows: NDArray[np.uint32] = self.windows[byte].astype(np.uint32) << bit.astype(np.uint32)
        return windows

    def _words_at(self, positions: Bits) -> Alpha:
        return (self._window_at(positions) >> np.uint32(32 - self.word_bits)).astype(np.uint8)


def _as_bytes(data: bytes | Sequence[int]) -> bytes:
    try:
        return data if isinstance(data, bytes) else bytes(list(data))
    except (TypeError, ValueError) as error:
        raise InvalidMask(f"A brush is a list of bytes, 0 to 255 ({error}).") from error


def _require_possible(
    declared: int, word_bits: int, longest_field: int, available_bits: int, size_hw: Size
) -> None:
    height, width = size_hw
    if declared != _CHANNELS * height * width:
        raise InvalidMask(
            f"This brush has {declared} values, but an image of {width} x {height} has "
            f"{_CHANNELS * height * width}. It belongs to an image of another size."
        )
    if word_bits > 8:
        raise InvalidMask(f"This brush has values of {word_bits} bits; alpha has 8 at most.")
    # Nothing says more in fewer bits than the longest runs. A stream that is shorter than these
    # would be is refused here, before any memory is taken for its pixels.
    shortest_bits = (_KIND_BITS + longest_field + word_bits) * declared >> longest_field
    if _HEADER_BITS + shortest_bits > available_bits:
        raise InvalidMask(_CUT_OFF.format("too few", height * width))


def _ranges(starts: Bits, counts: Bits) -> Bits:
    """The numbers start, start + 1, ..., start + count - 1, of one range after another."""
    ends = np.cumsum(counts)
    ranges: Bits = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    return ranges
