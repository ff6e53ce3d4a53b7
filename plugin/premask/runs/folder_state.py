"""What a run leaves in its folder beside the results: the next one and the preview read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from premask.annotations import Labeled
from premask.errors import PremaskError, UnreadableImage
from premask.files import write_atomically
from premask.images import Image, read_image
from premask.runs.journal import Journal
from premask.runs.written_files import FILE_NAME, WrittenFiles, read_written_files

STATE_FOLDER = ".premask"
"""Where all of this lies, below the folder of results. A folder that has it holds results."""

PREVIEW = "preview"
"""What pictures for people show, in the list of written files: a run leaves them where they are."""

_JOURNAL_NAME = "journal.jsonl"


def open_journal(folder: Path) -> Journal:
    """The journal of the images that are done; nobody else can open it meanwhile."""
    return Journal(folder / STATE_FOLDER / _JOURNAL_NAME)


def fetched_images(folder: Path) -> Path:
    """Where images from addresses lie: the next run and the preview need them once more."""
    return folder / STATE_FOLDER / "fetched"


def kept_clips(folder: Path) -> Path:
    """Where a run keeps its clips for the preview, if none of the formats asked for keeps all."""
    return folder / STATE_FOLDER / "clips.json"


def written_files(folder: Path) -> WrittenFiles:
    """The list of the files that premask wrote into this folder."""
    path = folder / STATE_FOLDER / FILE_NAME
    # The first versions kept no list, and wrote over whatever was there.
    unlisted = has_state(folder) and not path.exists()
    return WrittenFiles(folder, path, adopts_others=unlisted)


def names_of_written_files(folder: Path) -> frozenset[str]:
    """The files that premask wrote into this folder, relative to it, with slashes."""
    return frozenset(read_written_files(folder / STATE_FOLDER / FILE_NAME))


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Keep the recipe, the images and the failures of a run that ended."""
    text = json.dumps(state, indent=1)
    write_atomically(folder / STATE_FOLDER / "state.json", text.encode())


def read_state(folder: Path) -> dict[str, Any]:
    """The recipe, the images and the failures of the last run into this folder."""
    try:
        state = json.loads((folder / STATE_FOLDER / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PremaskError(
            f"{folder} holds no finished run of premask. Make one with: premask annotate PATHS "
            f"--out {folder}"
        ) from error
    assert isinstance(state, dict)
    return state


def has_state(folder: Path) -> bool:
    """Whether a run into this folder has ended."""
    return (folder / STATE_FOLDER / "state.json").is_file()


def read_results(folder: Path, root: Path | None = None) -> Iterator[Labeled]:
    """What the last run into this folder found, with pixels, one at a time; then what failed.

    Images in which something was found come first. They are read below `root`, by default where
    they were, or, if folder and images have moved together, where they are now.
    """
    state = read_state(folder)
    window = tuple(state.get("window") or ()) or None
    with open_journal(folder) as journal:
        entries = state["images"]
        found = [bool(journal.summary(entry["key"]).labels) for entry in entries]
        by_found = sorted(zip(found, entries, strict=True), key=lambda pair: not pair[0])
        for _, entry in by_found:
            try:
                image = read_image(_place(entry, folder, root), entry["name"], window=window)
                yield replace(journal.get(entry["key"], entry["name"]), image=image)
            except UnreadableImage as error:
                yield Labeled(image=Image.unread(entry["name"]), error=error)
    for name, reason in state["failures"].items():
        if all(entry["name"] != name for entry in entries):
            yield Labeled(image=Image.unread(name), error=PremaskError(reason))


def read_labels(folder: Path) -> Iterator[Labeled]:
    """What the last run into this folder found, without pixels, in the order of its images."""
    state = read_state(folder)
    with open_journal(folder) as journal:
        for entry in state["images"]:
            yield journal.get(entry["key"], entry["name"])


def missing_images(folder: Path, root: Path | None = None) -> list[str]:
    """The images of the last run into this folder that `read_results` would not find."""
    entries = read_state(folder)["images"]
    return [entry["name"] for entry in entries if not _place(entry, folder, root).is_file()]


def _place(entry: dict[str, str], folder: Path, root: Path | None) -> Path:
    if root is not None:
        return root / entry["name"]
    path = Path(entry["path"])
    # The first versions did not note where an image is beside the results.
    moved = folder / entry.get("beside", "")
    return moved if moved.is_file() and not path.is_file() else path
