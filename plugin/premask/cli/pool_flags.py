"""Flags of every command that loads models: on which device, and where embeddings are kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.models.pool import ModelPool, make_pool


def add_pool_flags(parser: argparse.ArgumentParser, *, store_folder: Path | None) -> None:
    """Describe them; `store_folder` is where embeddings are kept if no other folder is named."""
    add = parser.add_argument
    add("--device", default="auto", help="cpu, cuda or auto (default)")
    shown = f" (default: {store_folder})" if store_folder else ""
    add(
        "--embeddings",
        type=Path,
        default=store_folder,
        metavar="DIR",
        help=f"keep what models remember of images in this folder{shown}",
    )
    add(
        "--embeddings-limit",
        type=float,
        default=20.0,
        metavar="GB",
        help="how much that folder may hold; what was used longest ago is removed (default: 20)",
    )


def pool_from_flags(options: argparse.Namespace) -> ModelPool:
    """A pool on the device that was named, with a store if there is a folder for it."""
    return make_pool(
        device=options.device,
        store_folder=options.embeddings,
        # Gigabytes as disks are sold, not GiB.
        store_bytes=int(options.embeddings_limit * 1e9),
    )
