"""`premask models`: what there is, where it comes from, and how its weights come here."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.images import read_image
from premask.models.catalog import Checkpoint, checkpoint_of, known_models
from premask.models.model_card import license_terms, megabytes, place, size
from premask.models.pool import ModelPool
from premask.models.verification import DRAWN, drawn_image, verify
from premask.models.weights.download import download, download_size
from premask.models.weights.installed import located_weights
from premask.terminal.flags import Commands
from premask.terminal.screen import table


def add_command(commands: Commands) -> None:
    """Describe the command."""
    models = commands.add_parser("models", help="list models, show one, get it, or verify it")
    models.set_defaults(command=_list)
    actions = models.add_subparsers(metavar="show NAME | download NAME | verify NAME")
    show = actions.add_parser("show")
    show.add_argument("name")
    show.set_defaults(command=_show)
    fetch = actions.add_parser("download")
    fetch.add_argument("name")
    fetch.add_argument("--from", type=Path, dest="source", metavar="FILE", help="a wheel or a file")
    fetch.set_defaults(command=_download)
    proof = actions.add_parser("verify")
    proof.add_argument("name")
    proof.add_argument("--image", type=Path, metavar="FILE", help="otherwise one is drawn")
    proof.add_argument("--phrase", default=DRAWN, help=f"what to look for (default: {DRAWN})")
    proof.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    proof.set_defaults(command=_verify)


def fetch(checkpoint: Checkpoint, source: Path | None = None) -> None:
    """Say what comes, and under which license, before it comes."""
    path = located_weights(checkpoint)
    if checkpoint.weights is None:
        print(f"{checkpoint.name} needs no weights.")
    elif path is not None:
        print(f"{checkpoint.name} is here already: {path}")
    else:
        amount = megabytes(download_size(checkpoint))
        terms = f"license {license_terms(checkpoint)}"
        print(f"Getting {checkpoint.name}: {amount}, {terms} ...", flush=True)
        print(f"{checkpoint.name} is here: {download(checkpoint, source)}")


def _list(options: argparse.Namespace) -> int:
    rows = (
        (each.name, " ".join(each.stages), license_terms(each), size(each), place(each), each.help)
        for each in known_models().values()
    )
    print(table(rows, ("model", "stages", "license", "size", "weights", "what it does")))
    return 0


def _show(options: argparse.Namespace) -> int:
    each = checkpoint_of(options.name)
    rows = [
        ("what it does", each.help),
        ("family", each.family),
        ("stages", ", ".join(each.stages)),
        ("listens to", ", ".join(each.listens_to) or "nothing"),
        ("license", license_terms(each)),
        ("comes from", each.homepage or "you"),
        ("parameters", each.parameters or "not stated"),
        ("sees", each.input or "not stated"),
        ("size", size(each)),
        ("weights", place(each)),
        ("needs", f"pip install 'premask[{each.extra}]'"),
    ]
    if each.evidence:
        rows.append(("seen", each.evidence))
        rows.append(("not confirmed", ", ".join(each.unconfirmed) or "-"))
    print(table(rows, (each.name, "")))
    return 0


def _download(options: argparse.Namespace) -> int:
    fetch(checkpoint_of(options.name), options.source)
    return 0


def _verify(options: argparse.Namespace) -> int:
    checkpoint = checkpoint_of(options.name)
    image = read_image(options.image) if options.image else drawn_image()
    fetch(checkpoint)
    verification = verify(checkpoint, ModelPool(device=options.device), image, options.phrase)
    print("Please paste what follows into an issue:\n")
    print(table(verification.rows, (checkpoint.name, "")))
    return 0 if verification.passed else 1
