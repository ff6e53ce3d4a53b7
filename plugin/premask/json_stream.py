"""JSON of any length, read value by value, and where in the file each value is."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

Span = tuple[int, int]
"""Where a value begins in the file, and how many bytes it has."""

LONGEST_VALUE = 2**27
"""The most characters of one value that is read as a whole; lists are read item by item."""

_CHUNK_BYTES = 2**18
_SPACES = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"[0-9.eE+-]*")
_DECODER = json.JSONDecoder()
_BOM = codecs.BOM_UTF8


def value_at(file: BinaryIO, span: Sequence[int]) -> Any:
    """The value that a stream found at this place of the file."""
    start, length = span
    file.seek(start)
    return json.loads(file.read(length))


class JsonStream:
    """A cursor on a JSON text in UTF-8. What is wrong with it is a `ValueError`.

    Whoever goes through `object_keys` or `list_entries` reads or skips the value of each before
    asking for the next.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._is_ascii = "", 0, True
        self._ended = False
        first = file.read(len(_BOM))
        self._offset = len(_BOM) if first == _BOM else 0
        if not self._offset:
            self._add(first)

    def peek(self) -> str:
        """The next character that is no space; "" at the end of the file."""
        while True:
            spaces = _SPACES.match(self._text, self._at)
            self._advance(spaces.end() if spaces else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def value(self) -> object:
        """The next value as a whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                # A number at the end of what was read may go on behind it.
                rest = _NUMBER.match(self._text, end)
                is_whole = self._text[end - 1] in '}]"' or (rest and rest.end() < len(self._text))
                if is_whole or not self._read_on():
                    self._advance(end)
                    return value
            except json.JSONDecodeError as error:
                if not self._is_cut(error) or not self._read_on():
                    raise ValueError(f"{error.msg} at byte {self._offset:,}") from error
            except RecursionError as error:
                raise ValueError(f"it is nested too deeply at byte {self._offset:,}") from error

    def list_items(self) -> Iterator[tuple[object, Span]]:
        """The values of the list that is next, and where each is."""
        for start in self.list_entries():
            value = self.value()
            yield value, (start, self._offset - start)

    def list_entries(self) -> Iterator[int]:
        """Where each value of the list that is next begins; the cursor is at it."""
        self._step("[")
        if self.peek() == "]":
            self._step("]")
            return
        while True:
            self.peek()
            yield self._offset
            if self._step(",]") == "]":
                return

    def object_keys(self) -> Iterator[str]:
        """The keys of the object that is next; the cursor is at the value of each."""
        self._step("{")
        if self.peek() == "}":
            self._step("}")
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise ValueError(f"a key is no text before byte {self._offset:,}")
            self._step(":")
            yield key
            if self._step(",}") == "}":
                return

    def skip(self) -> None:
        """Go past the next value, whatever its length."""
        character = self.peek()
        if character == "[":
            for _ in self.list_items():
                pass
        elif character == "{":
            for _ in self.object_keys():
                self.skip()
        else:
            self.value()

    def _step(self, allowed: str) -> str:
        character = self.peek()
        if not character or character not in allowed:
            found = repr(character) if character else "the end of the file"
            raise ValueError(f"{found} at byte {self._offset:,}, where {allowed[0]!r} should be")
        self._advance(self._at + 1)
        return character

    def _advance(self, at: int) -> None:
        passed = at - self._at
        if not self._is_ascii:
            passed = len(self._text[self._at : at].encode())
        self._offset += passed
        self._at = at

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether more of the file may mend it; the longest escape has 12 characters."""
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - 12

    def _read_on(self) -> bool:
        """Read some more, and at least as much as is left: so a long value is not parsed often."""
        left = len(self._text) - self._at
        if left > LONGEST_VALUE:
            raise ValueError(f"the value at byte {self._offset:,} is too long")
        return not self._ended and self._add(self._file.read(max(_CHUNK_BYTES, left)))

    def _add(self, data: bytes) -> bool:
        self._ended = not data
        self._text = self._text[self._at :] + self._decoder.decode(data, final=self._ended)
        self._at, self._is_ascii = 0, self._text.isascii()
        return not self._ended
