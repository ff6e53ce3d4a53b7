"""Flags of every command that loads models: on which device, and where embeddings are kept."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from premask.errors import InvalidSetting
from premask.models.pool import ModelPool, make_pool

_DEVICE = re.compile(r"auto|cpu|mps|(cuda|xpu)(:\d+)?")


def add_pool_flags(parser: argparse.ArgumentParser, *, store_folder: Path | None) -> None:
    """Describe them; `store_folder` is where embeddings are kept if no other folder is named."""
    add = parser.add_argument
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, xpu")
    add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="images for the model at a time (default: 4, or what a GPU has room for)",
    )
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
    add(
        "--compile",
        action="store_true",
        help="let torch compile networks on a GPU: a long start, for many images",
    )


def pool_from_flags(options: argparse.Namespace) -> ModelPool:
    """A pool on the device that was named, with a store if there is a folder for it."""
    return make_pool(
        device=require_device(options.device),
        store_folder=options.embeddings,
        store_bytes=store_bytes(options),
        compiled=options.compile,
    )


def require_device(name: str) -> str:
    """The name itself, or `InvalidSetting`."""
    if not _DEVICE.fullmatch(name):
        raise InvalidSetting(
            f"--device {name}: there is no such device. Write auto, cpu, cuda, cuda:1, mps or xpu."
        )
    return name


def store_bytes(options: argparse.Namespace) -> int:
    """What the folder of embeddings may hold: gigabytes as disks are sold, not GiB."""
    return int(options.embeddings_limit * 1e9)


def positive(text: str) -> int:
    """A flag's number that is at least 1."""
    # ArgumentTypeError is argparse's own: it puts the flag's name before the message.
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number from 1 on")
    return int(text)
