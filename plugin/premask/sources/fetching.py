"""The bytes of an image from wherever it lies, if it still is the one that was listed."""

from __future__ import annotations

from premask.errors import SourceChanged, UnreadableImage
from premask.sources.places import Places
from premask.sources.source_image import SourceImage


class ImageFetcher:
    """Reads images of all sources; threads may share one."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def read(self, image: SourceImage) -> bytes:
        """All bytes, or `UnreadableImage` under the image's own name."""
        try:
            return self._file(image)
        except SourceChanged:
            raise
        except UnreadableImage as error:
            raise UnreadableImage(image.name, error.reason) from error

    def _file(self, image: SourceImage) -> bytes:
        if image.etag:
            now = self._places.stat(image.uri)
            if (now.size, now.etag) != (image.size, image.etag):
                raise SourceChanged(image.name, _difference(image.size, now.size))
        data = self._places.read(image.uri)
        if image.size is not None and len(data) != image.size:
            raise UnreadableImage(
                image.name, f"only {len(data):,} of its {image.size:,} bytes arrived"
            )
        return data


def _difference(planned: int | None, now: int | None) -> str:
    if planned is None or now is None or planned == now:
        return "another file has its place"
    return f"it had {planned:,} bytes and has {now:,} now"
