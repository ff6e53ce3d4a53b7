"""The exact masks behind the boxes in videos, kept on disk until `pull` asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ml_backend.settings import BackendSettings
from ml_backend.studio.bounded_folder import BoundedFolder
from premask.annotations import Labeled
from premask.errors import InvalidMask, PremaskError
from premask.images import Image
from premask.labels.annotation_json import annotation_to_json, annotations_from_json
from premask.masks import Size

MEGABYTE = 10**6
LONGEST_LINE = 2**26

_KEY = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFacts:
    """The clip that tracks are from, and the keyframes that a person drew for them.

    Each of `asked` is a frame, the numbers of its box, and whether it was enabled.
    """

    size_hw: Size
    fps: float
    asked: tuple[tuple[float, ...], ...] = ()


class TrackStore:
    """One file for what was followed together: a line about it, then one for each frame."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._files = BoundedFolder(folder, max_bytes)

    @property
    def folder(self) -> Path:
        return self._files.folder

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> TrackStore:
        return cls(settings.video_path / "tracks", settings.track_megabytes * MEGABYTE)

    def put(self, key: str, facts: TrackFacts, frames: Iterable[Labeled]) -> None:
        """Keep what was found; the file is there when all of it is."""
        with self._files.writing(key) as file:
            file.write(_line(asdict(facts)))
            for labeled in frames:
                found = [annotation_to_json(annotation) for annotation in labeled.annotations]
                file.write(_line({"frame": labeled.frame, "time": labeled.time, "found": found}))

    def facts(self, key: str) -> TrackFacts | None:
        """What is known of the tracks of this key; None where there are none any more."""
        # People can write anything into the `meta` of a region.
        if not _KEY.fullmatch(key):
            return None
        try:
            with self._files.path(key).open("rb") as file:
                said = json.loads(file.readline(LONGEST_LINE))
                height, width = said["size_hw"]
                asked = tuple(tuple(keyframe) for keyframe in said["asked"])
                self._files.used(key)
                return TrackFacts(size_hw=(height, width), fps=said["fps"], asked=asked)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def frames(self, key: str, size_hw: Size) -> Iterator[Labeled]:
        """The frames of tracks that are there, in order; they are read one by one."""
        try:
            with self._files.path(key).open("rb") as file:
                file.readline(LONGEST_LINE)
                while line := file.readline(LONGEST_LINE):
                    said = json.loads(line)
                    yield Labeled(
                        image=Image(name=str(said["frame"]), size_hw=size_hw),
                        annotations=annotations_from_json(said["found"], size_hw),
                        frame=int(said["frame"]),
                        time=float(said["time"]),
                    )
        except (OSError, ValueError, KeyError, TypeError, PremaskError) as error:
            raise InvalidMask(
                f"The masks of a track can't be read ({type(error).__name__}: {error}). Let it be "
                "followed again."
            ) from error


def _line(said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"
