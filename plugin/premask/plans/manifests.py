"""The manifest of a shard: which images it has, as rows of a parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from premask.errors import InvalidPlan
from premask.files import unwritable
from premask.images import digest_of
from premask.libraries import parquet_libraries
from premask.sources.source_image import SourceImage

if TYPE_CHECKING:
    import pyarrow as pa

_DIGEST = b"premask.digest"
_ROWS_AT_ONCE = 4096
COLUMNS = ("uri", "name", "size", "etag", "offset")


def schema() -> pa.Schema:
    """The columns of a manifest."""
    pa, _ = parquet_libraries()
    kinds = (pa.string(), pa.string(), pa.int64(), pa.string(), pa.int64())
    return pa.schema(list(zip(COLUMNS, kinds, strict=True)))


def images_to_batch(images: Sequence[SourceImage]) -> pa.RecordBatch:
    """The images as rows."""
    pa, _ = parquet_libraries()
    columns = schema()
    arrays = [
        pa.array([getattr(image, name) for image in images], columns.field(name).type)
        for name in COLUMNS
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def images_in(batch: pa.RecordBatch) -> Iterator[SourceImage]:
    """Undo `images_to_batch`."""
    columns = (batch.column(name).to_pylist() for name in COLUMNS)
    for uri, name, size, etag, offset in zip(*columns, strict=True):
        yield SourceImage(uri=uri, name=name, size=size, etag=etag, offset=offset)


def digest_of_images(images: Iterable[SourceImage]) -> str:
    """The same for the same images in the same versions and order, whoever wrote the file."""
    return digest_of("\n".join(f"{image.id} {image.version}" for image in images).encode())


def write_manifest(path: Path, images: Sequence[SourceImage]) -> str:
    """Write the images of one shard; returns their digest.

    It takes its name at once, for it counts only when a plan names it with this digest.
    """
    pa, parquet = parquet_libraries()
    digest = digest_of_images(images)
    table = pa.Table.from_batches([images_to_batch(images)])
    table = table.replace_schema_metadata({_DIGEST: digest.encode()})
    try:
        with path.open("wb") as file:
            parquet.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(path, error) from error
    return digest


def read_manifest(path: Path, digest: str | None = None) -> Iterator[SourceImage]:
    """The images of a shard, in order; `InvalidPlan` if they are not those with this digest."""
    pa, parquet = parquet_libraries()
    try:
        with parquet.ParquetFile(path) as file:
            written = (file.schema_arrow.metadata or {}).get(_DIGEST, b"").decode()
            if digest not in (None, written):
                raise InvalidPlan(
                    f"'{path}' is not what its plan says. Was it being planned anew when that was "
                    "stopped? Run the same `premask plan` again."
                )
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                yield from images_in(batch)
    except (OSError, pa.ArrowException) as error:
        raise InvalidPlan(f"The manifest '{path}' can't be read: {error}") from error
