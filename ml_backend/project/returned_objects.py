"""What a person made of the objects that were sent: the same, corrected, deleted, or new ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_backend.project.attributes import AttributeControl, attributes_said
from ml_backend.project.sent_tasks import DATASET, FIELD, SAMPLE, VERSION
from premask.annotations import Annotation
from premask.exchange.records import ReturnedLabel, ReturnedSample, Value
from premask.exchange.verdicts import same_shape
from premask.labels.label_studio import ShownObject, objects_from_regions
from premask.masks import Size

Json = Mapping[str, Any]
Attributes = Mapping[str, Value | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """An object as somebody says it, with its attributes."""

    shown: ShownObject
    attributes: Attributes = field(default_factory=dict)

    @property
    def annotation(self) -> Annotation:
        return self.shown.annotation

    @property
    def digest(self) -> str:
        one = self.annotation
        mask = None if one.mask is None else one.mask.counts.decode("ascii")
        box = [round(float(side), 2) for side in one.box_xyxy]
        content = [one.label, box if mask is None else mask, dict(self.attributes)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def equals(self, other: _Said) -> bool:
        same = same_shape(self.annotation, other.annotation)
        return same and self._words == other._words

    @property
    def _words(self) -> tuple[str, Attributes]:
        return self.annotation.label, self.attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedObjects:
    """Compares a person's annotation of a task with what was sent there."""

    image: str
    attributes: Sequence[AttributeControl] = ()

    def sample(self, task: Json, annotation: Json, annotator: str) -> ReturnedSample:
        """All that the annotation says of the sample that the task is of."""
        prediction = _newest_sent(task["predictions"])
        sent = {
            said.shown.known_as["object"]: said
            for said in self._objects(prediction["result"] if prediction else ())
            if said.shown.known_as
        }
        data, now = task["data"], self._objects(annotation["result"])
        return ReturnedSample(
            dataset=str(data.get(DATASET, "")),
            field=data[FIELD],
            sample=data[SAMPLE],
            task=task["id"],
            annotator=annotator,
            updated_at=annotation["updated_at"],
            size_hw=_size_of((*annotation["result"], *(prediction or {}).get("result", ()))),
            labels=tuple(
                self._labels(now, sent, data, _is_copy(annotation, prediction, now, sent))
            ),
        )

    def _objects(self, results: Sequence[Json]) -> list[_Said]:
        on_image = [result for result in results if result.get("to_name") == self.image]
        names = {control.name for control in self.attributes}
        shapes = [result for result in on_image if result.get("from_name") not in names]
        attributes = attributes_said(on_image, self.attributes)
        nothing: Attributes = {control.name: None for control in self.attributes}
        return [
            _Said(
                shown=shown,
                attributes=next(
                    (attributes[r["id"]] for r in shown.regions if r["id"] in attributes), nothing
                ),
            )
            for shown in objects_from_regions(shapes)
        ]

    def _labels(
        self, now: Sequence[_Said], sent: Mapping[str, _Said], data: Json, is_copy: bool
    ) -> Iterator[ReturnedLabel]:
        claimed: set[str] = set()
        # Where a person has copied a region, the one that keeps its id is the label that it was.
        for said in sorted(now, key=lambda said: said.shown.is_copy):
            known = said.shown.known_as
            name = str(known.get("object", ""))
            if not known.get("seal") or name in claimed:
                yield _new(said, data)
                continue
            claimed.add(name)
            yield _known(said, known, sent.get(name))
        if is_copy:
            yield from (_deleted(sent[name]) for name in sent if name not in claimed)


def _new(said: _Said, data: Json) -> ReturnedLabel:
    """A label whose id is made of its region's, so that it is the same one the next time."""
    place = [data[SAMPLE], data[FIELD], said.shown.regions[0]["id"]]
    return ReturnedLabel(
        id=hashlib.sha256(json.dumps(place).encode()).hexdigest()[:24],
        is_new=True,
        seal="",
        sent="",
        said=said.digest,
        annotation=_plain(said.annotation),
        attributes=_told(said.attributes, {}),
    )


def _known(said: _Said, known: Json, sent: _Said | None) -> ReturnedLabel:
    before = sent.digest if sent else ""
    annotation = said.annotation
    if sent is None or sent.annotation.label == annotation.label:
        # The project may call the class by another name than the dataset.
        annotation = replace(annotation, label=known.get("label", annotation.label))
    return ReturnedLabel(
        id=known["object"],
        is_new=False,
        seal=known["seal"],
        sent=before,
        said=before if sent and said.equals(sent) else said.digest,
        annotation=_plain(annotation),
        attributes=_told(said.attributes, sent.attributes if sent else {}),
    )


def _deleted(sent: _Said) -> ReturnedLabel:
    known = sent.shown.known_as
    return ReturnedLabel(
        id=known["object"],
        is_new=False,
        seal=known.get("seal", ""),
        sent=sent.digest,
        said="",
        annotation=None,
    )


def _told(now: Attributes, sent: Attributes) -> dict[str, Value | None]:
    """The attributes that somebody could see; of others nobody said anything."""
    return {
        name: value
        for name, value in now.items()
        if value is not None or sent.get(name) is not None
    }


def _is_copy(
    annotation: Json, prediction: Json | None, now: Sequence[_Said], sent: Mapping[str, _Said]
) -> bool:
    """Whether the annotation began with exactly what was sent, so that what lacks was deleted.

    Somebody who began with an empty image has not deleted what they did not draw.
    """
    if prediction is None:
        return False
    if annotation.get("parent_prediction") == prediction["id"]:
        return True
    sending = {said.shown.known_as.get("sending") for said in sent.values()}
    return any(said.shown.known_as.get("sending") in sending for said in now if said.shown.known_as)


def _newest_sent(predictions: Iterable[Json]) -> Json | None:
    own = [one for one in predictions if one.get("model_version") == VERSION]
    return max(own, key=lambda one: int(one["id"]), default=None)


def _size_of(results: Iterable[Json]) -> Size | None:
    for result in results:
        if "original_height" in result and "original_width" in result:
            return int(result["original_height"]), int(result["original_width"])
    return None


def _plain(annotation: Annotation) -> Annotation:
    """Without what a region can't know better than the label: its score."""
    return replace(annotation, score=None, matte=None)
