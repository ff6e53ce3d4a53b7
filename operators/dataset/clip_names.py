"""What the clips of a dataset, and the frames of these, are called in files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from premask.runs.inputs import common_folder
from premask.video.frames import frame_name

from .clips import Clip, ImageSequence


class ClipName:
    """The name of a clip; images have names of their own, and frames of videos get some."""

    def __init__(self, clip: str, frames: Sequence[str] = ()) -> None:
        self.clip, self._frames = clip, frames

    def of_frame(self, index: int) -> str:
        return self._frames[index] if self._frames else frame_name(self.clip, index)


def named_clips(clips: Sequence[Clip]) -> Iterator[tuple[ClipName, Clip]]:
    """The clips with their names: paths below the folder that all of them have in common.

    A sequence is called by the folder that it has to itself, or else by its first image.
    """
    files = [files_of(clip) for clip in clips]
    root = common_folder([file for paths in files for file in paths])
    users = Counter(folder for paths in files for folder in {path.parent for path in paths})
    for clip, paths in zip(clips, files, strict=True):
        folder = paths[0].parent
        if not isinstance(clip, ImageSequence):
            yield ClipName(paths[0].relative_to(root).as_posix()), clip
        elif users[folder] > 1 or any(path.parent != folder for path in paths):
            names = [path.relative_to(root).as_posix() for path in paths]
            yield ClipName(names[0].rpartition(".")[0], names), clip
        else:
            # The only sequence of all has nothing above it but its own folder.
            name = folder.name if folder == root else folder.relative_to(root).as_posix()
            yield ClipName(name, [f"{name}/{path.name}" for path in paths]), clip


def files_of(clip: Clip) -> list[Path]:
    """The video, or the images in their order."""
    return [Path(path) for path in (clip.paths if isinstance(clip, ImageSequence) else [clip.name])]
