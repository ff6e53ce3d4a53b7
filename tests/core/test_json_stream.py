"""JSON that does not fit into memory is read as Python's own parser reads it, and bounded."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from premask import json_stream
from premask.json_stream import JsonStream

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


def stream_of(text: str | bytes) -> JsonStream:
    return JsonStream(io.BytesIO(text.encode() if isinstance(text, str) else text))


@pytest.fixture(autouse=True)
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value is cut somewhere."""
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", 3)


@given(some.lists(values), some.booleans(), some.sampled_from([None, 1]))
def test_items_are_what_python_reads_and_are_where_it_says(
    items: list[Any], ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps(items, ensure_ascii=ascii_only, indent=indent).encode("utf-8")
    found = list(stream_of(data).list_items())
    assert [item for item, _ in found] == items
    assert [json.loads(data[start : start + size]) for _, (start, size) in found] == items


@given(some.dictionaries(some.text(), values))
def test_keys_come_with_their_values(data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False)
    stream = stream_of(b"\xef\xbb\xbf" + text.encode())
    assert {key: stream.value() for key in stream.object_keys()} == data
    assert stream.peek() == ""
    skipped = stream_of(text)
    for _ in skipped.object_keys():
        skipped.skip()
    assert skipped.peek() == ""


@pytest.mark.parametrize(
    "text", ["", "[", "[1", "[1,", "[1 2]", '["a', "[tru", "[1]]"[:-2] + "}", "{}", '[{"a": }]']
)
def test_what_is_broken_or_cut_off_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="byte"):
        list(stream_of(text).list_items())


def test_a_value_that_never_ends_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LONGEST_VALUE", 100)
    file = io.BytesIO(b'["' + b"x" * 100_000)
    with pytest.raises(ValueError, match="too long"):
        list(JsonStream(file).list_items())
    assert file.tell() < 1000


def test_nesting_without_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        stream_of("[" * 200_000).value()
