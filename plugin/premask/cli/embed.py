"""`premask embed`: let a model look at images beforehand, so that the first click is fast."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.models.embedding_store import EmbeddingStore
from premask.models.embeddings import EmbeddingCache
from premask.models.pool import ModelPool
from premask.models.weights.paths import embeddings_folder
from premask.runs.inputs import collect_inputs
from premask.runs.warming import warm
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, printable


def add(commands: Commands) -> None:
    """Describe the command."""
    embed = commands.add_parser("embed", help="let a model look at images beforehand")
    add = embed.add_argument
    add("paths", nargs="+", metavar="PATH", help="images, or folders of images")
    add("--model", required=True, metavar="M", help="a model that outlines, such as sam2.1-tiny")
    add_store(embed, default=embeddings_folder())
    add("--batch-size", type=int, default=4, metavar="N", help="images for the model at a time")
    add("--device", default="auto", help="cpu, cuda or auto (default)")
    embed.set_defaults(command=_embed)


def add_store(parser: argparse.ArgumentParser, *, default: Path | None) -> None:
    """The flags that say where embeddings are kept on disk."""
    add = parser.add_argument
    shown = f" (default: {default})" if default else ""
    add("--embeddings", type=Path, default=default, metavar="DIR", help=f"keep them here{shown}")
    add("--embeddings-limit", type=float, default=20.0, metavar="GB", help="at most so much (20)")


def pool_from(options: argparse.Namespace) -> ModelPool:
    """A pool on the device that was named, with a store if one was."""
    store = None
    if options.embeddings is not None:
        limit = int(options.embeddings_limit * 1e9)
        store = EmbeddingStore(options.embeddings, limit_bytes=limit)
    return ModelPool(device=options.device, embeddings=EmbeddingCache(store=store))


def _embed(options: argparse.Namespace) -> int:
    inputs = collect_inputs(options.paths)
    line = ProgressLine()
    try:
        outcome = warm(
            inputs,
            options.model,
            pool_from(options),
            batch_size=options.batch_size,
            on_progress=line,
        )
    finally:
        line.end()
    for name, error in outcome.failures.items():
        print(f"failed: {printable(name)}: {printable(str(error))}")
    print(
        f"{outcome.embedded} images embedded, {outcome.kept} were already, "
        f"{len(outcome.failures)} failed: {options.embeddings}"
    )
    return 1 if outcome.failures else 0
