"""The bytes of an image from wherever it lies, if it still is the one that was listed."""

from __future__ import annotations

from premask.errors import SourceChanged, UnreadableImage
from premask.sources.members import member_address
from premask.sources.parquet_rows import ParquetReader
from premask.sources.places import Places
from premask.sources.source_image import SourceImage
from premask.sources.tar_members import read_tar_member
from premask.sources.zip_members import ZipReader


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

    def _file(self, image: SourceImage) -> bytes:
        if image.etag:
            now = self._places.stat(image.uri)
            if (now.size, now.etag) != (image.size, image.etag):
                raise SourceChanged(image.name, _difference(image.size, now.size))
        return self._places.read(image.uri, size=image.size)


def _difference(planned: int | None, now: int | None) -> str:
    if planned is None or now is None or planned == now:
        return "another file has its place"
    return f"it had {planned:,} bytes and has {now:,} now"
