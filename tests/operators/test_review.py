"""The queue shows first what is doubtful, and a verdict takes the other one's place."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.shaping.doubt import stability
from tests.operators.mask_samples import annotation_of, detections, saved_image

SIZE = (40, 60)
NAMES = ("a.png", "b.png", "c.png", "d.png")


def disc(x: float = 30, radius: float = 12, **fields: Any) -> Annotation:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return annotation_of(np.hypot(rows - 20, columns - x) < radius, **fields)


def line() -> Annotation:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return annotation_of((abs(rows - 20) < 3) & (columns > 5))


@pytest.fixture
def reviewing(fo: Any) -> Any:
    return importlib.import_module("operators.work.review")


@pytest.fixture
def dataset(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Four images: a sure label; one unsure and one sure; none; a thin object without a score."""
    dataset = fo.Dataset()
    found = [[disc(score=0.9)], [disc(score=0.75), disc(10, 6, score=0.25)], [], [line()]]
    for name, objects in zip(NAMES, found, strict=True):
        path = saved_image(tmp_path, name, SIZE)
        labels = detections(fo, objects, SIZE)
        dataset.add_sample(fo.Sample(filepath=str(path), found=labels))
    yield dataset
    dataset.delete()


def names(samples: Any) -> list[str]:
    return [Path(path).name for path in samples.values("filepath")]


def test_the_lowest_score_comes_first(reviewing: Any, dataset: Any) -> None:
    queue = reviewing.review_queue(dataset, label_field="found")
    view = dataset.load_saved_view("review")
    assert names(view) == ["b.png", "a.png"]
    assert view.values("review_doubt") == pytest.approx([0.75, 0.1])
    assert (queue.samples, queue.unmeasured, queue.failures) == (2, 2, {})


def test_the_least_stable_edge_comes_first(reviewing: Any, dataset: Any) -> None:
    reviewing.review_queue(dataset, label_field="found", by="edges")
    view = dataset.load_saved_view("review")
    masks = [line().mask, disc(10, 6).mask, disc().mask]
    assert names(view) == ["d.png", "b.png", "a.png"]
    assert view.values("review_doubt") == pytest.approx(
        [1 - stability(mask) for mask in masks if mask is not None]
    )


def test_the_worst_disagreement_comes_first(fo: Any, reviewing: Any, dataset: Any) -> None:
    others = [[disc(33)], [disc(10, 6), disc()], [], [disc()]]
    dataset.set_values("other", [detections(fo, other, SIZE) for other in others])
    reviewing.review_queue(dataset, label_field="found", by="fields", other_field="other")
    view = dataset.load_saved_view("review")
    close, far = disc(33).mask, disc().mask
    assert close is not None
    assert far is not None
    doubts = dict(zip(names(view), view.values("review_doubt"), strict=True))
    assert list(doubts)[:2] == ["d.png", "a.png"]
    assert doubts["a.png"] == pytest.approx(1 - close.iou(far))
    assert (doubts["b.png"], doubts["c.png"]) == (pytest.approx(0), 0)


def test_what_one_field_lacks_is_all_doubt(fo: Any, reviewing: Any, dataset: Any) -> None:
    dataset.set_values("other", [detections(fo, [], SIZE)] * 4)
    reviewing.review_queue(dataset, label_field="found", by="fields", other_field="other")
    assert dataset.values("review_doubt") == [1, 1, 0, 1]


def test_a_sample_leaves_the_queue_when_it_is_reviewed(reviewing: Any, dataset: Any) -> None:
    reviewing.review_queue(dataset, label_field="found")
    reviewing.review_samples(dataset.limit(1), reviewing.ACCEPTED)
    assert names(dataset.load_saved_view("review")) == ["b.png"]


def test_a_new_queue_forgets_the_one_before(reviewing: Any, dataset: Any) -> None:
    reviewing.review_queue(dataset, label_field="found")
    reviewing.review_queue(dataset.limit(1), label_field="found")
    assert names(dataset.load_saved_view("review")) == ["a.png"]
    assert dataset.values("review_doubt")[1:] == [None] * 3


def test_a_persons_own_view_and_field_stay(fo: Any, reviewing: Any, dataset: Any) -> None:
    dataset.save_view("mine", dataset.limit(1), description="by hand")
    dataset.add_sample_field("hand_doubt", fo.FloatField)
    for name in ("mine", "hand"):
        with pytest.raises(InvalidSetting, match="premask did not make"):
            reviewing.review_queue(dataset, label_field="found", name=name)
    assert len(dataset.load_saved_view("mine")) == 1


@pytest.mark.parametrize("wrong", [{"by": "luck"}, {"by": "fields"}, {"other_field": "found"}])
def test_a_measure_that_does_not_fit_says_what_does(
    reviewing: Any, dataset: Any, wrong: dict[str, str]
) -> None:
    with pytest.raises(InvalidSetting, match="one of score, edges, fields"):
        reviewing.review_queue(dataset, label_field="found", **wrong)


def test_a_label_that_cannot_be_read_is_named(fo: Any, reviewing: Any, dataset: Any) -> None:
    gone = fo.Detection(label="cat", bounding_box=[0, 0, 1, 1], mask_path="/gone.png")
    sample = dataset.first()
    sample["found"] = fo.Detections(detections=[gone])
    sample.save()
    queue = reviewing.review_queue(dataset, label_field="found")
    assert [Path(path).name for path in queue.failures] == ["a.png"]
    assert names(dataset.load_saved_view("review")) == ["b.png"]


def test_a_verdict_on_samples_takes_the_other_ones_place(reviewing: Any, dataset: Any) -> None:
    two = dataset.limit(2)
    assert reviewing.review_samples(two, "rejected") == 2
    assert reviewing.review_samples(two.limit(1), "accepted") == 1
    assert dataset.values("tags") == [["accepted"], ["rejected"], [], []]


def test_a_verdict_on_labels_is_only_theirs(reviewing: Any, dataset: Any) -> None:
    assert reviewing.review_labels(dataset, "accepted", ["found"]) == 4
    second = dataset.values("found.detections.id")[1][1]
    assert reviewing.review_labels(dataset.select_labels(ids=[second]), "rejected") == 1
    dataset.reload()
    assert dataset.values("found.detections.tags") == [
        [["accepted"]],
        [["accepted"], ["rejected"]],
        [],
        [["accepted"]],
    ]
    assert dataset.values("tags") == [[]] * 4


def test_the_operator_saves_the_view(operator: Any, form: Any, dataset: Any) -> None:
    result = operator("review_queue")(dataset, label_field="found", name="mine").result
    assert (result["view"], result["doubt_field"], result["samples"]) == ("mine", "mine_doubt", 2)
    assert "2 samples to review in the view 'mine', 2 without a label" in result["summary"]
    dataset.reload()
    assert names(dataset.load_saved_view("mine")) == ["b.png", "a.png"]
    assert "other_field" in form("review_queue", dataset, {"by": "fields"})
    assert "other_field" not in form("review_queue", dataset)


def test_the_operators_tag_what_is_selected(plugin: Any, dataset: Any) -> None:
    ids = dataset.values("id")
    label_id = dataset.values("found.detections.id")[3][0]
    label = {"label_id": label_id, "sample_id": ids[3], "field": "found"}
    for name, selection in (
        ("accept", {"selected": ids[:2]}),
        ("reject", {"current_sample": ids[1]}),
        ("reject", {"selected_labels": [label]}),
    ):
        plugin.execute_operator(f"@premask/premask/{name}", {"dataset": dataset, **selection})
    dataset.reload()
    assert dataset.values("tags") == [["accepted"], ["rejected"], [], []]
    assert dataset.values("found.detections.tags")[3] == [["rejected"]]


def test_a_verdict_on_nothing_says_what_to_select(plugin: Any, dataset: Any) -> None:
    with pytest.raises(plugin.executor.ExecutionError, match="Select samples or labels"):
        plugin.execute_operator("@premask/premask/accept", {"dataset": dataset})


def test_the_verdicts_from_python_are_on_a_view(operator: Any, dataset: Any) -> None:
    assert operator("accept")(dataset.limit(3)).result["count"] == 3
    assert operator("reject")(dataset.limit(2), label_fields=["found"]).result["count"] == 3
    dataset.reload()
    assert dataset.values("tags") == [["accepted"]] * 3 + [[]]
    assert dataset.values("found.detections.tags")[0] == [["rejected"]]


def test_the_view_is_shown_by_its_stages(operator: Any, dataset: Any, plugin: Any) -> None:
    """By its name, the App of FiftyOne 1.22 says that a new one does not exist."""
    params = {"label_field": "found", "by": "score", "name": "new one"}
    executed = plugin.execute_operator(
        "@premask/premask/review_queue", {"dataset": dataset, "params": params}
    )
    assert executed.result["view"] == "new one"
    (asked,) = [r for r in executed.executor._requests if r.operator_uri == "set_view"]
    assert "name" not in asked.params
    assert any("SortBy" in stage["_cls"] for stage in asked.params["view"])


@pytest.mark.parametrize("name", ["ü", "§$%", " "])
def test_names_are_checked_before_the_work(reviewing: Any, dataset: Any, name: str) -> None:
    schema = list(dataset.get_field_schema())
    with pytest.raises(InvalidSetting, match="can't be named"):
        reviewing.review_queue(dataset, label_field="found", name=name)
    assert list(dataset.get_field_schema()) == schema


def test_a_field_of_a_queue_has_no_space(reviewing: Any, dataset: Any) -> None:
    assert reviewing.review_queue(dataset, label_field="found", name="a b").doubt_field == (
        "a_b_doubt"
    )
    assert names(dataset.load_saved_view("a b")) == ["b.png", "a.png"]
    dataset.save_view("to-do", dataset.limit(1), description="by hand")
    with pytest.raises(InvalidSetting, match="premask did not make"):
        reviewing.review_queue(dataset, label_field="found", name="to do")


@pytest.mark.parametrize(("name", "variant"), [("accept", "success"), ("reject", "warning")])
def test_a_verdict_says_so(plugin: Any, dataset: Any, name: str, variant: str) -> None:
    executed = plugin.execute_operator(
        f"@premask/premask/{name}", {"dataset": dataset, "current_sample": dataset.first().id}
    )
    asked = {r.operator_uri: r.params for r in executed.executor._requests}
    assert asked["notify"] == {"message": f"1 sample {name}ed.", "variant": variant}
    assert asked["open_sample"]["id"] == dataset.values("id")[1]


def test_after_the_last_sample_there_is_no_next(plugin: Any, dataset: Any) -> None:
    executed = plugin.execute_operator(
        "@premask/premask/accept", {"dataset": dataset, "current_sample": dataset.last().id}
    )
    asked = [r.operator_uri for r in executed.executor._requests]
    assert "notify" in asked
    assert "open_sample" not in asked
