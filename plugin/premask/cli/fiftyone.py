"""`premask fiftyone`: link the plugin that was installed with premask into FiftyOne's folder."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from premask.errors import MissingDependency, UnwritableOutput
from premask.files import unwritable
from premask.terminal.flags import Commands

NAME = "premask-plugin"
MANIFEST = "fiftyone.yml"


def add_command(commands: Commands) -> None:
    """Describe the command."""
    fiftyone = commands.add_parser("fiftyone", help="add the plugin to FiftyOne, once")
    fiftyone.add_argument(
        "--plugins-dir",
        type=Path,
        metavar="DIR",
        help="FiftyOne's plugins folder (default: what `fiftyone config plugins_dir` says)",
    )
    fiftyone.set_defaults(command=_fiftyone)


def _fiftyone(options: argparse.Namespace) -> int:
    source = plugin_folder()
    link = (options.plugins_dir or _plugins_folder()) / NAME
    if link.is_symlink() and link.resolve() == source:
        print(f"{link} is here already.")
        return 0
    if link.exists() or link.is_symlink():
        raise UnwritableOutput(
            f"There is a {link} already, which is not this premask's plugin ({source}). Move it "
            "away and run this again."
        )
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        _place(source, link)
    except OSError as error:
        raise unwritable(link, error) from error
    print(f"{link}\nStart FiftyOne again, and press ` in the App: the operators are there.")
    return 0


def plugin_folder() -> Path:
    """The folder with fiftyone.yml: the checkout's, or the one that the wheel brought."""
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / MANIFEST).is_file() and (checkout / "operators").is_dir():
        return checkout
    found = importlib.util.find_spec("premask_fiftyone")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (Path(folder) / MANIFEST).is_file():
            return Path(folder).resolve()
    raise MissingDependency(
        "This premask was installed without its FiftyOne plugin. Install it with: "
        "pip install --force-reinstall 'premask[fiftyone]'"
    )


def _plugins_folder() -> Path:
    """What FiftyOne itself says: it reads an environment variable and a file of its own."""
    if "FIFTYONE_PLUGINS_DIR" in os.environ:
        return Path(os.environ["FIFTYONE_PLUGINS_DIR"])
    # Asked in another process: importing FiftyOne starts its database.
    command = [sys.executable, "-m", "fiftyone.core.cli", "config", "plugins_dir"]
    if importlib.util.find_spec("fiftyone") is None:
        raise MissingDependency(
            "FiftyOne is not installed here. Install it with: pip install 'premask[fiftyone]', or "
            "name its folder with --plugins-dir."
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.split()
    if done.returncode or not lines:
        raise MissingDependency(
            f"FiftyOne did not say where its plugins are: {done.stderr.strip()[-200:]} Name the "
            "folder with --plugins-dir."
        )
    return Path(lines[-1])


def _place(source: Path, link: Path) -> None:
    """A link, so that an upgrade of premask is one of the plugin; a copy where links are barred."""
    try:
        link.symlink_to(source, target_is_directory=True)
    except OSError:
        if sys.platform != "win32":
            raise
        shutil.copytree(source, link)
