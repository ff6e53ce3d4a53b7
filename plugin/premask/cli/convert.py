"""`premask convert`: labels of any format in another one, with images, for a trainer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from premask.cli import INTERRUPTED
from premask.terminal.flags import Commands
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.screen import ProgressLine

if TYPE_CHECKING:
    from premask.datasets.reading import Dataset

TRUTH_HELP = "the COCO file that a list of results is of"


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    convert = commands.add_parser("convert", help="turn labels into another format, with images")
    convert.add_argument("path", type=Path, metavar="PATH", help="labels of any format")
    convert.add_argument("--to", required=True, metavar="F", help="as --format of annotate")
    add_set_flags(convert, copy="none")
    convert.set_defaults(command=_convert)


def add_set_flags(parser: argparse.ArgumentParser, *, copy: str) -> None:
    """The flags of all commands that make sets of labels and images."""
    add = parser.add_argument
    add("--out", required=True, type=Path, metavar="PATH", help="a file, or the folder of the set")
    add("--images", type=Path, metavar="DIR", help="where the images are")
    add("--truth", type=Path, metavar="FILE", help=TRUTH_HELP)
    add(
        "--copy",
        choices=("none", "link", "copy", "upright"),
        default=copy,
        help=f"put the images beside the labels (default: {copy}); upright turns the pixels of "
        "images that lie on a side, for trainers that ignore EXIF",
    )
    add = parser.add_argument_group("parts").add_argument
    add("--split", metavar="S,...", help="80,10,10 (train, val, test), or train.txt,val.txt")
    add("--by", default="", metavar="KEY", help="folder, or a regex: one key, one part")
    add("--stratify", action="store_true", help="the same share of each class in each part")
    add("--seed", type=int, default=0, metavar="N", help="another seed, another split (default: 0)")
    add = parser.add_argument_group("what is kept").add_argument
    add("--classes", metavar="C,...", help="only these, in this order, or a file that lists them")
    add(
        "--map",
        action="append",
        default=[],
        metavar="A,B=C",
        help="call classes otherwise; one that is mapped to nothing is left out",
    )
    add("--min-area", type=float, default=0.0, metavar="N", help="no objects below N pixels")
    add("--crowds", choices=("keep", "drop"), default="keep", help="objects that are many at once")
    add("--empty", choices=("keep", "drop"), default="keep", help="images without objects")


def _convert(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without it.
    from premask.datasets.clip_reading import holds_clips
    from premask.datasets.reading import read
    from premask.labels.clip_formats import CLIP_FORMATS
    from premask.labels.formats import FORMATS

    made_for_clips = options.to in CLIP_FORMATS and options.to not in FORMATS
    if made_for_clips or holds_clips(options.path):
        return _convert_clips(options)
    dataset = read(options.path, options.images, truth=options.truth)
    print(convert_from_flags(dataset, options, options.to, split=options.split))
    return 0


def _convert_clips(options: argparse.Namespace) -> int:
    """Clips are written as they are read, and as a whole."""
    from premask.datasets.clip_reading import read_clips
    from premask.errors import InvalidSetting
    from premask.labels.glimpse import Glimpse
    from premask.labels.label_studio.exported_clips import are_exported_clips
    from premask.runs.writing import write_clips

    needs_videos = are_exported_clips(Glimpse.of(options.path))
    given = [flag for flag in flags_given(options) if flag != "--images" or not needs_videos]
    if given or options.copy != "none":
        raise InvalidSetting(
            f"Clips are converted as a whole, without {', '.join(given) or '--copy'}. Convert them "
            "to a format of images first, such as coco, and then that one."
        )
    for path in write_clips(
        read_clips(options.path, videos=options.images), options.to, options.out
    )[-3:]:
        print(path)
    return 0


def flags_given(options: argparse.Namespace) -> list[str]:
    """The flags of `add_set_flags` that make other labels of those that are there, or parts."""
    flags = ("split", "classes", "map", "min_area", "truth", "images")
    return [f"--{flag.replace('_', '-')}" for flag in flags if getattr(options, flag)]


def convert_from_flags(
    dataset: Dataset, options: argparse.Namespace, form: str, *, split: str | None
) -> str:
    """Convert as the flags say, and what there is to tell."""
    from premask.datasets.conversion import convert
    from premask.datasets.selection import Selection, class_map
    from premask.datasets.splitting import Split
    from premask.datasets.training_set import Conversion
    from premask.labels.class_list import ClassList
    from premask.terminal.converted import what_became

    classes = ClassList.of(options.classes) if options.classes else ClassList()
    parts = None
    if split:
        parts = Split.of(split, by=options.by, stratified=options.stratify, seed=options.seed)
    conversion = Conversion(
        format=form,
        out=options.out,
        copy=options.copy,
        selection=Selection(
            classes=classes.names,
            renamed=class_map(options.map),
            min_area=options.min_area,
            crowds=options.crowds == "keep",
            empty=options.empty == "keep",
        ),
        split=parts,
        ids=classes.ids,
    )
    line = ProgressLine()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            done = convert(dataset, conversion, on_progress=line, cancel=cancel)
    finally:
        line.end()
    return "\n".join(what_became(done))
