"""Labels <-> rows of a parquet file: one row an image, with what failed as a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from premask.errors import InvalidMask
from premask.files import replacing
from premask.labels.glimpse import Glimpse
from premask.labels.shard_row import ShardRow
from premask.libraries import parquet_libraries

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "1"
"""Of the columns. One may be added; what is there keeps its name, its type and its meaning."""

_ROWS_AT_ONCE, _OBJECTS_AT_ONCE = 64, 20_000
_FINGERPRINT, _VERSION = b"premask.fingerprint", b"premask.version"


def schema() -> pa.Schema:
    """The columns, in their order; docs/scale.md says what each of them means."""
    pa, _ = parquet_libraries()
    texts, numbers = pa.list_(pa.string()), pa.list_(pa.int64())
    return pa.schema(
        [
            ("image_id", pa.string()),
            ("uri", pa.string()),
            ("name", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("digest", pa.string()),
            ("version", pa.string()),
            ("label", texts),
            ("score", pa.list_(pa.float64())),
            ("box", pa.list_(pa.list_(pa.float64()))),
            ("rle_counts", texts),
            ("matte_planes", pa.list_(texts)),
            ("track", numbers),
            ("crowd", pa.list_(pa.bool_())),
            ("keyframe", pa.list_(pa.bool_())),
            ("source", pa.list_(texts)),
            ("frame", numbers),
            ("frames", numbers),
            ("times", pa.list_(pa.float64())),
            ("fps", pa.float64()),
            ("seconds", pa.float64()),
            ("error", pa.string()),
            ("error_kind", pa.string()),
        ]
    )


def schema_for(fingerprint: str) -> pa.Schema:
    """The same, with a note of what the file is written for."""
    notes = {_VERSION: VERSION.encode(), _FINGERPRINT: fingerprint.encode()}
    return schema().with_metadata(notes)


def write_shard(path: Path, rows: Iterable[ShardRow], fingerprint: str = "") -> Path:
    """Put the rows into a file that is there whole, or not at all."""
    pa, parquet = parquet_libraries()
    columns = schema_for(fingerprint)
    with (
        replacing(path) as file,
        parquet.ParquetWriter(file, columns, compression="zstd") as writer,
    ):
        for records in _grouped(rows):
            writer.write_table(pa.Table.from_pylist(records, schema=columns))
    return path


def _grouped(rows: Iterable[ShardRow]) -> Iterator[list[dict[str, Any]]]:
    """So many rows at once as memory should hold; a clip may have more objects than a shard."""
    records, objects = list[dict[str, Any]](), 0
    for row in rows:
        records.append(dict(row.record))
        objects += len(row.record.get("label") or ())
        if len(records) == _ROWS_AT_ONCE or objects >= _OBJECTS_AT_ONCE:
            yield records
            records, objects = [], 0
    if records:
        yield records


class ShardKey(NamedTuple):
    """Which image a row is of, in which version, and whether it failed."""

    image_id: str
    version: str
    failed: bool


def shard_keys(path: Path) -> Iterator[ShardKey]:
    """What the rows of a file are of, without their labels."""
    columns = ["image_id", "version", "error_kind"]
    with reading_shard(path) as file:
        for batch in file.iter_batches(columns=columns):
            image_ids, versions, kinds = (batch.column(name).to_pylist() for name in columns)
            for image_id, version, kind in zip(image_ids, versions, kinds, strict=True):
                yield ShardKey(image_id, version, kind is not None)


def shard_locations(path: Path) -> Iterator[tuple[str, str]]:
    """Where each image is, and what it is called."""
    with reading_shard(path) as file:
        for batch in file.iter_batches(columns=["uri", "name"]):
            yield from zip(
                batch.column("uri").to_pylist(), batch.column("name").to_pylist(), strict=True
            )


def is_shard(glimpse: Glimpse) -> bool:
    """Whether a file is parquet; its reader says whether it has labels."""
    return glimpse.head.startswith(b"PAR1")


def read_shard(path: Path) -> Iterator[ShardRow]:
    """The rows of a file, a few at a time in memory."""
    with reading_shard(path) as file:
        # As they were written: a batch of a fixed number of clips may be too much.
        for group in range(file.metadata.num_row_groups):
            for record in file.read_row_group(group).to_pylist():
                yield ShardRow(record=record)


@contextmanager
def reading_shard(path: Path) -> Iterator[Any]:
    """The open file, which must have the columns; errors of reading it name the path."""
    pa, parquet = parquet_libraries()
    try:
        with parquet.ParquetFile(path) as file:
            _require_columns(path, file.schema_arrow.names)
            yield file
    except (OSError, pa.ArrowException) as error:
        raise InvalidMask(f"'{path}' can't be read as a shard of labels: {error}") from error


def shard_fingerprint(path: Path) -> str | None:
    """What the file was written for; None where there is no whole file of labels."""
    pa, parquet = parquet_libraries()
    try:
        notes = parquet.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    fingerprint: bytes | None = notes.get(_FINGERPRINT)
    return None if fingerprint is None else fingerprint.decode()


def _require_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in schema().names if name not in names]
    if missing:
        raise InvalidMask(
            f"'{path}' is parquet, but no shard of labels: it has no column {', '.join(missing)}."
        )
