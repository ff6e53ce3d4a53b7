"""Animated pictures by Pillow: GIF, WebP and APNG; and stills in a folder, as a clip."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import PIL.Image

from premask.decoding import decode_picture
from premask.errors import UnreadableImage, UnreadableVideo
from premask.images import read_file, read_image
from premask.video.decoders import ASSUMED_FPS, Header, Picture, Wanted

SHORTEST = 0.011
"""What claims to be shorter is shown by browsers for a tenth of a second."""

_FORMATS = {"gif": "GIF", "webp": "WEBP", "png": "PNG"}


class AnimationDecoder:
    """One picture file with several frames."""

    def __init__(self, path: Path, name: str, kind: str) -> None:
        self._name, self._kind = name, kind
        self._data = read_file(path, name)
        with self._opened() as picture:
            count = getattr(picture, "n_frames", 1)
            if count < 2:
                raise UnreadableVideo(name, "it is one picture, not a moving one")
            first = _seconds(picture)
            self.header = Header(
                size_hw=(picture.height, picture.width),
                fps=1 / first,
                frame_count=count,
                is_count_exact=True,
            )

    def index_at(self, time: float) -> int:
        """All are decoded in any case."""
        return 0

    def pictures(self, first: int, wanted: Wanted) -> Iterator[Picture]:
        """Each frame is drawn on those before it, so all are decoded."""
        with self._opened() as picture:
            time = 0.0
            for index in range(self.header.frame_count):
                try:
                    picture.seek(index)
                    shown = _seconds(picture)
                    is_wanted = index >= first and wanted(index, time)
                    rgb = decode_picture(picture, self._name)[0] if is_wanted else None
                # Pillow's decoders raise nearly anything on broken files.
                except Exception as error:
                    raise UnreadableVideo(
                        self._name, f"it is broken: {error}", frame=index
                    ) from error
                if rgb is not None:
                    yield index, time, rgb
                time += shown

    def _opened(self) -> PIL.Image.Image:
        try:
            return PIL.Image.open(io.BytesIO(self._data), formats=[_FORMATS[self._kind]])
        except (OSError, PIL.Image.DecompressionBombError) as error:
            raise UnreadableVideo(self._name, f"the file is broken ({error})") from error


def _seconds(picture: PIL.Image.Image) -> float:
    """How long the frame is shown."""
    # WebP tells it only when the frame is loaded.
    picture.load()
    seconds = float(picture.info.get("duration") or 0) / 1000
    return seconds if seconds >= SHORTEST else 0.1


class FolderDecoder:
    """Image files in their order, each a frame; as nobody says how fast they are shown, 24 fps."""

    def __init__(self, files: Sequence[Path], name: str) -> None:
        self._files, self._name = files, name
        size_hw = read_image(files[0]).size_hw
        self.header = Header(size_hw=size_hw, frame_count=len(files), is_count_exact=True)

    def index_at(self, time: float) -> int:
        """Going past files costs nothing."""
        return 0

    def pictures(self, first: int, wanted: Wanted) -> Iterator[Picture]:
        """Only the files of the wanted frames are read."""
        for index in range(first, len(self._files)):
            time = index / ASSUMED_FPS
            if not wanted(index, time):
                continue
            try:
                image = read_image(self._files[index])
            except UnreadableImage as error:
                raise UnreadableVideo(self._name, str(error), frame=index) from error
            if image.size_hw != self.header.size_hw:
                (height, width), (first_height, first_width) = image.size_hw, self.header.size_hw
                raise UnreadableVideo(
                    self._name,
                    f"{self._files[index].name} has {width} x {height} pixels, but the frames "
                    f"before it {first_width} x {first_height}. The frames of a clip have one size",
                    frame=index,
                )
            yield index, time, image.rgb
