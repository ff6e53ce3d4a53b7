"""From the paths that people type to image files, each with a name and a stem of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from premask.errors import UnreadableImage
from premask.images import SUFFIXES, digest_of
from premask.labels.numbering import Stems
from premask.runs.folder_state import STATE_FOLDER, fetched_images, names_of_written_files
from premask.runs.sources import is_address
from premask.sources.naming import name_of_address

VIDEO_SUFFIXES = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv"}
)

OF_A_VIDEO = (
    "it is a video. To follow objects through it: premask track VIDEO. To annotate its frames each "
    "by itself, take them out first: ffmpeg -i VIDEO FOLDER/%06d.png"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An image file; `name` is its path below the common folder, `stem` names its results.

    If it has a `url`, it is fetched to this path first.
    """

    path: Path
    name: str
    stem: str
    url: str = ""


@dataclass(slots=True, kw_only=True)
class Skipped:
    """What was passed over, so that it can be said: files by their suffix, and whole folders.

    Hidden files and folders are not counted, because nobody expects them to be taken.
    """

    suffixes: Counter[str] = field(default_factory=Counter)
    example: dict[str, Path] = field(default_factory=dict)
    folders: dict[Path, str] = field(default_factory=dict)

    def add_file(self, path: Path) -> None:
        suffix = path.suffix.lower() or "no suffix"
        self.suffixes[suffix] += 1
        self.example.setdefault(suffix, path)

    def lines(self) -> Iterator[str]:
        """What was skipped, in words, one line for each kind."""
        for suffix, count in self.suffixes.most_common():
            files = "1 file" if count == 1 else f"{count} files"
            video = f": {OF_A_VIDEO}" if suffix in VIDEO_SUFFIXES else ""
            yield f"{files} ({suffix}), such as {self.example[suffix]}{video}"
        for folder, reason in self.folders.items():
            yield f"{folder}: {reason}"


def collect_inputs(
    paths: Iterable[str | Path],
    root: Path | None = None,
    *,
    results: Path | None = None,
    skipped: Skipped | None = None,
) -> list[Input]:
    """Files as they are given, and all images below folders, in a stable order, each once.

    Their names are relative to `root`, by default the folder that they have in common. Folders of
    results are passed over, and so is `results`, where those of this run go. What is passed over is
    noted in `skipped`.
    """
    walk, paths = _Walk(results, skipped or Skipped()), list(paths)
    urls = dict.fromkeys(path for path in paths if isinstance(path, str) and is_address(path))
    local = (Path(path) for path in paths if path not in urls)
    found = list(dict.fromkeys(file for path in local for file in walk.files(path)))
    root, stems = common_folder(found) if root is None else root.absolute(), Stems()
    for file in found:
        if root not in file.parents:
            raise UnreadableImage(str(file), f"it is not below the root folder {root}")
    names = [file.relative_to(root).as_posix() for file in found]
    inputs = [
        Input(path=file, name=name, stem=stems.of(name))
        for file, name in zip(found, names, strict=True)
    ]
    if urls and results is None:
        raise UnreadableImage(next(iter(urls)), "addresses are fetched by premask annotate only")
    for url in urls:
        name = name_of_address(url)
        path = fetched_images(results or Path()) / digest_of(url.encode())
        inputs.append(Input(path=path.absolute(), name=name, stem=stems.of(name), url=url))
    return inputs


def common_folder(files: Sequence[Path]) -> Path:
    """The deepest folder that all of these files are below."""
    return Path(os.path.commonpath([file.parent for file in files])) if files else Path()


class _Walk:
    """Looks for images, and notes what it passes over."""

    def __init__(self, results: Path | None, skipped: Skipped) -> None:
        self._results = results.resolve() if results is not None else None
        self._skipped = skipped

    def files(self, path: Path) -> Iterator[Path]:
        """The file itself, or the images below a folder."""
        if path.is_dir():
            images = sorted(self._images_below(path.absolute()))
            if not images:
                raise UnreadableImage(str(path), "; ".join(self._why_nothing()))
            yield from images
        elif not path.exists():
            raise UnreadableImage(str(path), "there is no such file or folder")
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            raise UnreadableImage(str(path), OF_A_VIDEO)
        else:
            yield path.absolute()

    def _images_below(self, folder: Path) -> Iterator[Path]:
        """Images in the folder and in the folders below it, except hidden ones."""

        # By default os.walk silently passes over folders that it may not read.
        def refuse(error: OSError) -> None:
            raise UnreadableImage(str(error.filename), (error.strerror or str(error)).lower())

        # Results may go into the very folder that has the images: then they are told file by file.
        written = names_of_written_files(folder)
        top, seen = folder.resolve(), set[Path]()
        for directory, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
            here = Path(directory)
            subfolders[:] = sorted(
                name
                for name in subfolders
                if not name.startswith(".") and self._is_entered(here / name, top, seen)
            )
            for name in names:
                file = here / name
                if name.startswith(".") or file.relative_to(folder).as_posix() in written:
                    continue
                if file.suffix.lower() in SUFFIXES:
                    yield file
                else:
                    self._skipped.add_file(file)

    def _is_entered(self, folder: Path, top: Path, seen: set[Path]) -> bool:
        real = folder.resolve()
        if real == self._results or (folder / STATE_FOLDER).is_dir():
            self._skipped.folders[folder] = "a folder of premask's results"
        elif folder.is_symlink() and (top == real or top in real.parents):
            # Its images are met at their own place, and a link to a folder above has no end.
            return False
        elif real in seen or (
            folder.is_symlink() and (real in top.parents or not seen.isdisjoint(real.parents))
        ):
            self._skipped.folders[folder] = f"it leads to {real}, which is taken already"
        else:
            if folder.is_symlink():
                seen.add(real)
            return True
        return False

    def _why_nothing(self) -> list[str]:
        reason = f"the folder holds no image; looked for {' '.join(sorted(SUFFIXES))}"
        return [reason, *(f"passed over {line}" for line in self._skipped.lines())]
