"""`premask embed`: let a model look at images beforehand, so that the first click is fast."""

from __future__ import annotations

import argparse

from premask.cli.pool_flags import add_pool_flags, pool_from_flags
from premask.errors import InvalidSetting, PremaskError
from premask.images import read_image
from premask.models.weights.paths import embeddings_folder
from premask.runs.inputs import collect_inputs
from premask.runs.progress import ProgressCounter
from premask.runs.sources import sources
from premask.runs.warming import storable_models, warm
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, printable


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    embed = commands.add_parser("embed", help="let a model look at images beforehand")
    add = embed.add_argument
    add("paths", nargs="+", metavar="PATH", help="images, folders of images, @list.txt, or -")
    add("--model", required=True, metavar="M", help="a model that outlines, such as sam2.1-tiny")
    add_pool_flags(embed, store_folder=embeddings_folder())
    embed.set_defaults(command=_embed)


def _embed(options: argparse.Namespace) -> int:
    inputs, pool = collect_inputs(sources(options.paths)), pool_from_flags(options)
    models = storable_models([options.model], pool)
    if not models:
        raise InvalidSetting(
            f"'{options.model}' keeps nothing of an image that could be reused. Embed with a model "
            "that outlines, such as sam2.1-tiny; `premask models` lists them."
        )
    line, failures = ProgressLine(), dict[str, PremaskError]()
    counter = ProgressCounter(total=len(inputs), on_progress=line)
    try:
        for warmed in warm(
            inputs,
            lambda item: read_image(item.path, item.name),
            models=models,
            pool=pool,
            batch_size=options.batch_size,
        ):
            if warmed.error is not None:
                failures[warmed.item.name] = warmed.error
            counter.count(failed=warmed.error is not None, reused=warmed.kept > 0)
    finally:
        line.end()
    for name, error in failures.items():
        print(f"failed: {printable(name)}: {printable(str(error))}")
    embedded = counter.done - counter.reused - counter.failed
    print(
        f"{embedded} images embedded, {counter.reused} were already, {len(failures)} failed: "
        f"{options.embeddings}"
    )
    return 1 if failures else 0
