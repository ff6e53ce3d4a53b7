"""Many COCO strings checked at once are judged as each would be alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from premask import rle_check
from premask.errors import InvalidMask
from premask.labels.coco_rle import mask_from_segmentation, masks_from_segmentations
from premask.masks import Mask
from premask.rle_check import are_canonical
from tests.core.coco_sample import unpack

SIZE = (9, 11)


def is_canonical(text: bytes) -> bool:
    try:
        mask = Mask.from_rle({"size": SIZE, "counts": text})
    except InvalidMask:
        return False
    return mask.counts == text


def test_good_and_bad_strings_side_by_side() -> None:
    random = np.random.default_rng(2)
    good = [Mask.from_array(random.random(SIZE) < share).counts for share in np.linspace(0, 1, 40)]
    bad = [b"", b"0", b"P", b"0P", b"12", b"ab", *(text[:-1] for text in good)]
    bad += [text + b"1" for text in good] + [bytes([*text[:-1], 0x7F]) for text in good[:3]]
    # Numbers with a digit too many, and an empty run in the middle: valid, but not the shortest.
    bad += [b"S30", b"Q3P0", b"10T3"]
    texts = [text for pair in zip(good, bad, strict=False) for text in pair] + bad
    pixels = [SIZE[0] * SIZE[1]] * len(texts)
    expected = [is_canonical(text) for text in texts]
    assert any(expected)
    assert not all(expected)
    judged = are_canonical(texts, pixels).tolist()
    # Characters that no COCO string has make all that is looked at with them look doubtful.
    clean = [place for place, text in enumerate(texts) if b"\x7f" not in text]
    assert not any(j and not e for j, e in zip(judged, expected, strict=True))
    without = [texts[place] for place in clean]
    assert are_canonical(without, pixels[: len(without)]).tolist() == [expected[k] for k in clean]


def test_groups_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    texts = [Mask.from_array(random.random(SIZE) < 0.5).counts for _ in range(50)]
    monkeypatch.setattr(rle_check, "_CHARACTERS", 100)
    assert are_canonical(texts, [99] * 50).all()
    assert not are_canonical(texts, [98] * 50).any()
    assert are_canonical([], []).tolist() == []


def test_masks_of_coco_are_the_same_as_one_by_one(tmp_path: Path) -> None:
    """Polygons, compressed results, and crowds without compression."""
    true, masks, _ = unpack(tmp_path)
    data, found = json.loads(true.read_bytes()), json.loads(masks.read_bytes())
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    records = [*data["annotations"], *found]
    segmentations = [record["segmentation"] for record in records]
    own_sizes = [sizes[record["image_id"]] for record in records]
    assert masks_from_segmentations(segmentations, own_sizes) == [
        mask_from_segmentation(*pair) for pair in zip(segmentations, own_sizes, strict=True)
    ]
    with pytest.raises(InvalidMask, match="another image"):
        masks_from_segmentations([Mask.empty((3, 4)).rle], [(4, 3)])
