"""The labels of a field, with who each is, into a file that Label Studio's side sends."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from premask.errors import InvalidSetting
from premask.exchange.records import SentLabel, SentSample, Value, write_sent

from ..dataset.holders import holders_of
from ..dataset.provenance import PEOPLE, computed_attributes, content_seal
from ..dataset.reading import label_kind, read_labels

_AT_ONCE = 50

_DESCRIBED = {
    "id",
    "tags",
    "label",
    "bounding_box",
    "mask",
    "mask_path",
    "confidence",
    "index",
    "instance",
    "iscrowd",
    "keyframe",
    "source",
}
"""What a detection has besides the attributes that people give to objects."""


@dataclass(slots=True, kw_only=True)
class Sending:
    """One field of some samples on its way out; `failures` have the reasons by path."""

    samples: Any
    dataset: str
    field_name: str
    count: int = 0
    labels: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        require_detections(self.samples, self.field_name)
        write_sent(path, self.dataset, self.field_name, self._all())

    def _all(self) -> Iterator[SentSample]:
        computed, ids = computed_attributes(self.samples), self.samples.values("id")
        for first in range(0, len(ids), _AT_ONCE):
            chunk = self.samples.select(ids[first : first + _AT_ONCE], ordered=True)
            holders = holders_of(chunk, self.field_name)
            for read in read_labels(chunk, [self.field_name]):
                if read.labeled.error is not None:
                    self.failures[read.filepath] = str(read.labeled.error)
                    continue
                holder = holders[read.sample_id]
                by_id = {label.id: label for label in (holder.detections if holder else ())}
                pairs = zip(read.label_ids, read.labeled.annotations, strict=True)
                yield SentSample(
                    sample=read.sample_id,
                    path=read.filepath,
                    size_hw=read.labeled.image.size_hw,
                    labels=tuple(
                        SentLabel(
                            id=name,
                            seal=content_seal(by_id[name], computed),
                            annotation=annotation,
                            attributes=dict(attributes_of(by_id[name], computed)),
                        )
                        for name, annotation in pairs
                    ),
                )
                self.count, self.labels = self.count + 1, self.labels + len(read.label_ids)


def require_detections(samples: Any, name: str) -> None:
    """Refuse fields whose labels have no identity of their own in an image."""
    kind = label_kind(samples, name)
    if kind != "Detections":
        raise InvalidSetting(
            f"The field '{name}' holds {kind}; only Detections (boxes, or boxes with masks) go to "
            "people and come back, each as the label that it was. Make them of your labels first, "
            "as *Outline labels* and *Import masks* do."
        )


def attributes_of(label: Any, computed: Set[str]) -> Iterator[tuple[str, Value]]:
    """What somebody noted of an object besides its class and shape: texts, numbers, yes or no."""
    for name in label.field_names:
        is_own = name in _DESCRIBED or name in computed or name.startswith(("premask_", PEOPLE))
        if not is_own and isinstance(label[name], (str, bool, int, float)):
            yield name, label[name]
