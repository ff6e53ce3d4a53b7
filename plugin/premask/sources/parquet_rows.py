"""Images in a parquet file: a column of paths or addresses, or one of bytes as datasets have it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from premask.errors import InvalidSetting, SourceChanged, UnreadableImage
from premask.libraries import parquet_libraries
from premask.sources.members import MemberAddress, member_uri, require_container
from premask.sources.naming import member_name
from premask.sources.places import Places
from premask.sources.ranged_file import opened
from premask.sources.source_image import MOST_IMAGE_BYTES, SourceImage
from premask.sources.stores import StoredFile

if TYPE_CHECKING:
    import pyarrow as pa

_USUAL_COLUMNS = (
    *("image", "img", "jpg", "jpeg", "png", "webp", "uri", "url", "path", "image_path"),
    *("image_url", "file_name", "filename", "file"),
)
_MOST_GROUP_BYTES = 1 << 30
_GROUPS_KEPT = 2
_ROWS_AT_ONCE = 4096


class ImageColumn(NamedTuple):
    """Which column has the images: their bytes, maybe with the paths that they had, or texts."""

    name: str
    has_bytes: bool
    has_paths: bool = False


def image_column(uri: str, places: Places, wanted: str | None = None) -> ImageColumn:
    """The column that was named, or the only one with a usual name."""
    with _parquet_file(uri, places) as file:
        schema = file.schema_arrow
    for name in [wanted] if wanted else _USUAL_COLUMNS:
        if name in schema.names and (found := _image_column(schema.field(name))) is not None:
            return found
    what = f"has no column '{wanted}' of paths or images" if wanted else "does not say what it has"
    raise InvalidSetting(
        f"'{uri}' {what}. Say which of its columns it is with --column: {', '.join(schema.names)}."
    )


def texts_in(uri: str, column: ImageColumn, places: Places) -> Iterator[str]:
    """The paths or addresses of a column; rows without one are passed over."""
    with _parquet_file(uri, places) as file:
        for batch in file.iter_batches(columns=[column.name], batch_size=_ROWS_AT_ONCE):
            yield from (text for text in batch.column(0).to_pylist() if text)


def parquet_rows(
    stored: StoredFile, name: str, column: ImageColumn, places: Places
) -> Iterator[SourceImage]:
    """An image for each row, by its number; it is called as its path says, if there is one."""
    require_container(stored.uri)
    version = f"{stored.size}-{stored.etag}"
    with _parquet_file(stored.uri, places) as file:
        paths = _paths(file, column) if column.has_paths else iter([""] * file.metadata.num_rows)
        for row, path in enumerate(paths):
            yield SourceImage(
                uri=member_uri("parquet", f"{column.name}/{row}", stored.uri),
                name=member_name(name, path or f"{row:07}"),
                etag=version,
            )


class ParquetReader:
    """Reads images of rows, and keeps the last groups of rows: they are packed together."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[str, str, int], pa.ChunkedArray] = OrderedDict()
        self._starts: dict[str, list[int]] = {}

    def read(self, image: SourceImage, address: MemberAddress) -> bytes:
        """The bytes in a row, if the file is the one that was listed."""
        column, _, row = address.member.rpartition("/")
        with self._lock:
            data = self._value(image, address.container, column, int(row))
        if isinstance(data, dict):
            data = data.get("bytes")
        if not isinstance(data, bytes):
            raise UnreadableImage(image.name, "its row holds no bytes of an image")
        if len(data) > MOST_IMAGE_BYTES:
            raise UnreadableImage(
                image.name, f"{len(data):,} bytes are more than {MOST_IMAGE_BYTES:,}"
            )
        return data

    def _value(self, image: SourceImage, uri: str, column: str, row: int) -> object:
        if uri not in self._starts:
            now = self._places.stat(uri)
            if f"{now.size}-{now.etag}" != image.etag:
                raise SourceChanged(image.name, "its parquet file is another one")
            self._starts[uri] = list(_starts_of_groups(uri, self._places))
        starts = self._starts[uri]
        group = max(index for index, start in enumerate(starts) if start <= row)
        key = uri, column, group
        if key not in self._groups:
            self._groups[key] = _read_group(uri, column, group, self._places)
        self._groups.move_to_end(key)
        while len(self._groups) > _GROUPS_KEPT:
            self._groups.popitem(last=False)
        value: object = self._groups[key][row - starts[group]].as_py()
        return value


def _image_column(field: pa.Field) -> ImageColumn | None:
    types, kind = parquet_libraries()[0].types, field.type
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return ImageColumn(field.name, True, kind.get_field_index("path") >= 0)
    if types.is_binary(kind) or types.is_large_binary(kind):
        return ImageColumn(field.name, True)
    if types.is_string(kind) or types.is_large_string(kind):
        return ImageColumn(field.name, False)
    return None


def _paths(file: Any, column: ImageColumn) -> Iterator[str]:
    for batch in file.iter_batches(columns=[f"{column.name}.path"], batch_size=_ROWS_AT_ONCE):
        yield from ((value or {}).get("path") or "" for value in batch.column(0).to_pylist())


def _starts_of_groups(uri: str, places: Places) -> Iterator[int]:
    start = 0
    with _parquet_file(uri, places) as file:
        for group in range(file.metadata.num_row_groups):
            yield start
            start += file.metadata.row_group(group).num_rows


def _read_group(uri: str, column: str, group: int, places: Places) -> pa.ChunkedArray:
    with _parquet_file(uri, places) as file:
        size = file.metadata.row_group(group).total_byte_size
        if size > _MOST_GROUP_BYTES:
            raise UnreadableImage(
                uri,
                f"{size:,} bytes are packed together in a group of rows. Write it anew with "
                "smaller groups, such as of 100 images",
            )
        return file.read_row_group(group, columns=[column]).column(0)


@contextmanager
def _parquet_file(uri: str, places: Places) -> Iterator[Any]:
    arrow, parquet = parquet_libraries()
    try:
        with opened(uri, places, most_at_once=_MOST_GROUP_BYTES) as file:
            yield parquet.ParquetFile(file)
    except (OSError, arrow.ArrowException) as error:
        raise UnreadableImage(uri, f"it is no parquet file, or a broken one ({error})") from error
