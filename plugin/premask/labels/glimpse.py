"""What is seen of a file or a folder at first sight, by which formats recognize their own."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from premask.errors import InvalidMask
from premask.json_stream import JsonStream

HEAD_BYTES = 4096
_MOST_NAMES = 2000
_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Glimpse:
    """A file's first bytes, and its keys if it is JSON; or the first names below a folder.

    `keys` are those of a JSON object, each with the keys of the object or of the first item that is
    its value. For a list of objects, `item_keys` are those of the first one.
    """

    path: Path
    head: bytes = b""
    keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    item_keys: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Glimpse:
        """Look at a path; `InvalidMask` if there is nothing."""
        try:
            if path.is_dir():
                return cls(path=path, names=tuple(itertools.islice(_names(path), _MOST_NAMES)))
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
                file.seek(0)
                if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
                    return cls(path=path, head=head)
                keys, item_keys = _json_keys(JsonStream(file))
                return cls(path=path, head=head, keys=keys, item_keys=item_keys)
        except OSError as error:
            raise InvalidMask(f"'{path}' can't be read: {error.strerror or error}.") from error

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    def has(self, name: str) -> bool:
        """Whether the folder has a file or a folder of this name."""
        return self.is_folder and (self.path / name).exists()

    def first(self, suffix: str) -> Path | None:
        """The first file with this suffix below the folder; the folder's own files come first."""
        name = next((name for name in self.names if name.lower().endswith(suffix)), None)
        return None if name is None else self.path / name

    def __str__(self) -> str:
        """What was seen, for a person whose format is not known."""
        if self.is_folder:
            kinds = Counter(Path(name).suffix.lower() or "no suffix" for name in self.names)
            files = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
            such = f" ({files}), such as {self.names[0]}" if self.names else ""
            return f"a folder of {len(self.names) or 'no'} files{such}"
        if self.keys:
            return f"a JSON object with {_listed(self.keys)}"
        if self.item_keys:
            return f"a JSON list of objects with {_listed(self.item_keys)}"
        return f"a file that begins with {self.head[:60]!r}" if self.head else "an empty file"


def _listed(keys: Mapping[str, object] | frozenset[str]) -> str:
    shown = keys if isinstance(keys, Mapping) else sorted(keys)
    names = ", ".join(itertools.islice(shown, _NAMES_SHOWN))
    return f"{names}, ..." if len(keys) > _NAMES_SHOWN else names


def _names(folder: Path) -> Iterator[str]:
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        here = Path(directory).relative_to(folder)
        for name in sorted(names):
            if not name.startswith("."):
                yield (here / name).as_posix()


def _json_keys(stream: JsonStream) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """What can be told of a text before it is wrong; what is wrong its reader will say."""
    keys: dict[str, frozenset[str]] = {}
    try:
        if stream.peek() == "[":
            return {}, _keys_of_first(stream, ends=True)
        for key in stream.object_keys():
            keys[key] = frozenset()
            keys[key] = _keys_of_first(stream, ends=key in ("annotations", "shapes"))
            if key in ("annotations", "shapes"):
                break
    except ValueError:
        pass
    return keys, frozenset()


def _keys_of_first(stream: JsonStream, *, ends: bool) -> frozenset[str]:
    """The keys of the first item, or of the object; where the look ends, the rest stays unread."""
    if stream.peek() != "[":
        return _keys_of_next(stream)
    keys: frozenset[str] | None = None
    for _ in stream.list_entries():
        if keys is not None:
            stream.skip()
            continue
        keys = _keys_of_next(stream)
        if ends:
            break
    return keys or frozenset()


def _keys_of_next(stream: JsonStream) -> frozenset[str]:
    """The keys of the next value, which may be as long as a clip, if it is an object."""
    if stream.peek() != "{":
        stream.skip()
        return frozenset()
    keys = []
    for key in stream.object_keys():
        keys.append(key)
        stream.skip()
    return frozenset(keys)
