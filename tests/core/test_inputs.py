from __future__ import annotations

from pathlib import Path

import pytest

from premask.errors import UnreadableImage
from premask.runs.inputs import collect_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a.jpg", "sub/c.webp", ".hidden/d.png", ".e.png", "notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "photos"


def names(*paths: Path, root: Path | None = None) -> list[str]:
    return [found.name for found in collect_inputs(paths, root)]


def test_a_folder_gives_its_visible_images_in_order(folder: Path) -> None:
    assert names(folder) == ["a.jpg", "b.PNG", "sub/c.webp"]


def test_what_is_named_twice_is_taken_once(folder: Path) -> None:
    assert names(folder / "b.PNG", folder, folder / "a.jpg") == ["b.PNG", "a.jpg", "sub/c.webp"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert names(folder / "notes.txt") == ["notes.txt"]


def test_names_are_relative_to_the_root(folder: Path) -> None:
    assert names(folder / "sub") == ["c.webp"]
    assert names(folder / "sub", root=folder.parent) == ["photos/sub/c.webp"]
    with pytest.raises(UnreadableImage, match="not below the root folder"):
        names(folder / "a.jpg", root=folder / "sub")


def test_images_that_differ_in_their_suffix_have_stems_of_their_own(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"")
    stems = [found.stem for found in collect_inputs([folder])]
    assert stems == ["a", "a.png", "b", "sub/c"]
    assert len({stem.casefold() for stem in stems}) == len(stems)


def test_nothing_to_do_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="the folder holds no image"):
        collect_inputs([tmp_path])
    with pytest.raises(UnreadableImage, match="there is no such file"):
        collect_inputs([tmp_path / "none"])
