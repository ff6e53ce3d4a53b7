"""Long work goes into the background, says how far it is, and names what failed."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from premask import Progress


@pytest.fixture
def outcomes(fo: Any) -> Any:
    return importlib.import_module("operators.forms.outcomes")


@pytest.mark.parametrize(("many", "delegated"), [(2, True), (3, False)])
def test_more_than_many_images_go_into_the_background_where_there_is_one(
    outcomes: Any,
    fo: Any,
    photo_dataset: Any,
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    *,
    delegated: bool,
) -> None:
    ctx = SimpleNamespace(
        dataset=photo_dataset, target_view=lambda: photo_dataset, group_slice=None
    )
    monkeypatch.setattr(fo.config, "allow_legacy_orchestrators", True)
    assert outcomes.execution_options(ctx, many).default_choice_to_delegated == delegated
    monkeypatch.setattr(fo.config, "allow_legacy_orchestrators", False)
    assert not outcomes.execution_options(ctx, many).default_choice_to_delegated


def test_progress_is_said_once_a_second(outcomes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [0.0], []
    monkeypatch.setattr(outcomes.time, "monotonic", lambda: now[0])
    watch = outcomes.watcher(SimpleNamespace(set_progress=lambda **words: said.append(words)))
    for number in range(1, 26):
        now[0] = number / 10
        watch(Progress(done=number, failed=0, total=1000, seconds=now[0]))
    assert said == [
        {"progress": 0.011, "label": "11 of 1,000"},
        {"progress": 0.022, "label": "22 of 1,000"},
    ]


def test_the_first_failures_are_named_and_the_others_counted(outcomes: Any) -> None:
    failures = {f"{number}.jpg": "broken" for number in range(12)}
    lines = outcomes.with_failures("Done.", failures).splitlines()
    assert lines[0] == "Done. 12 failed:"
    assert lines[-2:] == ["- 9.jpg: broken", "- and 2 more"]
    assert outcomes.with_failures("Done.", {}) == "Done."
    named = outcomes.with_failures("Done.", {"a.jpg": "'a.jpg' can't be read"})
    assert named.splitlines()[-1] == "- 'a.jpg' can't be read"


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 labels"), (1, "1 label"), (2000, "2,000 labels")]
)
def test_one_is_not_several(fo: Any, count: int, words: str) -> None:
    from operators.dataset.plurals import counted

    assert counted(count, "label") == words
