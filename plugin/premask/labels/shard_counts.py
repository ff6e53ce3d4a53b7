"""What shards of labels hold, told without their masks; and several of them as one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from premask.files import replacing
from premask.labels.shard_table import reading_shard, schema_for
from premask.libraries import parquet_libraries

_ROWS_AT_ONCE = 1024


@dataclass(slots=True, kw_only=True)
class ShardCounts:
    """Images, of which some failed: so many of each kind, with the words of one of them."""

    images: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def count_shard(path: Path, *, with_labels: bool = True) -> ShardCounts:
    """Count the images of a shard, and the objects in them by their labels."""
    with reading_shard(path) as file:
        counts = ShardCounts(images=file.metadata.num_rows)
        if _has_failures(file.metadata):
            for batch in file.iter_batches(columns=["name", "error_kind", "error"]):
                for row in batch.to_pylist():
                    if row["error_kind"] is not None:
                        counts.failures[row["error_kind"]] += 1
                        counts.examples.setdefault(row["error_kind"], row["error"])
        if with_labels:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["label"]):
                counts.labels.update(batch.column("label").flatten().to_pylist())
    return counts


def join_shards(paths: Iterable[Path], out: Path, fingerprint: str) -> Iterator[int]:
    """Write the rows of all shards into one file, a few at a time; yields how many, as it goes."""
    _, parquet = parquet_libraries()
    columns = schema_for(fingerprint)
    with replacing(out) as file, parquet.ParquetWriter(file, columns, compression="zstd") as writer:
        for path in paths:
            with reading_shard(path) as shard:
                for batch in shard.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns.names):
                    writer.write_batch(batch.replace_schema_metadata(columns.metadata))
                    yield batch.num_rows


def _has_failures(metadata: Any) -> bool:
    """Whether a row has an error, by what the end of the file says of the columns."""
    place = metadata.schema.names.index("error_kind")
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    for group in groups:
        statistics = group.column(place).statistics
        if statistics is None or statistics.null_count < group.num_rows:
            return True
    return False
