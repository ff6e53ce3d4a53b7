"""The control tags of a label config: their labels, and what models call these."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from premask.labels.label_studio import CONTROL_TAGS, ControlTag

PHRASE_ATTRIBUTES = ("model_phrases", "predicted_values")
"""The second one is what the YOLO example of label-studio-ml calls it."""

NAMELESS = ("", "object", "subject")
"""What models call something without saying what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label as it is written, and the words that a model may have for it."""

    name: str
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control tag in a label config; `images` are the names of the image tags it belongs to.

    `several` lets a person choose several labels. `also` is `model_also="true"`: objects are
    written with it even where a more exact tag shows them.

    It is part of the model version, so it must hold nothing that differs between processes.
    """

    tag: str
    name: str
    images: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    smart: bool = False
    several: bool = False
    also: bool = False

    @property
    def definition(self) -> ControlTag:
        """How regions of this tag are written and read."""
        return CONTROL_TAGS[self.tag]

    def label_for(self, found: str) -> str | None:
        """The label that is written for what a model found; None drops it."""
        label = label_called(self.labels, found)
        if label is None and len(self.labels) == 1 and found.casefold() in NAMELESS:
            label = self.labels[0]
        return label.name if label else None

    def __str__(self) -> str:
        return f'<{self.tag} name="{self.name}">'


def label_called(labels: Sequence[Label], found: str) -> Label | None:
    """The label of this name, or else the first that a model may call so."""
    wanted = found.strip().casefold()
    named = (label for label in labels if label.name.casefold() == wanted)
    phrased = (label for label in labels if wanted in map(str.casefold, label.phrases))
    return next(named, None) or next(phrased, None)


def is_served(element: ET.Element) -> bool:
    """Whether a tag is one that premask writes or reads, and its author leaves it to premask."""
    tag = CONTROL_TAGS.get(element.tag)
    if tag is None or element.get("model_skip") == "true":
        return False
    # Such choices are said of one region; premask knows only classes of whole images.
    return not (tag.write_classes and element.get("perRegion") == "true")


def control_in(element: ET.Element, images: Mapping[str, str]) -> Control | None:
    """The control, unless it belongs to no image or its author excludes it from predictions."""
    own_images = tuple(name for name in str(element.get("toName")).split(",") if name in images)
    if not own_images or not is_served(element):
        return None
    return Control(
        tag=element.tag,
        name=str(element.get("name")),
        images=own_images,
        labels=tuple(labels_in(element)),
        smart=element.get("smart") == "true",
        several=element.get("choice", "single") != "single",
        also=element.get("model_also") == "true",
    )


def labels_in(control: ET.Element) -> Iterator[Label]:
    """The labels of a tag, or the choices."""
    for element in control.iter():
        # Label Studio writes the alias where there is one.
        name = element.get("alias") or element.get("value")
        if element.tag in ("Label", "Choice") and name:
            listed = ",".join(element.get(attribute, "") for attribute in PHRASE_ATTRIBUTES)
            phrases = [phrase.strip() for phrase in listed.split(",") if phrase.strip()]
            yield Label(name=name, phrases=tuple(phrases or [str(element.get("value") or name)]))
