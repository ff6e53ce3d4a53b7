"""Samples of FiftyOne as tasks that know whose they are, and their labels as regions that do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ml_backend.project.attributes import AttributeControl, attribute_regions
from ml_backend.project.label_config import LabelConfig
from ml_backend.project.regions import is_visible, regions_from_annotations
from ml_backend.studio.protocol import Json
from premask.errors import UnusableLabelConfig
from premask.exchange.records import SentLabel, SentSample
from premask.labels.label_studio import prediction_from_regions

VERSION = "sent-from-fiftyone"
"""The model version of what was sent. It does not begin like premask's own, which `push --replace`
deletes: it says what people saw before they corrected it."""

SAMPLE, FIELD, DATASET = "fiftyone_sample", "fiftyone_field", "fiftyone_dataset"
"""Where in a task's data it says whose it is; Label Studio shows and filters them as columns."""

Identity = tuple[str, str]
"""A sample and a field of it."""


def identity_of(data: Json) -> Identity | None:
    """Whose a task is; None for those that did not come from FiftyOne."""
    sample, name = data.get(SAMPLE), data.get(FIELD)
    return (sample, name) if isinstance(sample, str) and isinstance(name, str) else None


def only_image(config: LabelConfig) -> tuple[str, str]:
    """The name of the one image tag, and the key of the task's data that it shows."""
    if len(config.images) != 1 or config.listed or config.repeated:
        raise UnusableLabelConfig(
            "Samples of FiftyOne are one image each, so the label config must have exactly one "
            '<Image value="$...">, outside of a <Repeater>; it has '
            f"{', '.join(config.images) or 'none'}."
        )
    ((name, value),) = config.images.items()
    key = value.removeprefix("$")
    if not key.isidentifier():
        raise UnusableLabelConfig(
            f"The tag '{name}' shows '{value}'; where samples of FiftyOne come from, it must show "
            'a plain part of the task\'s data, as in value="$image".'
        )
    return name, key


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTasks:
    """Makes tasks and predictions for one project."""

    config: LabelConfig
    attributes: Sequence[AttributeControl]
    dataset: str
    field: str

    def data(self, sample: SentSample, url: str) -> Json:
        """The data of the task for a sample."""
        _, key = only_image(self.config)
        own = {SAMPLE: sample.sample, FIELD: self.field, DATASET: self.dataset}
        return {key: url} | own

    def prediction(self, sample: SentSample) -> Json:
        """All labels of a sample, as proposals that are known again when they come back."""
        image, _ = only_image(self.config)
        sending = sending_of(sample.labels)
        regions = regions_from_annotations(
            [label.annotation for label in sample.labels],
            sample.size_hw,
            self.config.drawn(image),
            image,
            known_as=[_known_as(label, sending) for label in sample.labels],
        )
        by_id = {label.id: label for label in sample.labels}
        regions += list(attribute_regions(regions, by_id, self.attributes))
        return prediction_from_regions(regions, model_version=VERSION)


def sending_of(labels: Sequence[SentLabel]) -> str:
    """A short name for exactly these labels as they are now."""
    content = sorted((label.id, label.seal) for label in labels if is_visible(label.annotation))
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def _known_as(label: SentLabel, sending: str) -> Json:
    return {
        "object": label.id,
        "label": label.annotation.label,
        "seal": label.seal,
        "sending": sending,
    }
