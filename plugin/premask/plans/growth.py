"""Which of many listed images a plan lacks, or has in another version, at flat memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from premask.images import digest_of
from premask.libraries import parquet_libraries
from premask.plans.manifests import images_in, images_to_batch, schema
from premask.sources.source_image import SourceImage

BUCKETS = 64
"""Ten million images are 160,000 in each, which is what is in memory at a time."""

_CHUNK = 8192

_ENTRY = np.dtype([("id", "V16"), ("version", "V8"), ("place", "<i8")])
"""An image in 32 bytes: who it is, in which version, its place in the list or its shard."""

Entries = NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Places in the list: of images that the plan does not have, and of those that it has.

    `changed` has two columns: a shard, and the place of an image that it has in another version.
    """

    fresh: NDArray[np.bool_]
    changed: NDArray[np.int64]


class SpooledList:
    """A list of images of any length, in temporary files below a folder."""

    def __init__(self, images: Iterable[SourceImage], folder: Path) -> None:
        self.count = 0
        self._files = ExitStack()
        temporary = tempfile.TemporaryDirectory(prefix=".list-", dir=folder)
        self._folder = Path(self._files.enter_context(temporary))
        try:
            self._spool(images)
        except BaseException:
            self._files.close()
            raise

    def __enter__(self) -> SpooledList:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def growth_of(self, planned: Iterable[tuple[int, Iterable[SourceImage]]]) -> Growth:
        """What the plan of these shards lacks; an image that is listed twice counts once."""
        with _Buckets(self._folder / "planned") as buckets:
            for shard, images in planned:
                some = list(images)
                buckets.add(_entries(some, [shard] * len(some)))
        fresh, changed = np.zeros(self.count, np.bool_), list[tuple[int, int]]()
        for bucket in range(BUCKETS):
            known = {who: (what, at) for who, what, at in _bucket(self._folder / "planned", bucket)}
            seen = set[bytes]()
            for who, version, place in _bucket(self._folder / "listed", bucket):
                if who in seen:
                    continue
                seen.add(who)
                if who not in known:
                    fresh[place] = True
                elif version not in (known[who][0], _UNKNOWN):
                    changed.append((known[who][1], place))
        pairs = np.array(sorted(changed), np.int64).reshape(-1, 2)
        return Growth(fresh=fresh, changed=pairs)

    def images_at(self, places: Iterable[int]) -> Iterator[SourceImage]:
        """The images at these places, which go up."""
        arrow, _ = parquet_libraries()
        with arrow.ipc.open_file(self._folder / "images.arrow") as spooled:
            for chunk, group in groupby(places, lambda place: place // _CHUNK):
                images = list(images_in(spooled.get_batch(chunk)))
                yield from (images[place % _CHUNK] for place in group)

    def fresh_images(self, growth: Growth) -> Iterator[SourceImage]:
        """The images that the plan does not have, in the order of the list."""
        chunks = range(0, self.count, _CHUNK)
        return self.images_at(
            start + int(place)
            for start in chunks
            for place in np.flatnonzero(growth.fresh[start : start + _CHUNK])
        )

    def _spool(self, images: Iterable[SourceImage]) -> None:
        arrow, _ = parquet_libraries()
        left = iter(images)
        options = arrow.ipc.IpcWriteOptions(compression="lz4")
        path = self._folder / "images.arrow"
        with (
            arrow.ipc.new_file(path, schema(), options=options) as spool,
            _Buckets(self._folder / "listed") as buckets,
        ):
            while chunk := list(islice(left, _CHUNK)):
                spool.write_batch(images_to_batch(chunk))
                buckets.add(_entries(chunk, range(self.count, self.count + len(chunk))))
                self.count += len(chunk)


class _Buckets:
    """Files of entries; those of one image are all in the same one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._open = ExitStack()
        self._files = [
            self._open.enter_context((folder / str(bucket)).open("wb")) for bucket in range(BUCKETS)
        ]

    def __enter__(self) -> _Buckets:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, entries: Entries) -> None:
        first_bytes = entries.view(np.uint8).reshape(len(entries), _ENTRY.itemsize)[:, 0]
        for bucket in np.unique(first_bytes % BUCKETS):
            self._files[bucket].write(entries[first_bytes % BUCKETS == bucket].tobytes())


def _bucket(folder: Path, bucket: int) -> list[tuple[bytes, bytes, int]]:
    found: list[tuple[bytes, bytes, int]] = np.fromfile(folder / str(bucket), _ENTRY).tolist()
    return found


def _entries(images: Sequence[SourceImage], places: Sequence[int]) -> Entries:
    entries = np.zeros(len(images), _ENTRY)
    entries["id"] = np.frombuffer(bytes.fromhex("".join(image.id for image in images)), "V16")
    versions = b"".join(_version_bytes(image.version) for image in images)
    entries["version"] = np.frombuffer(versions, "V8")
    entries["place"] = places
    return entries


def _version_bytes(version: str) -> bytes:
    return bytes.fromhex(digest_of(version.encode())[:16])


_UNKNOWN = _version_bytes(SourceImage(uri="", name="").version)
"""What the entry of an image says whose listing told nothing but where it is."""
