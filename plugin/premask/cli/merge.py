"""`premask merge`: several runs, or labels of any formats, as one dataset; the shards of a plan."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from premask.cli import INTERRUPTED
from premask.cli.convert import add_set_flags, convert_from_flags, flags_given
from premask.errors import InvalidSetting
from premask.terminal.flags import Commands
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.screen import ProgressLine, counted, printable

if TYPE_CHECKING:
    from premask.datasets.merging import Merged
    from premask.plans.merging import MergedPlan

_MOST_SHARDS = 10
"""Shards that are named; a thousand of them would push the rest off the screen."""


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    merge = commands.add_parser(
        "merge",
        help="join several runs or files of labels, or the shards of a plan",
        epilog=(
            "A plan alone is written as it is read, however large it is, and counted: planned = "
            "labeled + failed. It can be merged to coco-shards, a COCO file for each shard, and to "
            "parquet, too."
        ),
    )
    merge.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="runs, labels, a plan")
    merge.add_argument("--to", default="coco", metavar="F", help="the format (default: coco)")
    add_set_flags(merge, copy="none")
    merge.set_defaults(command=_merge)


def _merge(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without it.
    from premask.datasets.merging import merge
    from premask.datasets.reading import read
    from premask.labels.clip_formats import CLIP_FORMATS
    from premask.labels.formats import FORMATS
    from premask.plans.merging import OWN_FORMATS
    from premask.plans.plan import is_plan

    if options.to in CLIP_FORMATS and options.to not in FORMATS:
        raise InvalidSetting(
            f"--to {options.to} is for clips, which premask convert writes, also those of a plan."
        )
    if any(map(is_plan, options.paths)):
        kept = (options.copy, options.crowds, options.empty) == ("none", "keep", "keep")
        if len(options.paths) == 1 and kept and not flags_given(options):
            return _merge_plan(options)
        if options.to in OWN_FORMATS:
            raise InvalidSetting(
                f"--to {options.to} is for one plan as it is: without parts, images, other classes."
            )
    line = ProgressLine()
    try:
        datasets = [read(path, options.images, truth=options.truth) for path in options.paths]
        merged = merge(datasets, on_progress=line)
    finally:
        line.end()
    print("\n".join(_told(merged)))
    print(convert_from_flags(merged.dataset, options, options.to, split=options.split))
    return 0


def _merge_plan(options: argparse.Namespace) -> int:
    from premask.plans.merging import merge_plan
    from premask.plans.plan import Plan

    line = ProgressLine()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            plan = Plan.open(options.paths[0])
            merged = merge_plan(plan, options.to, options.out, on_progress=line, cancel=cancel)
    finally:
        line.end()
    print("\n".join(_counts_of_plan(merged, plan.folder)))
    return 1 if merged.missing else 0


def _counts_of_plan(merged: MergedPlan, folder: Path) -> Iterator[str]:
    """Labeled, failed and missing images are all that were planned."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in merged.failures.most_common())
    yield (
        f"{counted(merged.planned, 'image')} planned: {merged.labeled:,} labeled, with "
        f"{counted(merged.annotations, 'annotation')} (classes: {len(merged.classes):,}); "
        f"{merged.failed:,} failed{f' ({kinds})' if kinds else ''}"
    )
    if merged.missing:
        shards = ", ".join(map(str, merged.missing[:_MOST_SHARDS]))
        more = len(merged.missing) - _MOST_SHARDS
        shards += f" and {more:,} more" if more > 0 else ""
        yield (
            f"PARTIAL: {counted(merged.missing_images, 'image')} in shards that are not done are "
            f"missing: {shards}. Go on with: premask annotate --plan {folder}"
        )
    yield from map(str, merged.written[-3:])


def _told(merged: Merged) -> Iterator[str]:
    yield f"{counted(merged.shared_images, 'image')} in more than one of them"
    if merged.duplicates:
        yield f"{counted(merged.duplicates, 'object')} there twice, and written once"
    if merged.overlaps:
        objects = counted(sum(merged.overlaps.values()), "object")
        name = printable(next(iter(merged.overlaps)))
        yield f"{objects} nearly the same (IoU 0.9 or more, one class) as others, such as in {name}"
    if merged.renamed:
        free, name = next(iter(merged.renamed.items()))
        count = counted(len(merged.renamed), "other image")
        yield f"{count} of the same name, such as {printable(name)}, now {printable(free)}"
