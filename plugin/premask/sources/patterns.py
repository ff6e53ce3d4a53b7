"""Patterns of addresses: `photos/**/*.jpg`, and `shard-{000..099}.tar` as webdataset has them."""

from __future__ import annotations

import re

from premask.errors import UnreadableImage

_WILD = re.compile(r"[*?\[]")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_NUMBERS = 1_000_000


def has_wildcard(uri: str) -> bool:
    """Whether it stands for what it matches; a URL's ? begins what is asked for."""
    return _WILD.search(uri) is not None and not uri.startswith(("http://", "https://"))


def fixed_folder(pattern: str) -> str:
    """The folder above all that a pattern can match.

    >>> fixed_folder("s3://bucket/cats/2024-*/x.jpg")
    's3://bucket/cats'
    """
    wild = _WILD.search(pattern)
    return pattern[: wild.start() if wild else None].rpartition("/")[0] or "/"


def without_braces(text: str) -> list[str]:
    """One text for each number in `{000..099}`, with as many digits.

    >>> without_braces("a-{08..10}.tar")
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    braces = _RANGE.search(text)
    if braces is None:
        return [text]
    first, last = int(braces[1]), int(braces[2])
    if not first <= last < first + _MOST_NUMBERS:
        raise UnreadableImage(text, f"{braces[0]} must count up, by at most {_MOST_NUMBERS:,}")
    numbers = (str(number).zfill(len(braces[1])) for number in range(first, last + 1))
    head, tail = text[: braces.start()], without_braces(text[braces.end() :])
    return [f"{head}{number}{rest}" for number in numbers for rest in tail]


def pattern_to_regex(pattern: str) -> re.Pattern[str]:
    """What matches whole addresses: `*` and `?` within a folder, `**` across folders.

    >>> bool(pattern_to_regex("/a/**/*.jpg").fullmatch("/a/b.jpg"))
    True
    >>> bool(pattern_to_regex("/a/*.jpg").fullmatch("/a/b/c.jpg"))
    False
    """
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^]]*\]|.", pattern, re.DOTALL)
    return re.compile("".join(map(_token_to_regex, tokens)), re.DOTALL)


def _token_to_regex(token: str) -> str:
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in meanings:
        return meanings[token]
    if len(token) > 2 and token.startswith("["):
        inside = token[1:-1].replace("\\", r"\\")
        return f"[^{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]"
    return re.escape(token)
