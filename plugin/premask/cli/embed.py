"""`premask embed`: let a model look at images beforehand, so that the first click is fast."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.errors import InvalidSetting, PremaskError
from premask.images import read_image
from premask.models.pool import ModelPool, make_pool
from premask.models.weights.paths import embeddings_folder
from premask.runs.inputs import collect_inputs
from premask.runs.progress import ProgressCounter
from premask.runs.warming import storable_models, warm
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, printable


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    embed = commands.add_parser("embed", help="let a model look at images beforehand")
    add = embed.add_argument
    add("paths", nargs="+", metavar="PATH", help="images, or folders of images")
    add("--model", required=True, metavar="M", help="a model that outlines, such as sam2.1-tiny")
    add_store_flags(embed, default=embeddings_folder())
    add("--batch-size", type=int, default=4, metavar="N", help="images for the model at a time")
    add("--device", default="auto", help="cpu, cuda or auto (default)")
    embed.set_defaults(command=_embed)


def add_store_flags(parser: argparse.ArgumentParser, *, default: Path | None) -> None:
    """The flags that say where embeddings are kept on disk."""
    add = parser.add_argument
    shown = f" (default: {default})" if default else ""
    add("--embeddings", type=Path, default=default, metavar="DIR", help=f"keep them here{shown}")
    add("--embeddings-limit", type=float, default=20.0, metavar="GB", help="at most so much (20)")


def pool_from_flags(options: argparse.Namespace) -> ModelPool:
    """A pool on the device that was named, with a store if one was."""
    return make_pool(
        device=options.device,
        store_folder=options.embeddings,
        # Gigabytes as disks are sold, not GiB.
        store_bytes=int(options.embeddings_limit * 1e9),
    )


def _embed(options: argparse.Namespace) -> int:
    inputs, pool = collect_inputs(options.paths), pool_from_flags(options)
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
