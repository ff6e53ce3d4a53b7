"""Labels <-> rows of a parquet file: one row an image, with what failed as a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, PremaskError
from premask.files import replacing
from premask.images import Image
from premask.labels.coco_rle import matte_from_planes, matte_to_planes
from premask.labels.glimpse import Glimpse
from premask.libraries import parquet_libraries
from premask.masks import Mask, Size

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "1"
"""Of the columns. One may be added; what is there keeps its name, its type and its meaning."""

_ROWS_AT_ONCE = 64
_FINGERPRINT, _VERSION = b"premask.fingerprint", b"premask.version"

Record = Mapping[str, Any]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRow:
    """One image with what was found in it, or why nothing could be; as the file has it."""

    record: Record

    @classmethod
    def of(
        cls, labeled: Labeled, *, image_id: str = "", uri: str = "", version: str = ""
    ) -> ShardRow:
        """The row of one image."""
        image, error = labeled.image, labeled.error
        height, width = image.size_hw
        record: dict[str, Any] = {
            "image_id": image_id or image.name,
            "uri": uri or image.name,
            "name": image.name,
            "width": width,
            "height": height,
            "digest": image.digest,
            "version": version,
            "seconds": round(labeled.seconds, 3),
            "error": None if error is None else str(error),
            "error_kind": None if error is None else type(error).__name__,
        }
        if error is None:
            record |= _columns(labeled.annotations)
        return cls(record=record)

    @property
    def image_id(self) -> str:
        return str(self.record["image_id"])

    @property
    def uri(self) -> str:
        return str(self.record["uri"])

    @property
    def error(self) -> str | None:
        """Why nothing is known of the image, for people; None if it was looked at."""
        error: str | None = self.record["error"]
        return error

    @property
    def labeled(self) -> Labeled:
        """The image with its annotations, or with its error."""
        record, name = self.record, str(self.record["name"])
        if self.error is not None:
            return Labeled(image=Image.unread(name), error=PremaskError(self.error))
        size_hw = int(record["height"]), int(record["width"])
        return Labeled(
            image=Image(name=name, size_hw=size_hw, digest=str(record["digest"])),
            annotations=tuple(
                _annotation(record, place, size_hw) for place in range(len(record["label"]))
            ),
            seconds=float(record["seconds"]),
        )


def write_shard(path: Path, rows: Iterable[ShardRow], fingerprint: str = "") -> Path:
    """Put the rows into a file that is there whole, or not at all."""
    pa, parquet = parquet_libraries()
    columns = schema_for(fingerprint)
    left = iter(rows)
    with (
        replacing(path) as file,
        parquet.ParquetWriter(file, columns, compression="zstd") as writer,
    ):
        while some := list(islice(left, _ROWS_AT_ONCE)):
            records = [dict(row.record) for row in some]
            writer.write_table(pa.Table.from_pylist(records, schema=columns))
    return path


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
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            for record in batch.to_pylist():
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


def _columns(annotations: tuple[Annotation, ...]) -> dict[str, list[Any]]:
    """A list for each column that is about objects, all of one length."""
    return {
        "label": [found.label for found in annotations],
        "score": [None if found.score is None else float(found.score) for found in annotations],
        "box": [_box_xywh(found) for found in annotations],
        "rle_counts": [
            None if found.mask is None else found.mask.counts.decode("ascii")
            for found in annotations
        ],
        "matte_planes": [
            None
            if found.matte is None
            else [plane["counts"] for plane in matte_to_planes(found.matte)]
            for found in annotations
        ],
        "track": [None if found.track is None else int(found.track) for found in annotations],
        "crowd": [found.crowd for found in annotations],
        "keyframe": [found.keyframe for found in annotations],
        "source": [list(found.source) for found in annotations],
    }


def _box_xywh(annotation: Annotation) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in annotation.box_xyxy)
    return [x0, y0, x1 - x0, y1 - y0]


def _annotation(record: Record, place: int, size_hw: Size) -> Annotation:
    x, y, width, height = record["box"][place]
    counts, planes = record["rle_counts"][place], record["matte_planes"][place]
    size = list(size_hw)
    return Annotation(
        label=record["label"][place],
        box_xyxy=(x, y, x + width, y + height),
        score=record["score"][place],
        mask=None if counts is None else Mask.from_rle({"size": size, "counts": counts}),
        matte=None
        if planes is None
        else matte_from_planes([{"size": size, "counts": plane} for plane in planes], size_hw),
        track=record["track"][place],
        crowd=bool(record["crowd"][place]),
        keyframe=bool(record["keyframe"][place]),
        source=tuple(record["source"][place]),
    )
