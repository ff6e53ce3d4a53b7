"""`premask plan`: images anywhere cut into shards, for any number of processes and machines."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.cli import INTERRUPTED
from premask.cli.annotate import add_prompt_flags, prompts_from_options, recipe_from_flags
from premask.cli.pool_flags import positive
from premask.plans.job import PlanJob
from premask.plans.plan import SHARD_SIZE, Plan, make_plan
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.tracking.pointing import require_trackable
from premask.terminal.flags import Commands, window_from_flag
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.memory import share_arenas
from premask.terminal.screen import ProgressLine, counted

SOURCES = (
    "folders, 's3://bucket/**/*.jpg', shards/{000..099}.tar as webdataset has them, .zip, .parquet "
    "with a column of images or of where they are, and @list.txt with one of these on each line"
)


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    plan = commands.add_parser(
        "plan", help="cut many images, or clips, into shards for `premask annotate --plan`"
    )
    add = plan.add_argument
    add("sources", nargs="+", metavar="SOURCE", help=SOURCES)
    add("--recipe", required=True, metavar="R", help="the name of a recipe, or your own FILE.toml")
    add("--out", required=True, type=Path, metavar="DIR", help="where plan and labels go")
    add(
        "--shard-size",
        type=positive,
        default=SHARD_SIZE,
        metavar="N",
        help=f"images in a shard (default: {SHARD_SIZE})",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.NAME=VALUE",
        dest="settings",
        help="change a setting of the recipe; `premask recipes show R` lists them",
    )
    add("--batch-size", type=positive, metavar="N", help="images for the model at a time")
    add(
        "--window",
        metavar="BLACK,WHITE",
        help="the values that are black and white in all images of more than 8 bits: 0,4095",
    )
    add(
        "--fps",
        type=float,
        default=0.0,
        metavar="N",
        help="at most so many frames of a second of clips",
    )
    add(
        "--allow-hosts",
        nargs="+",
        action="extend",
        default=[],
        metavar="HOST",
        help="fetch from these though they are not in the public internet: localhost:8000",
    )
    add("--column", metavar="NAME", help="the column of parquet files that has the images")
    add("--replace", action="store_true", help="forget a plan of other settings that is there")
    add_prompt_flags(plan)
    plan.set_defaults(command=_plan)


def _plan(options: argparse.Namespace) -> int:
    share_arenas()
    recipe = recipe_from_flags(options)
    job = PlanJob(
        recipe=recipe,
        prompts=prompts_from_options(options),
        window=window_from_flag(options.window) if options.window else None,
        fps=options.fps,
        allowed_hosts=tuple(options.allow_hosts),
        batch_size=options.batch_size,
    )
    if job.is_for_clips:
        require_trackable(recipe, {0: job.prompts})
    else:
        require_usable_prompts(recipe, job.prompts)
    line = ProgressLine()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            plan = make_plan(
                options.sources,
                job,
                options.out,
                options.shard_size,
                column=options.column,
                replace=options.replace,
                on_progress=line,
                cancel=cancel,
            )
    finally:
        line.end()
    print(_summary(plan))
    return 0


def _summary(plan: Plan) -> str:
    left = len(plan.todo())
    return (
        f"{counted(plan.image_count, 'image')} in {counted(len(plan.shards), 'shard')}, {left:,} "
        f"to do. Label them with: premask annotate --plan {plan.folder}\n"
        f"{plan.folder}"
    )
