"""JSON from strangers: bounded in depth and size, without unneeded parts, and without surrogates.

Python's parser lets no other thread run until it is done, and makes hundreds of bytes of memory of
two bytes like `{}`. So a scan in plain Python, during which other threads do run, first finds the
parts of a document; the parser then gets one small part after the other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from premask.errors import InvalidRequest

Json = dict[str, Any]

Path = tuple[bytes | None, ...]
"""The keys of all containers around a container, and its own; the items of a list have none."""

DEEPEST = 64

MOST_TOKENS = 2_000_000
"""Brackets and quotes in a whole document. A scan of these takes a few seconds."""

MOST_CONTAINERS, MOST_QUOTES = 50_000, 200_000
"""In one part. The parser takes about half a second for these on a slow machine."""

LONGEST_WHOLE_NUMBER = 20
"""Python takes quadratic time for a number of many digits. None of Label Studio's has more."""

_LONGEST_PATH = 4

# Two characters each: a backslash before anything else doesn't matter for where a string ends.
_TOKEN = re.compile(rb'\\["\\]|["{}\[\]]')
_HIGH_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class _Cut:
    """A part of the document that is replaced before it is parsed."""

    start: int
    end: int
    instead: bytes


def read_object(
    body: bytes, *, streamed: Path | None = None, without: Collection[Path] = ()
) -> Json:
    """One JSON object, or `InvalidRequest`.

    The containers at the path `streamed` are parsed one by one, so there may be many of them. Those
    at the paths `without` become null, without being parsed.
    """
    cuts: list[_Cut] = []
    parts: list[Any] = []
    for path, start, end in _containers(body):
        if path in without:
            cuts.append(_Cut(start, end, b"null"))
        elif path == streamed:
            inner = []
            while cuts and cuts[-1].start > start:
                inner.append(cuts.pop())
            parts.append(parse_part(_joined(body, start, end, inner[::-1])))
            cuts.append(_Cut(start, end, b'{"":%d}' % (len(parts) - 1)))
    document = parse_part(_joined(body, 0, len(body), cuts))
    if not isinstance(document, dict):
        raise InvalidRequest("The request must be one JSON object.")
    name = (streamed[1] or b"").decode() if streamed else ""
    # With the same key twice, the value that the parser took may be no list.
    if parts and isinstance(document.get(name), list):
        document[name] = [_part(item, parts) for item in document[name]]
    return document


def parse_part(body: bytes) -> Any:
    """What a small piece of JSON says, of any type; `InvalidRequest` for a large one."""
    containers = body.count(b"{") + body.count(b"[")
    if containers > MOST_CONTAINERS or body.count(b'"') > MOST_QUOTES:
        raise InvalidRequest(
            f"The request has too many objects in one part: more than {MOST_CONTAINERS:,} "
            f"containers, or {MOST_QUOTES // 2:,} texts."
        )
    try:
        document = _DECODER.decode(body.decode("utf-8", "replace"))
    except InvalidRequest:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The request is no JSON ({type(error).__name__}).") from error
    return _cleaned(document) if _HIGH_ESCAPE.search(body) else document


def clean_text(text: str) -> str:
    r"""The text with a question mark for each half of a surrogate pair, which no file can hold.

    >>> clean_text("a\ud800"), clean_text("\ud83d\ude00") == "\N{GRINNING FACE}"
    ('a\ufffd', True)
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _containers(body: bytes) -> Iterator[tuple[Path, int, int]]:
    """The outermost lists and objects with their paths and positions, inner ones before outer ones.

    What is no JSON gives wrong positions, but no error: the parser will find it.
    """
    around: list[tuple[bytes | None, int]] = []
    for bracket, at, key in _brackets(body):
        if bracket in b"{[":
            if len(around) >= DEEPEST:
                raise InvalidRequest(f"The request is nested more than {DEEPEST} deep.")
            in_list = not around or body[around[-1][1]] == ord("[")
            around.append((None if in_list else key, at))
        elif around:
            if len(around) <= _LONGEST_PATH:
                yield tuple(key for key, _ in around), around[-1][1], at + 1
            around.pop()


def _brackets(body: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """The brackets that are in no text, their positions, and the keys that they are values of."""
    quoted_from, text = -1, None
    for count, token in enumerate(_TOKEN.finditer(body)):
        if count >= MOST_TOKENS:
            raise InvalidRequest("The request has too many objects; select fewer tasks at a time.")
        character, at = token[0], token.start()
        if character == b'"':
            text = (quoted_from, at) if quoted_from >= 0 else None
            quoted_from = at + 1 if quoted_from < 0 else -1
        elif quoted_from < 0:
            yield character, at, _key_before(body, text, at) if character in b"{[" else b""
            # Each text is looked at once: otherwise this would take quadratic time.
            text = None


def _key_before(body: bytes, text: tuple[int, int] | None, at: int) -> bytes:
    """The key whose value begins at this position; `text` is where the text before it was."""
    if text is None or body[text[1] + 1 : at].strip() != b":":
        return b""
    return body[text[0] : text[1]]


def _joined(body: bytes, start: int, end: int, cuts: list[_Cut]) -> bytes:
    parts = []
    for cut in cuts:
        parts += [body[start : cut.start], cut.instead]
        start = cut.end
    return b"".join([*parts, body[start:end]])


def _part(item: Any, parts: list[Any]) -> Any:
    """The parsed part that a placeholder stands for; other items are as they are."""
    place = item.get("") if isinstance(item, dict) else None
    return parts[place] if isinstance(place, int) and 0 <= place < len(parts) else item


def _cleaned(value: Any) -> Any:
    """The same with clean texts. It is as deep as the parser's input, so recursion is safe."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item) for key, item in value.items()}
    return value


def _whole_number(digits: str) -> int:
    if len(digits) > LONGEST_WHOLE_NUMBER:
        raise InvalidRequest(f"The request has a number of {len(digits)} digits.")
    return int(digits)


def _finite_number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidRequest("The request has a number that is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The request has the number {name}, which JSON does not know.")


_DECODER = json.JSONDecoder(
    parse_int=_whole_number, parse_float=_finite_number, parse_constant=_refuse_constant
)
