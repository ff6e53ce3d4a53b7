"""From the paths that people type to image files, each with a name and a stem of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from premask.errors import UnreadableImage
from premask.images import SUFFIXES
from premask.labels.numbering import Stems


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An image file; `name` is its path below the common folder, `stem` names its results."""

    path: Path
    name: str
    stem: str


def collect_inputs(paths: Iterable[str | Path], root: Path | None = None) -> list[Input]:
    """Files as they are given, and all images below folders, in a stable order, each once.

    Their names are relative to `root`, by default the folder that they have in common.
    """
    found = list(dict.fromkeys(file for path in paths for file in _files(Path(path))))
    root, stems = common_folder(found) if root is None else root.absolute(), Stems()
    for file in found:
        if root not in file.parents:
            raise UnreadableImage(str(file), f"it is not below the root folder {root}")
    names = [file.relative_to(root).as_posix() for file in found]
    return [
        Input(path=file, name=name, stem=stems.of(name))
        for file, name in zip(found, names, strict=True)
    ]


def common_folder(files: Sequence[Path]) -> Path:
    """The deepest folder that all of these files are below."""
    return Path(os.path.commonpath([file.parent for file in files])) if files else Path()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        images = sorted(_images_below(path))
        if not images:
            raise UnreadableImage(
                str(path), f"the folder holds no image; looked for {' '.join(sorted(SUFFIXES))}"
            )
        yield from images
    elif path.exists():
        yield path.absolute()
    else:
        raise UnreadableImage(str(path), "there is no such file or folder")


def _images_below(folder: Path) -> Iterator[Path]:
    """Images in the folder and in the folders below it, except hidden ones."""

    # By default os.walk silently passes over folders that it may not read.
    def refuse(error: OSError) -> None:
        raise UnreadableImage(str(error.filename), (error.strerror or str(error)).lower())

    for directory, subfolders, names in os.walk(folder.absolute(), onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(directory, name)
