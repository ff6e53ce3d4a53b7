"""A clip as a stream of frames, whatever it is stored in: index, time and upright pixels."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from premask.errors import InvalidSetting, MissingDependency, UnreadableVideo
from premask.images import SUFFIXES, Image, digest_of
from premask.video.containers import HEAD_BYTES, KINDS, PICTURES, container_of
from premask.video.decoders import ASSUMED_FPS, Decoder, Header, Picture, Wanted

PROBES = 64
PROBE_BYTES = 2**16
"""Of a long file so many pieces of this length say whether it is still the same."""

BLOCK_BYTES = 2**27
"""Going backwards, so many bytes of frames are in memory at once."""

SHORT_OF = 0.95
"""A clip that ends before this share of the frames that its header counts is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame: which it is in the order in which they are shown, and when, from the first on."""

    index: int
    time: float
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Frames from `start` to before `end`, in seconds; of these at most `fps` a second, or all."""

    start: float = 0.0
    end: float = math.inf
    fps: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end and 0 <= self.fps < math.inf):
            raise InvalidSetting(
                f"There are no frames from {self.start:g} to {self.end:g} seconds at {self.fps:g} "
                "frames a second: the end must be behind the start, and the rate above 0."
            )

    def chooser(self) -> Wanted:
        """Says of frames that come in their order which are in the span.

        With a rate, the first frame is taken that is shown in each 1/fps of a second.
        """
        last_tick = -1

        def chosen(index: int, time: float) -> bool:
            nonlocal last_tick
            if not self.start - EPSILON <= time < self.end - EPSILON:
                return False
            tick = math.floor((time - self.start) * self.fps + EPSILON) if self.fps else index
            if tick <= last_tick:
                return False
            last_tick = tick
            return True

        return chosen


EPSILON = 1e-6
"""Times are sums of fractions; so little does not count, in seconds or in parts of a frame."""


class Video:
    """One clip. Nothing is kept of the frames that were read."""

    def __init__(self, path: Path, name: str, decoder: Decoder, digest: str) -> None:
        self.path, self.name, self.digest = path, name, digest
        self.names: Sequence[str] = ()
        self._decoder = decoder

    @property
    def header(self) -> Header:
        """Size, rate and number of frames, as the file says."""
        return self._decoder.header

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the upright frames."""
        return self.header.size_hw

    @property
    def fps(self) -> float:
        """Frames a second, as the file says; 0 if it does not say."""
        return self.header.fps

    def expected_frames(self, span: Span) -> int:
        """How many frames there will be, as far as the file tells; 0 if it does not."""
        count, fps = self.header.frame_count, self.fps or ASSUMED_FPS
        seconds = min(span.end, count / fps) - span.start
        rate = min(span.fps, fps) if span.fps else fps
        return min(count, max(0, math.ceil(seconds * rate - EPSILON)))

    def frames(self, span: Span | None = None, first: int = 0) -> Iterator[Frame]:
        """The frames of the span in order; of these, the ones from the index `first` on.

        Raises `UnreadableVideo` behind the last one that could be read, if the clip is broken.
        """
        span = span or Span()
        chosen, end = span.chooser(), span.end - EPSILON
        is_over = False

        def wanted(index: int, time: float) -> bool:
            nonlocal is_over
            is_over = time >= end
            # The frame behind the end is let through, so that the loop below can stop.
            return is_over or (chosen(index, time) and index >= first)

        last, begin = -1, self._decoder.index_at(span.start)
        # Which frames a rate takes depends on those before: then all are looked through.
        if not span.fps:
            begin = max(begin, first)
        for picture in self._decoder.pictures(begin, wanted):
            if is_over:
                return
            last = picture[0]
            yield self._frame(picture)
        self._require_whole(last, span)

    def frames_at(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames of these indices, which go up."""
        if not indices:
            return
        wanted, last = frozenset(indices), indices[-1]
        for picture in self._decoder.pictures(indices[0], lambda index, time: index in wanted):
            yield self._frame(picture)
            if picture[0] == last:
                return

    def frames_down(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames of these indices, which go up, from the last one to the first.

        Frames are decoded forwards only: in blocks, of which one is in memory at a time.
        """
        height, width = self.size_hw
        count = max(2, BLOCK_BYTES // (height * width * 3))
        for start in reversed(range(0, len(indices), count)):
            yield from reversed(list(self.frames_at(indices[start : start + count])))

    def indices(self, span: Span, last: int) -> Sequence[int]:
        """The frames of the span up to the index `last`; decoded only if they have to be chosen."""
        if span == Span():
            count = self.header.frame_count if self.header.is_count_exact else last + 1
            return range(min(last + 1, count))
        return [index for index, _ in self.stamps(span, last)]

    def stamps(self, span: Span, last: int) -> list[tuple[int, float]]:
        """Index and time of each frame of the span up to the index `last`; no pixels are made."""
        chosen, stamps, is_over = span.chooser(), list[tuple[int, float]](), False

        def note(index: int, time: float) -> bool:
            nonlocal is_over
            is_over = index > last or time >= span.end
            if not is_over and chosen(index, time):
                stamps.append((index, time))
            return is_over

        for _ in self._decoder.pictures(self._decoder.index_at(span.start), note):
            break
        return stamps

    def frame_name(self, index: int) -> str:
        """What the frame is called: its file in a folder, else the clip and a number."""
        return self.names[index] if self.names else frame_name(self.name, index)

    def _frame(self, picture: Picture) -> Frame:
        index, time, rgb = picture
        rgb.setflags(write=False)
        digest = digest_of(f"{self.digest} {type(self._decoder).__name__} {index}".encode())
        image = Image.from_rgb(rgb, name=self.frame_name(index), digest=digest)
        return Frame(index=index, time=time, image=image)

    def _require_whole(self, last: int, span: Span) -> None:
        """Raise for a clip that ended early, of which decoders themselves say nothing."""
        count = self.header.frame_count
        if last < 0 and not span.start:
            raise UnreadableVideo(self.name, "it has no frames")
        if span == Span() and self.header.is_count_exact and last + 1 < SHORT_OF * count:
            raise UnreadableVideo(
                self.name, f"it is cut off: the file says that it has {count}", frame=last + 1
            )


def frame_name(clip_name: str, index: int) -> str:
    """What a frame without a file is called: as `ffmpeg -i CLIP -start_number 0 CLIP/%06d.png`.

    >>> frame_name("day 1/street.mp4", 12)
    'day 1/street.mp4/000012.png'
    """
    return f"{clip_name}/{index:06d}.png"


def open_video(path: str | Path, name: str | None = None) -> Video:
    """A video file, an animated picture, or a folder of frames; `name` is what people call it."""
    path = Path(path)
    name = name or path.name or str(path)
    if path.is_dir():
        return _open_folder(path, name)
    if not path.is_file():
        raise UnreadableVideo(str(path), "there is no such file or folder")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise UnreadableVideo(name, "the file is empty")
    kind = container_of(head)
    if not kind:
        raise UnreadableVideo(name, f"it is no video of a kind that is read ({KINDS})")
    decoder = _decoder_of(path, name, kind)
    return Video(path, name, decoder, _digest_of_file(path))


def open_frames(files: Sequence[Path], name: str, names: Sequence[str]) -> Video:
    """Image files that are a clip's frames in this order, and what each of them is called."""
    about = "\n".join(f"{file.name} {_digest_of_file(file)}" for file in files)
    video = Video(files[0].parent, name, _folder_decoder(files, name), digest_of(about.encode()))
    video.names = names
    return video


def natural_order(path: Path) -> list[str | int]:
    """Sorts `frame2.png` before `frame10.png`."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdigit() else part for part in parts]


def _open_folder(folder: Path, name: str) -> Video:
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    if not files:
        raise UnreadableVideo(str(folder), "the folder holds no images to take for frames")
    files.sort(key=natural_order)
    return open_frames(files, name, [f"{name}/{file.name}" for file in files])


def _folder_decoder(files: Sequence[Path], name: str) -> Decoder:
    from premask.video.picture_decoder import FolderDecoder

    return FolderDecoder(files, name)


def _decoder_of(path: Path, name: str, kind: str) -> Decoder:
    """PyAV is preferred where it is installed: it begins anywhere, and has more codecs."""
    if kind in PICTURES:
        from premask.video.picture_decoder import AnimationDecoder

        return AnimationDecoder(path, name, kind)
    if find_spec("av") is not None:
        from premask.video.pyav_decoder import PyavDecoder

        return PyavDecoder(path, name, kind)
    if find_spec("cv2") is not None:
        from premask.video.opencv_decoder import OpencvDecoder

        return OpencvDecoder(path, name, kind)
    raise MissingDependency(
        "Videos are decoded by OpenCV or PyAV, and neither is installed. Install one with: "
        "pip install 'premask[offline]' or pip install 'premask[video]'"
    )


def _digest_of_file(path: Path) -> str:
    """A hash of a file's length and of pieces of it: a film is too long to read it all."""
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    step = max(PROBE_BYTES, size // PROBES)
    with path.open("rb") as file:
        for start in range(0, size, step):
            file.seek(start)
            digest.update(file.read(PROBE_BYTES))
    return digest.hexdigest()
