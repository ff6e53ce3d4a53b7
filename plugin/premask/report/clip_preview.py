"""A sheet of strips and a report of the clips in a folder of results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from premask.annotations import LabeledClip
from premask.datasets.clip_reading import clips_in, read_clips, video_of
from premask.errors import PremaskError
from premask.report.clip_report import ShownClip, write_clip_report
from premask.report.moving_overlay import FilmKind
from premask.report.strip_sheet import StripSheet
from premask.runs.folder_state import PREVIEW, has_state, read_state, written_files
from premask.version import __version__
from premask.video.frames import Video, open_video


def has_clips(folder: Path) -> bool:
    """Whether clips are what a folder holds, whoever wrote them there."""
    if has_state(folder) and read_state(folder).get("images"):
        return False
    return folder.is_dir() and clips_in(folder) is not None


def preview_clips(folder: Path, root: Path | None, film: FilmKind | None = None) -> list[Path]:
    """Write the sheet and the page; clips without their videos are masks on gray."""
    sheet, files = StripSheet(), written_files(folder)
    recipe = {"recipe": str(read_state(folder)["recipe"])} if has_state(folder) else {}
    facts = {**recipe, "made by": f"premask {__version__}"}
    with files.claiming(PREVIEW):
        title = folder.resolve().name
        page = write_clip_report(
            _shown(folder, root),
            folder / "report.html",
            title=title,
            facts=facts,
            sheet=sheet,
            film=film,
        )
        return [page, sheet.write(folder / "contact-sheet.png")]


def clips_without_videos(folder: Path, root: Path | None) -> list[str]:
    """The names of the clips whose videos are not found, or can't be read."""
    return [clip.name for clip, video in _shown(folder, root) if not isinstance(video, Video)]


def _shown(folder: Path, root: Path | None) -> Iterator[ShownClip]:
    run = read_state(folder) if has_state(folder) else {}
    paths = {clip["name"]: Path(clip["path"]) for clip in run.get("clips", ())}
    for clip in read_clips(folder):
        yield clip, _video_or_reason(clip, folder, paths.get(clip.name), root)


def _video_or_reason(
    clip: LabeledClip, folder: Path, path: Path | None, root: Path | None
) -> Video | PremaskError:
    try:
        if root is None and path is not None and path.exists():
            return open_video(path, clip.name)
        return video_of(clip, [root] if root is not None else [folder, folder.parent, Path()])
    except PremaskError as error:
        return error
