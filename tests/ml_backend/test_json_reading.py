"""JSON from strangers: bounded, streamed, cleaned, and otherwise what Python's own parser reads."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ml_backend.studio import json_reading
from ml_backend.studio.json_reading import DEEPEST, parse_part, read_object
from ml_backend.studio.protocol import LONGEST_CONFIG, PredictCall
from premask.errors import InvalidRequest, UnusableLabelConfig
from tests.ml_backend.label_studio_calls import predict_call

TASKS = (None, b"tasks", None)
DRAFTS = ((None, b"tasks", None, b"drafts"),)

texts = some.text(some.characters(codec="utf-8"), max_size=8)
values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**15), 10**15)
    | some.floats(-1e9, 1e9)
    | texts,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(
    some.dictionaries(texts | some.sampled_from(["tasks", "drafts"]), values, max_size=4),
    some.booleans(),
    some.sampled_from([None, 2]),
)
def test_it_reads_what_pythons_own_parser_reads(
    document: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    assert read_object(body) == document
    assert read_object(body, streamed=TASKS) == document


def test_streamed_parts_stay_in_order_beside_others_and_without_what_is_not_needed() -> None:
    task = {"id": 1, "drafts": [{"a": "]"}], "data": {"drafts": [1]}}
    others = {"a": {"tasks": [{"drafts": [1]}]}, "b": '"tasks": [{'}
    body = json.dumps({"tasks": [None, task, 5, [], {"id": 2}], **others}).encode()
    read = read_object(body, streamed=TASKS, without=DRAFTS)
    assert read == {"tasks": [None, {**task, "drafts": None}, 5, [], {"id": 2}], **others}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"}", b"]", b'{"a": "', b'{"a" 1}', b"{}{}", b'{"a": [}', b'\\"{}', b"[1]"),
        *(b'{"tasks": [{}, {]}', b'{"tasks": [{}}', b'{"tasks":[{}],"tasks":5', b"\xff"),
        *(b'{"a": NaN}', b'{"a": 1e999}', b'{"a": ' + b"1" * 5000 + b"}"),
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_object(body, streamed=TASKS)


@given(some.binary(max_size=60) | some.text('{}[]":,\\ tasks1', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        assert isinstance(read_object(body, streamed=TASKS, without=DRAFTS), dict)
    except InvalidRequest:
        return


def test_the_same_key_twice_is_no_way_around() -> None:
    assert read_object(b'{"tasks": [{}], "tasks": 5}', streamed=TASKS) == {"tasks": 5}
    assert read_object(b'{"tasks": [{"": 7}], "task\\u0073": [{"": 9}]}', streamed=TASKS) == {
        "tasks": [{"": 9}]
    }


def test_depth_and_numbers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_object(b'{"a":' + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1) + b"}")
    with pytest.raises(InvalidRequest, match="deep"):
        read_object(b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}")
    with pytest.raises(InvalidRequest, match="too many objects in one part"):
        parse_part(b"[" + b",".join([b"{}"] * 50_001) + b"]")
    with pytest.raises(InvalidRequest, match="too many objects in one part"):
        parse_part(b"[" + b",".join([b'""'] * 100_001) + b"]")
    monkeypatch.setattr(json_reading, "MOST_TOKENS", 100)
    with pytest.raises(InvalidRequest, match="select fewer tasks"):
        read_object(b'{"tasks": [' + b",".join([b"{}"] * 100) + b"]}", streamed=TASKS)


def test_surrogates_are_joined_or_replaced() -> None:
    assert read_object(b'{"a\\ud800": ["\\ud83d\\ude00", "\\udc00b"], "c": "\xed\xa0\x80"}') == {
        "a\ufffd": ["\N{GRINNING FACE}", "\ufffdb"],
        "c": "\ufffd" * 3,
    }


def peak_of(parse: Callable[[bytes], object], body: bytes) -> int:
    tracemalloc.start()
    try:
        parse(body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_thousands_of_tasks_fit_and_what_people_drew_costs_no_memory() -> None:
    call = predict_call(*[f"/{number}.png" for number in range(400)])
    for task in call["tasks"]:
        task["annotations"] = [{"result": [{"value": {"points": [[1, 2]] * 60}}]}]
    body = json.dumps(call).encode()
    read = PredictCall.parse(body)
    assert [task.id for task in read.tasks] == list(range(1, 401))
    assert read.tasks[399].data == {"image": "/399.png"}
    assert peak_of(PredictCall.parse, body) < peak_of(json.loads, body) / 2


def test_a_bomb_of_objects_is_refused_before_it_takes_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_reading, "MOST_TOKENS", 50_000)
    body = b'{"params": {}, "a": [' + b"{}," * 1_000_000 + b"{}]}"

    def refused(body: bytes) -> None:
        with pytest.raises(InvalidRequest, match="too many objects"):
            PredictCall.parse(body)

    assert peak_of(refused, body) < 2 * len(body)


@pytest.mark.parametrize("opening", [b'{"a": [', b'{"a": "b" [', b'{"tasks": ['])
def test_a_scan_takes_linear_time(opening: bytes) -> None:
    body = opening + b"{}," * 100_000 + b"{}]}"
    started = time.process_time()
    with pytest.raises(InvalidRequest):
        read_object(body, streamed=TASKS)
    assert time.process_time() - started < 3


def test_a_label_config_is_bounded() -> None:
    for config in ("x" * (LONGEST_CONFIG + 1), "<Image/>" * 201):
        with pytest.raises(UnusableLabelConfig, match="split the project"):
            PredictCall.parse(json.dumps(predict_call(config=config)).encode())
