"""Labels are judged one by one: the doubtful first, each verdict once, the last one taken back."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.shaping.doubt import stability
from tests.operators.mask_samples import annotation_of, detections, saved_image

SIZE = (40, 60)


def disc(x: float = 30, radius: float = 12, label: str = "cat", **fields: Any) -> Annotation:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return annotation_of(np.hypot(rows - 20, columns - x) < radius, label, **fields)


@pytest.fixture
def dataset(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Three images: a sure label; an unsure and a surer one; one without a score."""
    dataset = fo.Dataset()
    found = [[disc(score=0.9)], [disc(score=0.75), disc(10, 6, score=0.25)], [disc(45)]]
    for name, objects in zip("abc", found, strict=True):
        path = saved_image(tmp_path, f"{name}.png", SIZE)
        labels = detections(fo, objects, SIZE)
        dataset.add_sample(fo.Sample(filepath=str(path), found=labels))
    yield dataset
    dataset.delete()


@pytest.fixture
def queue(fo: Any, dataset: Any) -> Callable[..., Any]:
    """Queue up the labels of the dataset."""

    def queued(samples: Any = None, **options: Any) -> Any:
        from operators.work.label_queue import queue_labels

        options = {"label_field": "found"} | options
        return queue_labels(dataset if samples is None else samples, **options)

    return queued


def review(dataset: Any, reviewer: str = "", queue: str | None = None) -> Any:
    from operators.work.label_review import LabelReview

    return LabelReview(dataset, queue, reviewer)


def upcoming(dataset: Any, **options: Any) -> list[str]:
    return [label.label_id for label in review(dataset).state(most=99, **options).upcoming]


def taken(one: Any) -> str:
    return str(one.take_next()[1].label_id)


def labels(dataset: Any, field: str = "found") -> list[Any]:
    dataset.reload()
    held = dataset.values(field)
    return [label for holder in held for label in (holder.detections if holder else ())]


def progress(dataset: Any) -> str:
    from operators.work.label_review import progress

    return str(progress(review(dataset).state()))


def test_the_lowest_score_comes_first_and_what_has_none_last(dataset: Any, queue: Any) -> None:
    made = queue()
    assert (made.labels, made.unmeasured, made.failures) == (4, 1, {})
    sure, middle, unsure, unscored = (label.id for label in labels(dataset))
    assert upcoming(dataset) == [unsure, middle, sure, unscored]
    assert labels(dataset)[2].premask_doubt == 0.75


def test_the_least_stable_mask_comes_first(dataset: Any, queue: Any) -> None:
    queue(by="edges")
    found = labels(dataset)
    small = disc(10, 6).mask
    assert small is not None
    assert upcoming(dataset)[0] == found[2].id
    assert found[2].premask_doubt == pytest.approx(1 - stability(small))


def test_what_only_one_run_found_comes_first(fo: Any, dataset: Any, queue: Any) -> None:
    """The same object is judged once, one of another class or place twice."""
    others = [[disc(31)], [disc(), disc(50, 5)], [disc(45, label="dog")]]
    dataset.set_values("other", [detections(fo, other, SIZE) for other in others])
    made = queue(by="fields", other_field="other")
    close, far = disc().mask, disc(31).mask
    assert close is not None
    assert far is not None
    ours, theirs = labels(dataset), labels(dataset, "other")
    alone = {ours[2].id, ours[3].id, theirs[2].id, theirs[3].id}
    assert set(upcoming(dataset)[:4]) == alone
    assert upcoming(dataset)[4:] == [ours[0].id, ours[1].id]
    assert labels(dataset)[0].premask_doubt == pytest.approx(1 - close.iou(far))
    assert made.labels == 6


def test_each_verdict_counts_and_the_next_comes(dataset: Any, queue: Any) -> None:
    queue()
    first, second, third, _ = upcoming(dataset)
    assert review(dataset).judge(first, "rejected") == "Rejected."
    assert review(dataset).judge(second, "accepted") == "Accepted."
    assert upcoming(dataset)[0] == third
    assert progress(dataset) == "2 of 4 labels, 1 accepted, 1 rejected"
    tags = {label.id: label.tags for label in labels(dataset)}
    assert tags[first] == ["rejected"]
    assert tags[second] == ["accepted"]


def test_verdicts_are_taken_back_one_after_the_other(dataset: Any, queue: Any) -> None:
    queue()
    before = [label.to_dict() for label in labels(dataset)]
    first, second, *_ = upcoming(dataset)
    review(dataset).judge(first, "accepted")
    review(dataset).judge(second, "rejected")
    assert review(dataset).undo().label_id == second
    assert upcoming(dataset)[0] == second
    assert review(dataset).undo().label_id == first
    assert review(dataset).undo() is None
    assert [label.to_dict() for label in labels(dataset)] == before


def test_the_first_of_two_verdicts_stays(dataset: Any, queue: Any) -> None:
    queue()
    first, second, *_ = upcoming(dataset)
    assert review(dataset, "Anna").judge(first, "accepted") == "Accepted."
    assert "was accepted by Anna already" in review(dataset, "Ben").judge(first, "rejected")
    assert review(dataset, "Ben").undo() is None
    review(dataset, "Ben").judge(second, "rejected")
    assert review(dataset, "Anna").undo().label_id == first


def test_of_many_at_once_one_counts(dataset: Any, queue: Any) -> None:
    queue()
    first, *_ = upcoming(dataset)
    said: list[str] = []
    names = [f"{number}" for number in range(8)]
    reviews = [review(dataset, name) for name in names]
    start = threading.Barrier(len(names))

    def judge(one: Any, verdict: str) -> None:
        start.wait()
        said.append(one.judge(first, verdict))

    threads = [
        threading.Thread(target=judge, args=(one, ("accepted", "rejected")[number % 2]))
        for number, one in enumerate(reviews)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([words for words in said if words in ("Accepted.", "Rejected.")]) == 1
    (label,) = (label for label in labels(dataset) if label.id == first)
    assert len(label.tags) == 1


def test_a_label_that_is_deleted_meanwhile_is_skipped(dataset: Any, queue: Any) -> None:
    queue()
    first, second, *_ = upcoming(dataset)
    dataset.delete_labels(ids=[first])
    assert "is gone" in review(dataset).judge(first, "accepted")
    assert upcoming(dataset)[0] == second
    assert progress(dataset) == "0 of 3 labels"


def test_what_is_left_for_later_comes_last(dataset: Any, queue: Any) -> None:
    queue()
    everything = upcoming(dataset)
    assert upcoming(dataset, skipped=everything[:2]) == everything[2:]
    assert upcoming(dataset, skipped=everything) == everything


def test_closing_deletes_what_was_rejected_and_nothing_else(dataset: Any, queue: Any) -> None:
    from operators.work.label_queue import close_queue

    queue()
    first, second, *others = upcoming(dataset)
    review(dataset).judge(first, "rejected")
    review(dataset).judge(second, "accepted")
    assert close_queue(dataset) == 1
    left = labels(dataset)
    assert {label.id for label in left} == {second, *others}
    assert not any(label.has_field("premask_queue") for label in left)
    assert not dataset.has_field("found.detections.premask_queue")
    with pytest.raises(InvalidSetting, match="no queue of labels"):
        review(dataset)
    # A new queue has what nobody has judged.
    queue()
    assert set(upcoming(dataset)) == set(others)


def test_a_queue_in_the_place_of_another(dataset: Any, queue: Any) -> None:
    queue()
    review(dataset).judge(upcoming(dataset)[0], "accepted")
    queue(dataset.limit(2))
    assert progress(dataset) == "0 of 2 labels"
    queue(dataset.limit(1), name="second")
    assert len(upcoming(dataset)) == 1


def test_a_label_that_cannot_be_read_is_named(fo: Any, dataset: Any, queue: Any) -> None:
    gone = fo.Detection(label="cat", bounding_box=[0, 0, 1, 1], mask_path="/gone.png")
    sample = dataset.first()
    sample["found"] = fo.Detections(detections=[gone])
    sample.save()
    made = queue()
    assert [Path(path).name for path in made.failures] == ["a.png"]
    assert made.labels == 3


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"by": "luck"}, "one of score, edges, fields"),
        ({"by": "fields"}, "one of score, edges, fields"),
        ({"name": "ü"}, "can't be named"),
        ({"label_field": "map"}, "by their samples"),
    ],
)
def test_what_cannot_be_queued_says_why(
    fo: Any, dataset: Any, queue: Any, wrong: dict[str, str], why: str
) -> None:
    dataset.add_sample_field("map", fo.EmbeddedDocumentField, embedded_doc_type=fo.Segmentation)
    with pytest.raises(InvalidSetting, match=why):
        queue(**wrong)


def test_polylines_are_judged_too(fo: Any, dataset: Any, queue: Any) -> None:
    shape = [[(0.1, 0.1), (0.5, 0.1), (0.5, 0.6)]]
    line = fo.Polyline(label="cat", points=shape, closed=True, filled=True, confidence=0.5)
    dataset.set_values("lines", [fo.Polylines(polylines=[line]), None, None])
    queue(label_field="lines")
    (label,) = upcoming(dataset)
    assert review(dataset).judge(label, "accepted") == "Accepted."
    assert dataset.values("lines.polylines.tags")[0] == [["accepted"]]


def test_the_picture_shows_the_label_and_its_image(dataset: Any, queue: Any) -> None:
    from operators.work.label_review import card_of

    queue()
    label = review(dataset).state().upcoming[0]
    card = card_of(dataset, label)
    assert card.title == "**cat**, score 0.25, doubt 0.75, in `found`"
    with PIL.Image.open(io.BytesIO(card.jpeg)) as picture:
        near = np.asarray(picture, np.int16)[:, :440]
    colored = np.ptp(near, axis=2) > 40
    # The photo is gray, so all color is the mask's: of a disc of radius 6 in 40 x 48 pixels.
    assert colored.mean() == pytest.approx(np.pi * 36 / 48**2, rel=0.1)
    assert colored[210:230, 82:102].all()


def test_all_of_it_from_python(operator: Any, dataset: Any) -> None:
    made = operator("review_labels")(dataset, label_field="found").result
    assert "4 labels to review in the queue 'review', 1 without" in made["summary"]
    judge = operator("judge_label")
    first = judge(dataset, verdict="accepted", reviewer="Anna").result
    assert first["summary"] == "Accepted. 1 of 4 labels, 1 accepted"
    assert (first["total"], first["accepted"], len(first["upcoming"])) == (4, 1, 3)
    second = first["upcoming"][1]["label_id"]
    assert judge(dataset, verdict="rejected", label_id=second).result["rejected"] == 1
    assert judge(dataset, verdict="undo", reviewer="Anna").result["accepted"] == 0
    assert operator("close_review")(dataset).result["removed"] == 1
    assert len(labels(dataset)) == 3


def test_a_photo_that_is_gone_is_said(dataset: Any, queue: Any) -> None:
    from operators.work.label_review import card_of

    queue()
    label = review(dataset).state().upcoming[0]
    dataset.compute_metadata()
    Path(dataset[label.sample_id].filepath).unlink()
    card = card_of(dataset, label)
    assert not card.jpeg
    assert "b.png" in card.error


def test_two_people_are_not_shown_the_same_label(dataset: Any, queue: Any) -> None:
    queue()
    first, second, *_ = upcoming(dataset)
    anna, ben = review(dataset, "Anna"), review(dataset, "Ben")
    assert taken(anna) == first
    assert taken(ben) == second
    # Anna comes back to hers, whatever has happened to the App meanwhile.
    assert taken(review(dataset, "Anna")) == first
    assert ben.state().upcoming[0].label_id == second


def test_what_somebody_left_in_front_of_them_comes_to_others(
    dataset: Any, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue()
    monkeypatch.setattr("operators.dataset.label_verdicts.HOLD", timedelta(seconds=-1))
    first = taken(review(dataset, "Anna"))
    assert taken(review(dataset, "Ben")) == first


def test_later_runs_and_undo_leave_what_was_accepted(
    photo_dataset: Any, label: Any, finder: Any
) -> None:
    """What was rejected is not found again, but goes with its run."""
    from operators.work.label_queue import queue_labels
    from operators.work.undo import undo

    boxes = (0, 0, 20, 20), (40, 40, 60, 60), (80, 80, 99, 99)
    finder.find("astronaut", *boxes)
    run = label(photo_dataset.limit(1))
    queue_labels(photo_dataset, label_field="subject")
    accepted, rejected, _ = upcoming(photo_dataset)
    review(photo_dataset).judge(accepted, "accepted")
    review(photo_dataset).judge(rejected, "rejected")
    finder.find("astronaut", *boxes, (0, 60, 20, 80))
    label(photo_dataset.limit(1), existing="replace", settings={"refine.grow": 1})
    ids = [one.id for one in labels(photo_dataset, "subject")]
    assert {accepted, rejected} < set(ids)
    assert len(ids) == 4
    undo(photo_dataset, run["name"])
    left = [one.id for one in labels(photo_dataset, "subject")]
    assert accepted in left
    assert rejected not in left


def test_what_was_rejected_is_not_exported(
    operator: Any, dataset: Any, queue: Any, tmp_path: Path
) -> None:
    queue()
    review(dataset).judge(upcoming(dataset)[0], "rejected")
    out = tmp_path / "out"
    result = operator("export_masks")(dataset, folder=str(out), label_fields=["found"]).result
    assert (result["annotations"], result["notes"]) == (3, ["1 rejected label left out"])
    written = json.loads((out / "coco.json").read_text(encoding="utf-8"))
    assert (len(written["images"]), len(written["annotations"])) == (3, 3)
