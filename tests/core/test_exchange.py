"""The file between two hosts keeps all it is given, and each case has its verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.exchange.records import (
    ReturnedLabel,
    ReturnedSample,
    SentLabel,
    SentSample,
    read_returned,
    read_sent,
    write_returned,
    write_sent,
)
from premask.exchange.verdicts import Agreed, Verdict, verdict_of
from premask.masks import Mask
from tests.golden.dataset import adversarial_masks

SIZE = (13, 17)


def awkward() -> list[Annotation]:
    masks = map(Mask.from_array, adversarial_masks(*SIZE).values())
    drawn = [Annotation(label="é\n", box_xyxy=mask.box_xyxy, mask=mask) for mask in masks]
    return [*drawn, Annotation(label="", box_xyxy=(0.1, 1 / 3, 2.5, 7.0), score=0.25)]


def test_what_is_sent_is_read_again(tmp_path: Path) -> None:
    labels = tuple(
        SentLabel(id=str(n), seal="s.t", annotation=one, attributes={"a": True, "b": 2, "c": "x"})
        for n, one in enumerate(awkward())
    )
    samples = [
        SentSample(sample="1", path="/a b.png", size_hw=SIZE, labels=labels),
        SentSample(sample="2", path="b.png", size_hw=(1, 1), labels=()),
    ]
    write_sent(tmp_path / "file", "set", "field", samples)
    dataset, name, read = read_sent(tmp_path / "file")
    assert (dataset, name, list(read)) == ("set", "field", samples)


def test_what_comes_back_is_read_again(tmp_path: Path) -> None:
    labels = [
        ReturnedLabel(
            id="1", is_new=True, seal="", sent="", said="d", annotation=one, attributes={"a": None}
        )
        for one in awkward()
    ]
    gone = ReturnedLabel(id="2", is_new=False, seal="s", sent="d", said="", annotation=None)
    sample = ReturnedSample(
        dataset="set",
        field="field",
        sample="1",
        task=7,
        annotator="ada@example.com",
        updated_at="2026-11-28T20:00:00Z",
        size_hw=SIZE,
        labels=(*labels, gone),
    )
    write_returned(tmp_path / "file", [sample])
    assert list(read_returned(tmp_path / "file")) == [sample]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"premask": "returned", "version": 1}', b"[1]"])
def test_other_files_are_refused_with_what_to_do(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InvalidSetting, match="premask send"):
        read_sent(tmp_path / "file")


@pytest.mark.parametrize(
    ("agreed", "here", "there", "verdict"),
    [
        (("a", "A"), "a", "A", "same"),
        (("a", "A"), "a", "B", "take"),
        (("a", "A"), "a", "", "delete"),
        (("a", "A"), "b", "A", "same"),
        (("a", "A"), "b", "B", "conflict"),
        (("a", "A"), "b", "", "conflict"),
        (("a", "A"), "", "A", "same"),
        (("a", "A"), "", "B", "conflict"),
        (("a", "A"), "", "", "same"),
        (("", ""), "", "B", "take"),
        (("", "B"), "", "B", "same"),
    ],
)
def test_whose_word_counts(
    agreed: tuple[str, str], here: str, there: str, verdict: Verdict
) -> None:
    before = Agreed(here=agreed[0], there=agreed[1])
    assert verdict_of(before, here=here, there=there) == verdict
