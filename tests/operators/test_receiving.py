"""What people said in Label Studio lands on the labels it was said of, and on no others."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.annotations import Annotation
from premask.exchange.records import (
    ReturnedLabel,
    ReturnedSample,
    SentLabel,
    SentSample,
    read_sent,
    write_returned,
)
from premask.labels.fiftyone import detection_from_annotation
from premask.masks import Mask

FIELD = "proposals"
NEW = "0123456789abcdef01234567"

Stored = dict[str, dict[str, Any]]


def shape(x: int, size_hw: tuple[int, int], label: str = "thing") -> Annotation:
    """A square with a hole."""
    whole = np.zeros(size_hw, np.bool_)
    whole[10:31, x : x + 23] = True
    whole[15:20, x + 5 : x + 9] = False
    mask = Mask.from_array(whole)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, score=0.5)


class Trip:
    """Sends a field into a file, and brings back what a test says that people said."""

    def __init__(self, main: Callable[..., int], dataset: Any, folder: Path) -> None:
        self._main, self.dataset, self.folder = main, dataset, folder

    def send(self, *flags: str) -> list[SentSample]:
        file = self.folder / "sent.jsonl"
        words = ("send", str(file), "--dataset", self.dataset.name, "--field", FIELD)
        assert self._main([*words, *flags]) == 0
        return list(read_sent(file)[2])

    def receive(self, *said: ReturnedSample, flags: Sequence[str] = (), code: int = 0) -> None:
        file = self.folder / "returned.jsonl"
        write_returned(file, said)
        assert self._main(["receive", str(file), *flags]) == code
        self.dataset.reload()
        self.dataset.clear_cache()

    def stored(self) -> Stored:
        """What the database has of each label, bit by bit."""
        found = self.dataset._sample_collection.find({}, {FIELD: 1})
        holders = (sample.get(FIELD) or {} for sample in found)
        return {str(one["_id"]): one for holder in holders for one in holder.get("detections", ())}


@pytest.fixture
def trip(fo: Any, photo_dataset: Any, tmp_path: Path) -> Trip:
    photo_dataset.compute_metadata(progress=False)
    for sample in photo_dataset:
        size_hw = (sample.metadata.height, sample.metadata.width)
        shown = [shape(3 * n + 1, size_hw, f"class {n}") for n in range(3)]
        sample[FIELD] = fo.Detections(
            detections=[
                fo.Detection(
                    **detection_from_annotation(one, size_hw), color="red", tags=["a"], odd={"x": 1}
                )
                for one in shown
            ]
        )
        sample.save()
    main = importlib.import_module("operators.__main__").main
    return Trip(main, photo_dataset, tmp_path)


def said_of(sent: SentLabel, said: str = "sent", **changes: Any) -> ReturnedLabel:
    """What comes back of a label: the same as was sent, unless a test says otherwise."""
    annotation = replace(sent.annotation, score=None, **changes) if said else None
    return ReturnedLabel(
        id=sent.id,
        is_new=False,
        seal=sent.seal,
        sent="sent",
        said=said,
        annotation=annotation,
    )


def drawn(annotation: Annotation, said: str = "drawn") -> ReturnedLabel:
    return ReturnedLabel(id=NEW, is_new=True, seal="", sent="", said=said, annotation=annotation)


def returned(
    trip: Trip, sample: SentSample, *labels: ReturnedLabel, hour: int = 10
) -> ReturnedSample:
    return ReturnedSample(
        dataset=trip.dataset.name,
        field=FIELD,
        sample=sample.sample,
        task=7,
        annotator="ada@example.com",
        updated_at=f"2026-11-28T{hour}:00:00.123456Z",
        size_hw=sample.size_hw,
        labels=labels,
    )


def test_every_label_goes_out_with_its_identity_and_attributes(trip: Trip) -> None:
    sent = trip.send()
    assert [one.sample for one in sent] == trip.dataset.values("id")
    ids = trip.dataset.values(f"{FIELD}.detections.id")
    assert [[label.id for label in one.labels] for one in sent] == ids
    for one in sent:
        shown = [shape(3 * n + 1, one.size_hw, f"class {n}") for n in range(3)]
        assert [label.annotation for label in one.labels] == shown
        assert {tuple(label.attributes.items()) for label in one.labels} == {(("color", "red"),)}


def test_corrections_land_on_their_labels_and_touch_nothing_else(fo: Any, trip: Trip) -> None:
    first, *others = trip.send()
    before, other = trip.stored(), shape(90, first.size_hw)
    one, two, three = first.labels
    new = drawn(shape(120, first.size_hw, "seen by a person"))
    moved = said_of(one, "moved", mask=other.mask, box_xyxy=other.box_xyxy)
    said = returned(trip, first, moved, said_of(two, "renamed", label="other"), new)
    gone = replace(said, labels=(*said.labels, said_of(three, "")))
    trip.receive(gone)
    after = trip.stored()
    assert before.keys() - after.keys() == {three.id}
    assert after.keys() - before.keys() == {NEW}
    for sample in others:
        for label in sample.labels:
            assert after[label.id] == before[label.id]
    read = {label.id: label.annotation for label in trip.send()[0].labels}
    assert (read[one.id].mask, read[one.id].label) == (other.mask, "class 0")
    assert (read[two.id].mask, read[two.id].label) == (two.annotation.mask, "other")
    assert new.annotation is not None
    assert (read[NEW].mask, read[NEW].label) == (new.annotation.mask, "seen by a person")
    # The score was the model's for another mask; all else that it had, the label keeps.
    assert [read[one.id].score, read[two.id].score, read[NEW].score] == [None, None, None]
    for label in (one, two):
        kept = {name: after[label.id][name] for name in ("color", "tags", "odd", "_id")}
        assert kept == {name: before[label.id][name] for name in kept}
        assert after[label.id]["label_studio_annotator"] == "ada@example.com"
        assert after[label.id]["label_studio_updated_at"] == datetime(
            2026, 11, 28, 10, 0, 0, 123000
        )
    assert after[two.id]["mask"] == before[two.id]["mask"]
    assert trip.dataset.has_field(f"{FIELD}.detections.label_studio_annotator")


def test_received_again_not_a_bit_changes(trip: Trip) -> None:
    first, *_ = trip.send()
    one, two, three = first.labels
    other = shape(90, first.size_hw)
    labels = (
        said_of(one, "moved", mask=other.mask, box_xyxy=other.box_xyxy),
        said_of(two),
        said_of(three, ""),
        drawn(shape(120, first.size_hw)),
    )
    said = returned(trip, first, *labels)
    trip.receive(said)
    once = list(trip.dataset._sample_collection.find({}))
    trip.receive(said)
    assert list(trip.dataset._sample_collection.find({})) == once


@pytest.mark.parametrize("said", ["moved", ""])
def test_what_both_changed_is_told_and_left_alone(
    said: str, trip: Trip, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = trip.send()
    one, *_ = first.labels
    sample = trip.dataset[first.sample]
    sample[FIELD].detections[0].label = "by hand"
    sample.save()
    before = trip.stored()
    moved = shape(90, first.size_hw)
    change = {"mask": moved.mask, "box_xyxy": moved.box_xyxy} if said else {}
    answer = returned(trip, first, said_of(one, said, **change))
    trip.receive(answer, code=1)
    assert trip.stored() == before
    printed = capsys.readouterr().out
    assert f"label {one.id} (by hand)" in printed
    assert "--conflicts" in printed
    trip.receive(answer, flags=("--conflicts", "fiftyone"))
    assert trip.stored() == before
    trip.receive(answer)
    assert "0 conflicts" in capsys.readouterr().out.splitlines()[-1]


def test_label_studio_may_be_preferred(trip: Trip) -> None:
    first, *_ = trip.send()
    one, two, _ = first.labels
    sample = trip.dataset[first.sample]
    for label in sample[FIELD].detections:
        label["color"] = "blue"
    sample.save()
    answer = returned(trip, first, said_of(one, "renamed", label="other"), said_of(two, ""))
    trip.receive(answer, flags=("--conflicts", "label-studio"))
    after = trip.stored()
    assert two.id not in after
    assert (after[one.id]["label"], after[one.id]["color"]) == ("other", "blue")


def test_a_tag_is_no_reason_to_refuse_a_correction_but_one_to_keep_a_label(trip: Trip) -> None:
    first, *_ = trip.send()
    one, two, _ = first.labels
    sample = trip.dataset[first.sample]
    for label in sample[FIELD].detections:
        label.tags.append("mine")
    sample.save()
    answer = returned(trip, first, said_of(one, "renamed", label="other"), said_of(two, ""))
    trip.receive(answer, code=1)
    after = trip.stored()
    assert two.id in after
    assert (after[one.id]["label"], after[one.id]["tags"]) == ("other", ["a", "mine"])


def test_both_may_go_on_and_the_next_change_is_the_only_one(trip: Trip) -> None:
    """After a trip both sides agree: what FiftyOne changes then is not undone by the next one."""
    first, *_ = trip.send()
    one, two, _ = first.labels
    trip.receive(returned(trip, first, said_of(one, "once", label="once"), said_of(two)))
    sample = trip.dataset[first.sample]
    sample[FIELD].detections[1].label = "by hand"
    sample.save()
    answer = returned(trip, first, said_of(one, "twice", label="twice"), said_of(two), hour=11)
    trip.receive(answer)
    after = trip.stored()
    assert (after[one.id]["label"], after[two.id]["label"]) == ("twice", "by hand")


def test_what_was_deleted_here_stays_deleted(trip: Trip) -> None:
    first, *_ = trip.send()
    new = drawn(shape(120, first.size_hw))
    trip.receive(returned(trip, first, *map(said_of, first.labels), new))
    sample = trip.dataset[first.sample]
    sample[FIELD].detections = []
    sample.save()
    trip.receive(returned(trip, first, *map(said_of, first.labels), new))
    assert not {NEW, *(label.id for label in first.labels)} & trip.stored().keys()


def test_what_another_annotation_does_not_have_is_withdrawn(trip: Trip) -> None:
    first, *_ = trip.send()
    trip.receive(returned(trip, first, drawn(shape(120, first.size_hw))))
    assert NEW in trip.stored()
    trip.receive(returned(trip, first, hour=11))
    assert NEW not in trip.stored()
    assert trip.stored().keys() >= {label.id for label in first.labels}


def test_samples_are_known_wherever_their_files_are(
    trip: Trip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = trip.send()
    sample = trip.dataset[first.sample]
    sample.filepath = str(shutil.copy(sample.filepath, tmp_path / "moved.png"))
    sample.save()
    trip.dataset.delete_samples([second.sample])
    trip.receive(
        *(returned(trip, one, said_of(one.labels[0], "x", label="x")) for one in (first, second)),
        returned(
            trip,
            replace(third, size_hw=(40, 40)),
            said_of(third.labels[0], "x", mask=shape(1, (40, 40)).mask),
        ),
        code=1,
    )
    assert trip.stored()[first.labels[0].id]["label"] == "x"
    assert trip.stored()[third.labels[0].id]["label"] == "class 0"
    printed = capsys.readouterr().out
    assert f"sample {second.sample} (task 7)" in printed
    assert "it was replaced since" in printed


def test_somebody_who_writes_at_the_same_moment_loses_nothing(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = trip.send()
    one, two, _ = first.labels
    module = importlib.import_module("operators.work.receiving")
    look, others = module.SaidOfSample, iter([True])

    def slow(*arguments: Any) -> Any:
        if next(others, False):
            path = f"{FIELD}.detections.1.label"
            trip.dataset._sample_collection.update_one(
                {f"{FIELD}.detections._id": {"$exists": True}, "filepath": first.path},
                {"$set": {path: "meanwhile", "last_modified_at": datetime(2030, 1, 1)}},
            )
        return look(*arguments)

    monkeypatch.setattr(module, "SaidOfSample", slow)
    trip.receive(returned(trip, first, said_of(one, "renamed", label="other")))
    after = trip.stored()
    assert (after[one.id]["label"], after[two.id]["label"]) == ("other", "meanwhile")


def test_looked_at_and_empty_is_an_empty_list(fo: Any, trip: Trip) -> None:
    first, *_ = trip.send()
    trip.dataset.clear_sample_field(FIELD)
    trip.receive(returned(trip, first))
    assert trip.dataset[first.sample][FIELD].detections == []


def test_evaluating_in_between_is_no_change(trip: Trip) -> None:
    first, *_ = trip.send()
    trip.dataset.clone_sample_field(FIELD, "other")
    trip.dataset.evaluate_detections(FIELD, gt_field="other", eval_key="eval", progress=False)
    trip.receive(returned(trip, first, said_of(first.labels[0], "renamed", label="x")))
    assert trip.stored()[first.labels[0].id]["label"] == "x"


def test_what_cannot_go_is_told(fo: Any, trip: Trip, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module("operators.__main__").main
    trip.dataset.add_sample_field("maps", fo.EmbeddedDocumentField, embedded_doc_type=fo.Heatmap)
    file = str(trip.folder / "x")
    assert main(["send", file, "--dataset", trip.dataset.name, "--field", "maps"]) == 2
    assert "holds Heatmap" in capsys.readouterr().err
    assert main(["send", file, "--dataset", "no such", "--field", "maps"]) == 2
    assert "no dataset 'no such'" in capsys.readouterr().err
    words = ["--dataset", trip.dataset.name, "--field", FIELD, "--view", "none"]
    assert main(["send", file, *words]) == 2
    assert "no saved view 'none'" in capsys.readouterr().err


def test_interrupted_in_the_middle_and_repeated_it_is_as_if_it_never_was(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [
        returned(
            trip,
            one,
            said_of(one.labels[0], "x", label="x"),
            said_of(one.labels[1], ""),
            replace(drawn(shape(120, one.size_hw)), id=f"{number:024}"),
        )
        for number, one in enumerate(trip.send())
    ]
    module = importlib.import_module("operators.work.receiving")
    look, lives = module.SaidOfSample, iter([True, True])

    def mortal(*arguments: Any) -> Any:
        if next(lives, False):
            return look(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "SaidOfSample", mortal)
        trip.receive(*said, code=130)
    assert sum(label["label"] == "x" for label in trip.stored().values()) == 2
    trip.receive(*said)
    after = trip.stored()
    assert sum(label["label"] == "x" for label in after.values()) == 3
    assert len(after) == 9
    assert {f"{number:024}" for number in range(3)} < after.keys()
