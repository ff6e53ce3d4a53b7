"""Names for the files of images: each image has its own."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from premask.labels.numbering import Stems
from premask.runs.inputs import collect_inputs

NAMES = ("a.png.jpg", "a.jpg", "a.png", "A.PNG", "a.png-2.jpg", "sub/a.png")


@pytest.mark.parametrize("names", list(permutations(NAMES, 4)))
def test_no_two_images_share_a_stem(names: tuple[str, ...]) -> None:
    stems = Stems()
    assert len({stems.of(name).casefold() for name in names}) == len(names)


def test_images_named_like_each_others_stems_have_files_of_their_own(tmp_path: Path) -> None:
    for name in NAMES[:3]:
        (tmp_path / name).write_bytes(b"")
    assert len({found.stem for found in collect_inputs([tmp_path])}) == 3
