"""A file between two hosts: what is sent to people, one line an image, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.files import replacing
from premask.labels.annotation_json import annotation_from_json, annotation_to_json
from premask.masks import Size

Json = dict[str, Any]
Value = str | float | bool

SENT, RETURNED = "sent", "returned"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLabel:
    """A label as its host has it; its `seal` tells later whether somebody changed it there."""

    id: str
    seal: str
    annotation: Annotation
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSample:
    """An image and its labels; `sample` is its name for ever, `path` where it lies now."""

    sample: str
    path: str
    size_hw: Size
    labels: tuple[SentLabel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedLabel:
    """What people made of a label, or a new one: then `id` is derived from their region.

    `said` sums up what they say of it now, and `sent` what was said when it was sent; both are
    empty where there was or is nothing. `seal` is the one that it was sent with.
    """

    id: str
    is_new: bool
    seal: str
    sent: str
    said: str
    annotation: Annotation | None
    attributes: Mapping[str, Value | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedSample:
    """An image that somebody looked at: who, when, and what they say of it."""

    dataset: str
    field: str
    sample: str
    task: int
    annotator: str
    updated_at: str
    size_hw: Size | None
    labels: tuple[ReturnedLabel, ...]


def write_sent(path: Path, dataset: str, name: str, samples: Iterable[SentSample]) -> None:
    """Write what one field of a dataset has, from first to last or not at all."""
    _write(path, {"premask": SENT, "dataset": dataset, "field": name}, map(_sent_json, samples))


def read_sent(path: Path) -> tuple[str, str, Iterator[SentSample]]:
    """The dataset, the field, and the samples, read one by one."""
    lines = _lines(path, SENT)
    head = next(lines)
    return head["dataset"], head["field"], map(_sent_sample, lines)


def write_returned(path: Path, samples: Iterable[ReturnedSample]) -> None:
    """Write what people said, from first to last or not at all."""
    _write(path, {"premask": RETURNED}, map(_returned_json, samples))


def read_returned(path: Path) -> Iterator[ReturnedSample]:
    """What people said of each image, read one by one."""
    lines = _lines(path, RETURNED)
    next(lines)
    return map(_returned_sample, lines)


def _write(path: Path, head: Json, records: Iterable[Json]) -> None:
    with replacing(path) as file:
        file.write(_line({**head, "version": _VERSION}))
        for record in records:
            file.write(_line(record))


def _line(record: Json) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def _lines(path: Path, kind: str) -> Iterator[Json]:
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline() or "{}")
            if head.get("premask") != kind or head.get("version") != _VERSION:
                raise ValueError(f"its first line does not say that it is what was {kind}")
            yield head
            yield from map(json.loads, file)
    except (OSError, ValueError, AttributeError) as error:
        raise InvalidSetting(
            f"'{path}' can't be read as labels that were {kind} ({error}). Make it anew with "
            f"premask {'send' if kind == SENT else 'receive'}."
        ) from error


def _sent_json(one: SentSample) -> Json:
    return {
        "sample": one.sample,
        "path": one.path,
        "size_hw": one.size_hw,
        "labels": [
            {
                "id": label.id,
                "seal": label.seal,
                "annotation": annotation_to_json(label.annotation),
                "attributes": dict(label.attributes),
            }
            for label in one.labels
        ],
    }


def _sent_sample(record: Json) -> SentSample:
    size_hw = _size(record["size_hw"])
    return SentSample(
        sample=record["sample"],
        path=record["path"],
        size_hw=size_hw,
        labels=tuple(
            SentLabel(
                id=label["id"],
                seal=label["seal"],
                annotation=annotation_from_json(label["annotation"], size_hw),
                attributes=label["attributes"],
            )
            for label in record["labels"]
        ),
    )


def _returned_json(one: ReturnedSample) -> Json:
    return {
        "dataset": one.dataset,
        "field": one.field,
        "sample": one.sample,
        "task": one.task,
        "annotator": one.annotator,
        "updated_at": one.updated_at,
        "size_hw": one.size_hw,
        "labels": [
            {
                "id": label.id,
                "is_new": label.is_new,
                "seal": label.seal,
                "sent": label.sent,
                "said": label.said,
                "annotation": label.annotation and annotation_to_json(label.annotation),
                "attributes": dict(label.attributes),
            }
            for label in one.labels
        ],
    }


def _returned_sample(record: Json) -> ReturnedSample:
    size_hw = _size(record["size_hw"]) if record["size_hw"] else None

    def label_of(said: Json) -> ReturnedLabel:
        shown = said["annotation"]
        if shown and size_hw is None:
            raise ValueError("an object without the size of its image")
        annotation = annotation_from_json(shown, size_hw) if shown and size_hw else None
        return ReturnedLabel(**{**said, "annotation": annotation})

    labels = tuple(map(label_of, record["labels"]))
    return ReturnedSample(**{**record, "size_hw": size_hw, "labels": labels})


def _size(pair: list[int]) -> Size:
    height, width = pair
    return height, width
