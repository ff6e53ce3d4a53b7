"""`premask doctor`: what is installed, what each extra would add, which weights are here."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator

from premask.models.catalog import Checkpoint, known_models
from premask.models.weights.installed import located_weights
from premask.models.weights.paths import own_catalog, weights_folder
from premask.terminal.flags import Commands
from premask.terminal.screen import table
from premask.version import __version__

_OLD_PYTHONS = re.compile(r"python_version\s*<\s*['\"](\d+)\.(\d+)['\"]")
# A line of the package's metadata, such as: torch>=2.6; extra == 'torch'
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^;]*(;.*extra == ['\"](?P<extra>[\w-]+)['\"])?")


def add_command(commands: Commands) -> None:
    """Describe the command."""
    doctor = commands.add_parser("doctor", help="show what is installed and what is missing")
    doctor.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    """Print everything that a report of a problem should say."""
    print("\n\n".join((_machine(), _extras(), _weights())))
    return 0


def _machine() -> str:
    free = shutil.disk_usage(weights_folder().anchor).free
    rows = [
        ("premask", __version__),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
        ("processors", str(os.cpu_count())),
        # The driver's own tool tells; asking torch would take seconds, and torch may be missing.
        ("gpu", "NVIDIA driver found" if shutil.which("nvidia-smi") else "none found"),
        ("own models", str(own_catalog())),
        ("weights folder", f"{weights_folder()} ({free / 1e9:.0f} GB free)"),
    ]
    return table(rows, ("what", "is"))


def _extras() -> str:
    rows = [(extra, package, _version_of(package)) for extra, package in _extra_packages()]
    if not rows:
        return "premask runs from a folder of sources. Install it with: pip install premask"
    advice = "An extra is installed with: pip install 'premask[NAME]'"
    return f"{table(rows, ('extra', 'package', 'version'))}\n{advice}"


def _extra_packages() -> Iterator[tuple[str, str]]:
    try:
        requirements = importlib.metadata.requires("premask") or ()
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in requirements:
        match, old = _REQUIREMENT.match(requirement), _OLD_PYTHONS.search(requirement)
        if old and sys.version_info >= (int(old[1]), int(old[2])):
            continue  # this Python has it built in
        if match and match["name"] != "premask":
            yield match["extra"] or "", match["name"]


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _weights() -> str:
    rows = ((name, _state(checkpoint)) for name, checkpoint in known_models().items())
    return table(rows, ("model", "weights"))


def _state(checkpoint: Checkpoint) -> str:
    if checkpoint.weights is None:
        return "needs none"
    path = located_weights(checkpoint)
    if path is not None:
        return str(path)
    return f"missing; get them with: premask models download {checkpoint.name}"
