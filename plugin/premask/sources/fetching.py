"""The bytes of an image, or the file of a clip, if it still is the one that was listed."""

from __future__ import annotations

import shutil
from pathlib import Path

from premask.errors import SourceChanged, UnreadableImage
from premask.files import replacing, write_atomically
from premask.sources.local_store import path_of
from premask.sources.members import member_address
from premask.sources.parquet_rows import ParquetReader
from premask.sources.places import Places, is_local
from premask.sources.ranged_file import opened
from premask.sources.source_image import SourceImage
from premask.sources.tar_members import read_tar_member
from premask.sources.zip_members import ZipReader

_PIECE_BYTES = 1 << 23


class ImageFetcher:
    """Reads images of all sources; threads may share one."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._zips, self._parquets = ZipReader(places), ParquetReader(places)

    def read(self, image: SourceImage) -> bytes:
        """All bytes, or `UnreadableImage` under the image's own name."""
        try:
            address = member_address(image)
            if address is None:
                return self._file(image)
            match address.kind:
                case "tar":
                    return read_tar_member(image, address, self._places)
                case "zip":
                    return self._zips.read(image, address)
            return self._parquets.read(image, address)
        except SourceChanged:
            raise
        except UnreadableImage as error:
            raise UnreadableImage(image.name, error.reason) from error

    def file_of(self, clip: SourceImage, path: Path) -> Path:
        """The clip's own file on this machine, or all of it in a file at `path`."""
        if member_address(clip) is not None:
            write_atomically(path, self.read(clip))
        elif is_local(clip.uri):
            self._require_same(clip)
            return path_of(clip.uri)
        elif not path.is_file():
            self._require_same(clip)
            with opened(clip.uri, self._places) as source, replacing(path) as target:
                shutil.copyfileobj(source, target, _PIECE_BYTES)
        return path

    def _require_same(self, image: SourceImage) -> None:
        if image.etag:
            now = self._places.stat(image.uri)
            if (now.size, now.etag) != (image.size, image.etag):
                raise SourceChanged(image.name, _difference(image.size, now.size))

    def _file(self, image: SourceImage) -> bytes:
        self._require_same(image)
        return self._places.read(image.uri, size=image.size)


def _difference(planned: int | None, now: int | None) -> str:
    if planned is None or now is None or planned == now:
        return "another file has its place"
    return f"it had {planned:,} bytes and has {now:,} now"
