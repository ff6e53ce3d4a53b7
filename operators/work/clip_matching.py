"""Which clip of a dataset a clip of a file belongs to, and which frame each of its frames is."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from premask.annotations import LabeledClip
from premask.labels.clip_frames import looked_at
from premask.video.frames import Video

from ..dataset.clip_names import files_of
from ..dataset.clips import Clip, ImageSequence
from .image_matching import NoSample, parts_of

Parts = tuple[str, ...]


class ClipsByName:
    """The clips of a dataset, found by the end of their path: `day 1/a.mp4`, `a.mp4` or `a`.

    Formats that call folders and texts after clips leave suffixes out. Images in an order are found
    by their folder, or by the first of them.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._known: dict[str, list[tuple[Parts, Clip]]] = defaultdict(list)
        for clip in clips:
            for name in _names(clip):
                self._known[name[-1]].append((name, clip))

    def of(self, labeled: LabeledClip) -> Clip:
        """The only clip that is called so."""
        wanted = parts_of(labeled.name)
        known = self._known.get(wanted[-1], ()) if wanted else ()
        found = [(name, clip) for name, clip in known if name[-len(wanted) :] == wanted]
        if not found:
            raise NoSample("no path of a video, or of a folder of images, ends with this")
        if len(found) > 1:
            paths = ", ".join("/".join(name) for name, _ in found[:3])
            raise NoSample(f"the paths of {len(found)} clips end with this ({paths})")
        return found[0][1]


def frame_indices(
    labeled: LabeledClip, clip: Clip, video: Video, *, has_names: bool
) -> dict[int, int]:
    """Where each frame of the file is in the clip, by its number in the file, from 0 on.

    Images are found by their names, if the file tells these. A file that has fewer frames than the
    video, such as each fifth one, may count them anew: then the numbers in their names are meant.
    """
    # The masks of all frames need not be in memory.
    frames = [(frame.frame or 0, frame.image.name) for frame in looked_at(labeled)]
    numbers, names = [number for number, _ in frames], [name for _, name in frames]
    indices, count = numbers, video.header.frame_count
    if isinstance(clip, ImageSequence):
        if has_names:
            indices = _by_name(names, clip.paths) or numbers
    elif numbers == list(range(len(numbers))) and len(numbers) < count:
        indices = _in_names(names, count) or numbers
    if video.header.is_count_exact and max(indices, default=0) >= count:
        raise NoSample(
            f"it has the frame {max(indices)}, but the clip has {count:,}, which count from 0. Is "
            "it another clip, or does the file count from 1?"
        )
    return dict(zip(numbers, indices, strict=True))


def _names(clip: Clip) -> Iterator[Parts]:
    first = files_of(clip)[0]
    bare = first.with_suffix("")
    for path in (first.parent, bare) if isinstance(clip, ImageSequence) else (first, bare):
        yield parts_of(str(path))


def _by_name(names: Sequence[str], paths: Sequence[str]) -> list[int]:
    """The places of the images of these names, whatever their suffix; nothing if it is unclear."""
    places = {Path(path).stem: place for place, path in enumerate(paths)}
    stems = [PurePosixPath(name).stem for name in names]
    is_clear = len(places) == len(paths) and set(stems) <= set(places)
    return [places[stem] for stem in stems] if is_clear else []


def _in_names(names: Sequence[str], count: int) -> list[int]:
    """The numbers in the names of frames, if these are numbers of the video, and go up."""
    stems = [PurePosixPath(name).stem for name in names]
    numbers = [int(stem) for stem in stems if stem.isdecimal()]
    goes_up = all(one < other for one, other in itertools.pairwise(numbers))
    return numbers if len(numbers) == len(stems) and goes_up and max(numbers) < count else []
