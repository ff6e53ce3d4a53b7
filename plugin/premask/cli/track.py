"""`premask track`: clips in, the masks of the same objects in all frames out."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.cli import INTERRUPTED
from premask.cli.annotate import recipe_from_flags
from premask.cli.models import fetch
from premask.cli.pool_flags import add_pool_flags, pool_from_flags
from premask.cli.prompt_files import prompts_from_file
from premask.errors import InvalidSetting, UnreadableVideo
from premask.labels.formats import FORMATS_FOR_CLIPS, clip_formats_of
from premask.prompts import Prompts
from premask.recipes.tracking.pointing import require_trackable
from premask.runs.clips.clip_job import ClipJob, ClipOutcome, track_into_folder
from premask.runs.clips.clip_task import ClipTask
from premask.runs.inputs import VIDEO_SUFFIXES, common_folder
from premask.terminal.flags import (
    EXIT_CODES,
    Commands,
    add_recipe_flags,
    format_names,
    prompts_from_flags,
    seconds_from_text,
)
from premask.terminal.format_help import format_help
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.screen import ProgressLine, counted, duration, printable, table
from premask.video.frames import Span, Video, open_video


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    track = commands.add_parser(
        "track",
        help="follow objects through clips and write their masks",
        epilog=f"{format_help(FORMATS_FOR_CLIPS)}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = track.add_argument
    add(
        "paths",
        nargs="+",
        metavar="CLIP",
        help="videos, animated pictures, folders of frames, or folders of videos",
    )
    add("--recipe", default="follow", metavar="R", help="a recipe for clips (default: follow)")
    add("--out", required=True, type=Path, metavar="DIR", help="where the results go")
    add_recipe_flags(track, usual_format="ytvis")
    add("--from", default="0", metavar="T", dest="start", help="begin here: 10s, 1m30s, 1:30")
    add("--to", metavar="T", dest="end", help="end before this")
    add("--fps", type=float, default=0.0, metavar="N", help="look at most at N frames a second")
    add("--download", action="store_true", help="download missing weights first")
    add_pool_flags(track, store_folder=None)
    _add_prompt_flags(track)
    track.set_defaults(command=_track)


def _add_prompt_flags(track: argparse.ArgumentParser) -> None:
    add = track.add_argument_group("what to follow, in each clip").add_argument
    add("--text", nargs="+", default=[], metavar="PHRASE", help="what to look for, in words")
    add("--at", type=int, default=0, metavar="FRAME", help="you point in this frame (default: 0)")
    add("--points", nargs="+", default=[], metavar="X,Y", help="points on the object, in pixels")
    add("--negative-points", nargs="+", default=[], metavar="X,Y", help="points beside the object")
    add("--boxes", nargs="+", default=[], metavar="X0,Y0,X1,Y1", help="a box for each object")
    add("--mask", type=Path, metavar="PNG", help="the mask of the object: what is not black")
    add("--label", default="object", help="what to call what you point at (default: object)")
    add(
        "--prompts",
        type=Path,
        metavar="FILE.json",
        help="for several frames: "
        '{"0": [{"track": 1, "label": "cup", "box": [..], "points": [[x, y]], "mask": "a.png"}]}',
    )


def _track(options: argparse.Namespace) -> int:
    recipe, prompts = recipe_from_flags(options), _prompts(options)
    require_trackable(recipe, prompts)
    span = Span(
        start=seconds_from_text(options.start),
        end=float("inf") if options.end is None else seconds_from_text(options.end),
        fps=options.fps,
    )
    formats = clip_formats_of(format_names(options.formats, usual="ytvis"))
    if options.download:
        for checkpoint in recipe.checkpoints:
            fetch(checkpoint)
    videos, unreadable = _videos([Path(path) for path in options.paths])
    job = ClipJob(
        tasks=[
            ClipTask(video=video, recipe=recipe, prompts=prompts, span=span) for video in videos
        ],
        folder=options.out,
        formats=formats,
        unreadable=unreadable,
    )
    if not videos and len(unreadable) == 1:
        raise unreadable[0]
    line = ProgressLine()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            outcome = track_into_folder(job, pool_from_flags(options), line, cancel)
    finally:
        line.end()
    print(_summary(outcome))
    return 1 if outcome.failures else 0


def _prompts(options: argparse.Namespace) -> dict[int, Prompts]:
    """What the flags and the file say, by the index of the frame."""
    if options.at < 0:
        raise InvalidSetting(f"--at {options.at}: frames are counted from 0.")
    given = prompts_from_flags(
        text=options.text,
        points=options.points,
        negative_points=options.negative_points,
        boxes=options.boxes,
        mask=options.mask,
        label=options.label,
    )
    prompts = {} if options.prompts is None else prompts_from_file(options.prompts)
    if given == Prompts(mask_label=options.label):
        return prompts
    if options.at in prompts:
        raise InvalidSetting(
            f"--prompts says already where objects are in frame {options.at}. Add the others there."
        )
    return {**prompts, options.at: given}


def _videos(paths: list[Path]) -> tuple[list[Video], list[UnreadableVideo]]:
    """The clips, named by their path below the folder that they have in common."""
    files = [clip for path in paths for clip in _clips(path.absolute())]
    root = common_folder(files)
    videos, unreadable = [], []
    for file in dict.fromkeys(files):
        name = file.relative_to(root).as_posix()
        try:
            videos.append(open_video(file, name))
        except UnreadableVideo as error:
            unreadable.append(error)
    return videos, unreadable


def _clips(path: Path) -> list[Path]:
    """The videos in a folder; one that has none is a folder of frames."""
    if not path.is_dir():
        return [path]
    videos = sorted(file for file in path.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
    return videos or [path]


def _summary(outcome: ClipOutcome) -> str:
    rows = [
        (row.name, str(row.frames), str(row.tracks), f"{row.seconds:.1f}") for row in outcome.rows
    ]
    lines = [table(rows, ("clip", "frames", "tracks", "seconds"))] if rows else []
    lines += [
        f"failed: {printable(name)}: {printable(str(error))}"
        for name, error in outcome.failures.items()
    ]
    tracks, frames = (
        sum(row.tracks for row in outcome.rows),
        sum(row.frames for row in outcome.rows),
    )
    lines.append(
        f"\n{counted(tracks, 'track')} in {counted(frames, 'frame')} of "
        f"{counted(len(rows), 'clip')} in {duration(outcome.seconds)}"
    )
    if outcome.edited:
        lines.append(
            f"Kept {counted(len(outcome.edited), 'file')} of earlier results that somebody changed."
        )
    return "\n".join([*lines, *map(str, outcome.written)])
