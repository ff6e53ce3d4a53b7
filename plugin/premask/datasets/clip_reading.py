"""From a path to its clips, whatever their format is, and from a clip to its own video."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath

from premask.annotations import LabeledClip
from premask.datasets.planned_labels import has_planned_clips, planned_clips
from premask.errors import InvalidMask, UnknownFormat, UnreadableVideo
from premask.labels.clip_formats import CLIP_FORMATS, ClipFormat
from premask.labels.formats import FORMATS
from premask.labels.glimpse import Glimpse
from premask.labels.label_studio.exported_clips import are_exported_clips, read_exported_clips
from premask.labels.label_studio.task_records import file_names
from premask.runs.folder_state import kept_clips
from premask.video.frames import Video, open_video


def read_clips(
    path: str | Path,
    *,
    format: str | None = None,
    clips: Iterable[LabeledClip] = (),
    videos: Path | None = None,
) -> Iterable[LabeledClip]:
    """Read clips of any format that premask knows; it is found by looking into the file.

    A folder of results is read, too: the first format for clips in it. Formats that don't tell the
    names of clips and the times of frames (MOTS, DAVIS) take them from `clips`, if there are any.
    Label Studio's export needs the videos, from the folder `videos` or from beside it.

    >>> from premask import read_clips
    >>> [clip.name for clip in read_clips("tests/golden/clips/ytvis.json")]
    ['day 1/street.mp4', 'empty']
    """
    path = Path(path)
    if format is not None and format not in CLIP_FORMATS:
        raise UnknownFormat(format, CLIP_FORMATS)
    if format is not None:
        return CLIP_FORMATS[format].read(path, clips)
    if has_planned_clips(path):
        return planned_clips(path)
    place = clips_in(path) or path
    glimpse = Glimpse.of(place)
    if are_exported_clips(glimpse):
        return list(read_exported_clips(place, partial(_video_named, videos or path.parent)))
    return _recognized(glimpse).read(place, clips)


def clips_in(folder: Path) -> Path | None:
    """Where a folder of results has its clips, in the first of the formats; None without any.

    A run into formats of images only keeps them out of sight.
    """
    places = (folder / form.file_name for form in CLIP_FORMATS.values())
    for place in places:
        if place.exists() and any(form.recognizes(Glimpse.of(place)) for form in _forms(place)):
            return place
    kept = kept_clips(folder)
    return kept if kept.is_file() else None


def holds_clips(path: Path) -> bool:
    """Whether there is a file or a folder of a format that only clips have."""
    if has_planned_clips(path):
        return True
    only_clips = [form for name, form in CLIP_FORMATS.items() if name not in FORMATS]
    place = clips_in(path) or path
    if any(form.file_name == place.name for form in only_clips) and place.is_dir():
        return True
    if not place.is_file():
        return False
    glimpse = Glimpse.of(place)
    return are_exported_clips(glimpse) or any(form.recognizes(glimpse) for form in only_clips)


def video_of(clip: LabeledClip, folders: Iterable[Path]) -> Video:
    """The video, or the folder of frames, below one of these folders, that a clip was made of."""
    frames = PurePosixPath(next((one.image.name for one in clip.frames), "")).parent
    # The names may be somebody else's, and are to lead to nothing outside of these folders.
    names = [name for name in (PurePosixPath(clip.name), frames) if _is_below(name)]
    for place in (folder / name for folder in folders for name in names):
        if place.exists():
            return open_video(place, clip.name)
    raise UnreadableVideo(
        clip.name, "there is no such file, and no folder of its frames; --root DIR says where it is"
    )


def _video_named(folder: Path, name: str) -> Video:
    """A video below a folder by the name that Label Studio has for it."""
    own = PurePosixPath(name)
    for candidate in (*([own] if _is_below(own) else []), *map(PurePosixPath, file_names(name))):
        if (folder / candidate).is_file():
            return open_video(folder / candidate, str(candidate))
    raise UnreadableVideo(
        name, f"it is not in '{folder}', and its size is needed; --images DIR says where it is"
    )


def _is_below(name: PurePosixPath) -> bool:
    return bool(name.parts) and not name.is_absolute() and ".." not in name.parts


def _forms(place: Path) -> list[ClipFormat]:
    return [form for form in CLIP_FORMATS.values() if form.file_name == place.name]


def _recognized(glimpse: Glimpse) -> ClipFormat:
    for form in CLIP_FORMATS.values():
        if form.recognizes(glimpse):
            return form
    raise InvalidMask(
        f"'{glimpse.path}' has clips in no format that premask knows ({', '.join(CLIP_FORMATS)}). "
        f"It is {glimpse}."
    )
