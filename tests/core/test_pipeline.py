"""label(): in order, streaming, isolating, cancellable; proven with a model that only counts."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from premask.annotations import Labeled
from premask.errors import (
    Cancelled,
    MissingWeights,
    ModelFailed,
    UnreadableImage,
    UnsupportedPrompt,
)
from premask.masks import Alpha, Mask
from premask.prompts import BoxPrompt, Phrase, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.pipeline import Request, label
from premask.runs.progress import Progress
from tests.core.counting_model import WRONG, FakeMatter, FakePool, photo


def areas(labeled: Iterator[Labeled]) -> list[int | str]:
    return [
        type(result.error).__name__
        if result.error
        else sum(a.mask.area for a in result.annotations if a.mask)
        for result in labeled
    ]


def expected(value: int) -> int | str:
    return "ModelFailed" if value == WRONG else 8 * (value % 8 + 1)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_one_result_for_each_image_in_order(batch_size: int) -> None:
    values = list(range(1, 31))
    labeled = label(map(photo, values), pool=FakePool(FakeMatter()), batch_size=batch_size)
    assert areas(labeled) == [expected(value) for value in values]


def test_a_bad_image_is_found_by_halves() -> None:
    model = FakeMatter()
    labeled = list(label(map(photo, range(1, 17)), pool=FakePool(model), batch_size=16))
    (failed,) = [result for result in labeled if result.error]
    assert isinstance(failed.error, ModelFailed)
    assert isinstance(failed.error.__cause__, ValueError)
    assert "unlucky" in str(failed.error)
    assert len(model.batches) <= 2 * 4 + 1


def test_a_file_that_can_not_be_read_carries_its_error() -> None:
    images: list[Any] = [photo(1), b"no image", "/no/such/file.png", photo(2)]
    labeled = list(label(images, pool=FakePool(FakeMatter())))
    assert [type(result.error) for result in labeled] == [
        type(None),
        UnreadableImage,
        UnreadableImage,
        type(None),
    ]
    assert labeled[2].image.name == "/no/such/file.png"
    assert labeled[2].image.size_hw == (0, 0)


def test_images_are_taken_only_as_they_are_needed() -> None:
    """A thousand images never lie in memory."""
    taken = itertools.count()
    requests = (photo(next(taken) % 10) for _ in range(1000))
    labeled = label(requests, pool=FakePool(FakeMatter()), batch_size=4)
    for _ in range(8):
        next(labeled)
    assert next(taken) <= 8 + 4 * 4
    labeled.close()


def test_the_next_batch_is_decoded_while_the_model_works() -> None:
    """While the caller holds the first result, the workers are already on the next ones."""
    model = FakeMatter()
    labeled = label(map(photo, range(1, 12)), pool=FakePool(model), batch_size=1)
    next(labeled)
    deadline = time.monotonic() + 5
    while len(model.batches) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(model.batches) >= 3
    labeled.close()


def test_cancelling_keeps_what_is_done_and_says_so() -> None:
    cancel = threading.Event()
    labeled = label(map(photo, range(20, 60)), pool=FakePool(FakeMatter()), cancel=cancel)
    done = [next(labeled), next(labeled)]
    cancel.set()
    with pytest.raises(Cancelled, match="Stopped after 2 images"):
        next(labeled)
    assert areas(iter(done)) == [expected(20), expected(21)]


def test_closing_stops_the_threads() -> None:
    before = threading.active_count()
    labeled = label(map(photo, range(20, 60)), pool=FakePool(FakeMatter()))
    next(labeled)
    labeled.close()
    assert threading.active_count() == before


def test_progress_counts_failures_and_knows_what_is_left() -> None:
    seen: list[Progress] = []
    images = [photo(value) for value in (1, WRONG, 3, 4)]
    list(label(images, pool=FakePool(FakeMatter(0.01)), batch_size=1, on_progress=seen.append))
    assert [(progress.done, progress.failed, progress.total) for progress in seen] == [
        (1, 0, 4),
        (2, 1, 4),
        (3, 1, 4),
        (4, 1, 4),
    ]
    assert seen[1].eta_seconds == pytest.approx(seen[1].seconds)
    assert seen[3].eta_seconds == 0


def test_two_threads_may_label_at_once() -> None:
    pool = FakePool(FakeMatter(0.001))
    results: dict[int, list[int | str]] = {}

    def work(offset: int) -> None:
        values = range(offset, offset + 30)
        results[offset] = areas(label(map(photo, values), pool=pool, batch_size=2))

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (20, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {o: [expected(v) for v in range(o, o + 30)] for o in (20, 60)}


def test_nothing_there_is_a_result() -> None:
    class Blind(FakeMatter):
        def matte(self, images: Any, masks: Any, options: Any) -> list[Alpha]:
            return [np.zeros(image.size_hw, np.uint8) for image in images]

    (labeled,) = label([photo(1)], pool=FakePool(Blind()))
    assert labeled.annotations == ()
    assert labeled.error is None


def test_missing_weights_are_told_before_any_image_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path))
    with pytest.raises(MissingWeights, match="premask models download u2netp"):
        label(iter(()), "subject")


@pytest.mark.parametrize(
    ("recipe", "prompts", "message"),
    [
        ("click", Prompts(), "say where"),
        ("subject", Prompts(boxes=(BoxPrompt(box_xyxy=(0, 0, 2, 2)),)), "Use a recipe without"),
        ("click", Prompts(mask=Mask.from_array(np.eye(4))), r"\(4, 4\), but the upright image"),
        ("faces", Prompts(phrases=(Phrase(text="nose"),)), "can't use phrases"),
    ],
)
def test_prompts_that_nobody_would_listen_to_are_refused(
    recipe: str, prompts: Prompts, message: str
) -> None:
    request = Request(image=photo(1), prompts=prompts)
    (labeled,) = label([request], recipe, pool=FakePool(FakeMatter()))
    with pytest.raises(UnsupportedPrompt, match=message):
        raise labeled.error or AssertionError


def test_a_request_brings_its_own_name_and_prompts() -> None:
    boxes = Prompts(boxes=(BoxPrompt(box_xyxy=(0, 0, 2, 2)),))
    requests = [Request(image=photo(1), name="mine", prompts=boxes), Request(image=photo(1))]
    mine, other = label(requests, recipe_of("subject"), pool=FakePool(FakeMatter()))
    assert mine.image.name == "mine"
    assert isinstance(mine.error, UnsupportedPrompt)
    assert other.error is None
