"""`premask annotate`: images in, labels out; a run that was stopped goes on where it was."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from premask.cli import INTERRUPTED
from premask.cli.annotate_plan import add_plan_flags, annotate_plan, require_no_plan_flags
from premask.cli.models import fetch
from premask.cli.pool_flags import add_pool_flags, pool_from_flags
from premask.errors import InvalidSetting
from premask.labels.class_list import ClassList
from premask.labels.formats import FORMATS, formats_of
from premask.prompts import Prompts
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import Recipe, recipe_of
from premask.runs.folder_job import FolderJob, FolderOutcome
from premask.runs.folder_run import (
    annotate_into_folder,
    recipe_to_be_replaced,
    require_own_folder,
)
from premask.runs.inputs import Skipped, collect_inputs
from premask.runs.sources import sources
from premask.terminal.flags import (
    EXIT_CODES,
    Commands,
    add_recipe_flags,
    format_names,
    prompts_from_flags,
    settings_from_flags,
    window_from_flag,
)
from premask.terminal.format_help import format_help
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.memory import share_arenas
from premask.terminal.screen import ProgressLine, counted, duration, printable, table

ROWS_SHOWN = 20
"""Images that the summary names; a thousand of them would push it off the screen."""


SOURCES = (
    "images, folders of images, 'quoted/**/*.png', http(s) addresses, @list.txt with one of these "
    "on each line, or - for such a list on standard input"
)


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    annotate = commands.add_parser(
        "annotate",
        help="annotate images and write labels",
        epilog=f"{format_help(FORMATS)}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = annotate.add_argument
    add("paths", nargs="*", metavar="PATH", help=SOURCES)
    add("--recipe", metavar="R", help="the name of a recipe, or your own FILE.toml")
    add("--out", type=Path, metavar="DIR", help="where the results go")
    add_recipe_flags(annotate, usual_format="coco")
    add(
        "--classes",
        metavar="C,...",
        help="only these, in this order: cat,dog, or a classes.txt, a data.yaml, a COCO file",
    )
    add(
        "--allow-hosts",
        nargs="+",
        action="extend",
        default=[],
        metavar="HOST",
        help="fetch from these though they are not in the public internet: localhost:8000",
    )
    add(
        "--window",
        metavar="BLACK,WHITE",
        help="the values that are black and white in all images of more than 8 bits: 0,4095 "
        "(default: as many bits as each file has)",
    )
    add("--root", type=Path, metavar="DIR", help="image names are relative to this folder")
    add(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep what an earlier run into this folder did (default)",
    )
    add("--download", action="store_true", help="download missing weights first")
    add_pool_flags(annotate, store_folder=None)
    add_prompt_flags(annotate)
    add_plan_flags(annotate)
    annotate.set_defaults(command=_annotate)


def add_prompt_flags(command: argparse.ArgumentParser) -> None:
    """What to look for, which is the same in all images."""
    add = command.add_argument_group("what to look for, the same in all images").add_argument
    add("--text", nargs="+", default=[], metavar="PHRASE", help="what to look for, in words")
    add("--points", nargs="+", default=[], metavar="X,Y", help="points on the object, in pixels")
    add("--negative-points", nargs="+", default=[], metavar="X,Y", help="points beside the object")
    add("--boxes", nargs="+", default=[], metavar="X0,Y0,X1,Y1", help="a box for each object")
    add("--mask", type=Path, metavar="PNG", help="a rough mask of the object: what is not black")
    add("--label", default="object", help="what to call what you point at (default: object)")


def _annotate(options: argparse.Namespace) -> int:
    share_arenas()
    return _annotate_folder(options) if options.plan is None else annotate_plan(options)


def _annotate_folder(options: argparse.Namespace) -> int:
    require_no_plan_flags(options)
    _require_inputs(options)
    recipe, skipped = recipe_from_flags(options), Skipped()
    classes = ClassList.of(options.classes) if options.classes else ClassList()
    job = FolderJob(
        inputs=collect_inputs(
            sources(options.paths), options.root, results=options.out, skipped=skipped
        ),
        recipe=recipe,
        folder=options.out,
        formats=formats_of(format_names(options.formats), ids=classes.ids),
        prompts=prompts_from_options(options),
        classes=classes.names,
        batch_size=options.batch_size,
        resume=options.resume,
        allowed_hosts=tuple(options.allow_hosts),
        window=window_from_flag(options.window) if options.window else None,
    )
    require_usable_prompts(recipe, job.prompts)
    job.require_usable_names()
    require_own_folder(job)
    if unexpected := job.delivery.unexpected_classes():
        print(printable(unexpected), file=sys.stderr)
    if options.download:
        for checkpoint in recipe.checkpoints:
            fetch(checkpoint)
    replaced = recipe_to_be_replaced(job)
    if replaced is not None:
        print(
            f"{job.folder} holds other results; this run replaces them. They were made by:\n"
            f"{replaced}\nAsk for the same once more, and they come back without the model.",
            file=sys.stderr,
        )
    line = ProgressLine()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            outcome = annotate_into_folder(job, pool_from_flags(options), line, cancel)
    finally:
        line.end()
    print(_summary(outcome, job.folder))
    if outcome.class_note:
        print(printable(outcome.class_note))
    for note, count in outcome.notes.items():
        print(f"read in {counted(count, 'image')}: {note}")
    for text in skipped.lines():
        print(f"passed over: {printable(text)}")
    return 1 if outcome.failures else 0


def _require_inputs(options: argparse.Namespace) -> None:
    """There is an image or a folder; flags that take several texts may have swallowed it."""
    for flag in ("recipe", "out"):
        if getattr(options, flag) is None:
            raise InvalidSetting(f"--{flag} is missing. See: premask annotate --help")
    if options.paths:
        return
    for flag in ("text", "points", "negative_points", "boxes"):
        for text in getattr(options, flag):
            if Path(text).exists():
                name = f"--{flag.replace('_', '-')}"
                raise InvalidSetting(
                    f"{name} took '{text}', which is a file or a folder here. Name what to "
                    f"annotate before {name}, or put -- in between."
                )
    raise InvalidSetting("There is nothing to annotate: name images, or folders of images.")


def recipe_from_flags(options: argparse.Namespace) -> Recipe:
    """The recipe that was named, with the settings that were changed."""
    return recipe_of(options.recipe).with_settings(settings_from_flags(options.settings))


def prompts_from_options(options: argparse.Namespace) -> Prompts:
    """What was asked for behind the flags of `add_prompt_flags`."""
    return prompts_from_flags(
        text=options.text,
        points=options.points,
        negative_points=options.negative_points,
        boxes=options.boxes,
        mask=options.mask,
        label=options.label,
    )


def _summary(outcome: FolderOutcome, folder: Path) -> str:
    rows = [(name, str(count), f"{seconds:.2f}") for name, count, seconds in outcome.rows]
    lines = [table(rows[:ROWS_SHOWN], ("image", "annotations", "seconds"))]
    if len(rows) > ROWS_SHOWN:
        lines.append(f"... and {len(rows) - ROWS_SHOWN} more")
    lines += [
        f"failed: {printable(name)}: {printable(str(error))}"
        for name, error in outcome.failures.items()
    ]
    total = sum(count for _, count, _ in outcome.rows)
    lines.append(
        f"\n{counted(total, 'annotation')} in {counted(len(rows), 'image')} "
        f"({outcome.annotated} annotated now in {duration(outcome.seconds)}, "
        f"{outcome.reused} kept from before, {len(outcome.failures)} failed)"
    )
    return "\n".join([*lines, *_changes(outcome, folder), *map(str, outcome.written)])


def _changes(outcome: FolderOutcome, folder: Path) -> Iterator[str]:
    """What a person would not expect: results that stayed, and files that went."""
    if outcome.kept:
        images = counted(len(outcome.kept), "image")
        yield f"{images} failed now, and what an earlier run found there was kept."
    if outcome.removed:
        example = printable(str(outcome.removed[0].relative_to(folder)))
        files = counted(len(outcome.removed), "file")
        yield f"Removed {files} of earlier results, such as {example}."
    if outcome.edited:
        example = printable(str(outcome.edited[0].relative_to(folder)))
        files = counted(len(outcome.edited), "file")
        yield (
            f"Kept {files} of earlier results, such as {example}: changed after premask wrote it."
        )
