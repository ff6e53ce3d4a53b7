"""The manifests of all shards in their folder: written several at once, and written anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from premask.files import unwritable
from premask.plans.manifests import digest_of_images, read_manifest, write_manifest
from premask.runs.ordered_work import in_order
from premask.sources.source_image import SourceImage

_WRITERS = 4
"""Disks take their time to say that a file is there for good, but for several at once no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShard:
    """How many images a shard has, and a digest of which these are."""

    images: int
    digest: str


@dataclass(frozen=True, slots=True)
class ManifestFolder:
    """Manifests by the numbers of their shards, below the folder of a plan."""

    folder: Path

    def make(self) -> None:
        """Make the folder, if it is not there."""
        try:
            (self.folder / "manifests").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def read(self, index: int, shard: PlannedShard | None = None) -> Iterator[SourceImage]:
        """The images of a shard; `InvalidPlan` if they are not those that are given."""
        return read_manifest(self._path(index), None if shard is None else shard.digest)

    def read_again(
        self, contents: list[PlannedShard]
    ) -> Iterator[tuple[int, Sequence[SourceImage]]]:
        """What is there: a `premask plan` that was killed may have written some of it anew."""
        for index in range(len(contents)):
            images = list(self.read(index))
            contents[index] = PlannedShard(images=len(images), digest=digest_of_images(images))
            yield index, images

    def write(self, index: int, images: Sequence[SourceImage]) -> PlannedShard:
        """Write one manifest."""
        digest = write_manifest(self._path(index), images)
        return PlannedShard(images=len(images), digest=digest)

    def write_all(
        self, images: Iterator[SourceImage], first: int, shard_size: int
    ) -> Iterator[PlannedShard]:
        """Cut the images into shards, numbered from `first` on."""
        cut = enumerate(iter(lambda: list(islice(images, shard_size)), []), first)

        def write(numbered: tuple[int, Sequence[SourceImage]]) -> PlannedShard:
            return self.write(*numbered)

        with closing(in_order(write, cut, workers=_WRITERS, name="premask-plan")) as writing:
            for _, written in writing:
                yield written.result()

    def _path(self, index: int) -> Path:
        return self.folder / "manifests" / f"{shard_name(index)}.parquet"


def shard_name(index: int) -> str:
    """What the files of a shard are called."""
    return f"shard-{index:05}"
