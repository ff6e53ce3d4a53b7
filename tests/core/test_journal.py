"""The journal gives back what was put in, and checks what another process may have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.images import Image
from premask.masks import Mask, Matte
from premask.runs.journal import Journal, version_of

SIZE = (40, 50)
RING = Mask.from_array(np.abs(np.hypot(*np.ogrid[-20:20, -25:25]) - 12) < 4)
SOFT = Matte.from_array(np.tile(np.arange(50, dtype=np.uint8) * 5, (40, 1)))


def labeled() -> Labeled:
    found = (
        Annotation(label="ring", box_xyxy=RING.box_xyxy, mask=RING, score=0.5, source=("a", "b")),
        Annotation(label="soft", box_xyxy=SOFT.box_xyxy, mask=SOFT.mask(), matte=SOFT),
        Annotation(label="box", box_xyxy=(1, 2, 3.5, 4), track=3, crowd=True, keyframe=True),
    )
    image = Image(name="photo.jpg", size_hw=SIZE, digest="d")
    return Labeled(image=image, annotations=found, seconds=0.25)


def test_what_is_added_comes_back_in_this_process_and_in_the_next(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        journal.add("key", labeled())
        now, summary = journal.get("key", "photo.jpg"), journal.summary("key")
    with Journal(tmp_path / "journal") as journal:
        later = journal.get("key", "photo.jpg")
        assert journal.summary("key") == summary
    assert (summary.labels, summary.version) == (["ring", "soft", "box"], version_of(labeled()))
    assert now.annotations == later.annotations == labeled().annotations
    assert (now.seconds, now.image.size_hw) == (later.seconds, later.image.size_hw) == (0.25, SIZE)


def test_masks_that_another_process_wrote_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.add("key", labeled())
    counts = RING.rle["counts"]
    path.write_text(path.read_text().replace(counts, counts[:-1]))
    with Journal(path) as journal, pytest.raises(InvalidMask):
        journal.get("key", "photo.jpg")
