"""Items of many threads share calls, and the model gets the images of several tasks together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ml_backend.predict.batching import Batches
from ml_backend.predict.recipe_runs import RecipeRuns
from premask.annotations import Annotation
from premask.images import Image
from tests.ml_backend.conftest import SOON, Connect
from tests.ml_backend.label_studio_calls import (
    ONE_LABEL,
    Json,
    predict_call,
    results,
    saved_by_label_studio,
    until,
)


class Held:
    """Remembers the batches it is called with; each call waits until the test lets it end."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.may_end = threading.Event()

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        self.calls.append(list(items))
        assert self.may_end.wait(SOON)
        return [-item for item in items]


@pytest.fixture
def held() -> Held:
    return Held()


def test_what_comes_while_a_call_is_under_way_goes_into_the_next_one_together(held: Held) -> None:
    batches: Batches[int, int] = Batches(held, size=3, calls=1)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batches.result_of, 0)
        until(lambda: held.calls == [[0]])
        others = []
        for item in range(1, 8):
            others.append(threads.submit(batches.result_of, item))
            until(lambda: len(batches._waiting) == len(others))
        held.may_end.set()
        assert [future.result(SOON) for future in (first, *others)] == [-item for item in range(8)]
    assert held.calls == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_so_many_calls_are_under_way_and_no_more(held: Held) -> None:
    batches: Batches[int, int] = Batches(held, size=1, calls=2)
    with ThreadPoolExecutor(4) as threads:
        results_of = [threads.submit(batches.result_of, item) for item in range(4)]
        until(lambda: len(batches._waiting) == 2)
        assert len(held.calls) == 2
        held.may_end.set()
        assert [future.result(SOON) for future in results_of] == [0, -1, -2, -3]


def test_nobody_is_left_behind_however_many_come() -> None:
    batches: Batches[int, int] = Batches(lambda items: [-item for item in items], size=3, calls=2)
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(batches.result_of, range(2000), timeout=SOON)) == [
            -item for item in range(2000)
        ]


@pytest.mark.parametrize("answers", [None, []])
def test_a_call_that_fails_fails_for_all_that_were_in_it(answers: list[int] | None) -> None:
    def run(items: Sequence[int]) -> list[int]:
        if answers is None:
            raise KeyError("model")
        return answers

    batches = Batches(run, size=2, calls=1)
    with pytest.raises(KeyError if answers is None else ValueError):
        batches.result_of(1)


class Stages:
    """Takes the place of the models: remembers each batch, and fails for a broken image."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[list[str]] = []
        self.may_end = threading.Event()
        for caller in ("ml_backend.predict.recipe_runs", "premask.runs.pipeline"):
            monkeypatch.setattr(f"{caller}.run_stages", self.run)

    def run(self, images: Sequence[Image], *_: object) -> list[tuple[Annotation, ...]]:
        self.seen.append([image.name for image in images])
        assert self.may_end.wait(SOON)
        if any(image.name == "/broken.png" for image in images):
            raise RuntimeError("a NaN")
        found = Annotation(label="Thing", box_xyxy=(1, 2, 5, 6))
        return [(found,) for _ in images]


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    return Stages(monkeypatch)


BOXES = ONE_LABEL.replace("BrushLabels", "RectangleLabels")


def waiting(runs: RecipeRuns) -> int:
    return sum(len(batches._waiting) for batches in runs._batches.values())


def call_for(names: Sequence[str]) -> Json:
    return predict_call(*(f"/{name}.png" for name in names), config=BOXES)


def test_the_model_sees_four_tasks_together_and_one_that_fails_fails_alone(
    connect: Connect, stages: Stages, fetcher: Any
) -> None:
    names = [*"cdefghij", "broken", *"klm"]
    fetcher.files |= {f"/{name}.png": fetcher.files["/a.png"] for name in names}
    client: Any = connect(recipe="faces", batch_workers=len(names))
    with ThreadPoolExecutor(1) as label_studio:
        answer = label_studio.submit(results, client, call_for(names))
        runs = client.app.state.backend.predictors._runs
        until(lambda: sum(map(len, stages.seen)) + waiting(runs) == len(names))
        stages.may_end.set()
        saved = saved_by_label_studio(len(names), answer.result(SOON))
    sizes = [len(images) for images in stages.seen]
    assert sizes.count(4) >= 2
    assert max(sizes) == 4
    assert [len(predictions) for predictions in saved] == [name != "broken" for name in names]


def test_who_opens_a_task_does_not_wait_for_the_batches_that_the_model_is_at(
    connect: Connect, stages: Stages
) -> None:
    client = connect(recipe="faces", batch_workers=2, deadline_seconds=0.2)
    results(client, call_for("ab"))
    assert len(stages.seen) == 2
    results(client, call_for(["both"]))
    assert stages.seen[2:] == [["/both.png"]]
    stages.may_end.set()
