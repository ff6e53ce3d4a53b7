"""A project's label config: its images, its labels, and what is drawn with what."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from premask.errors import InvalidRequest, UnusableLabelConfig
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

    It is part of the model version, so it must hold nothing that differs between processes.
    """

    tag: str
    name: str
    images: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    smart: bool = False
    several: bool = False

    @property
    def definition(self) -> ControlTag:
        """How regions of this tag are written and read."""
        return CONTROL_TAGS[self.tag]

    def label_for(self, found: str) -> str | None:
        """The label that is written for what a model found; None drops it."""
        label = _label_called(self.labels, found)
        if label is None and len(self.labels) == 1 and found.casefold() in NAMELESS:
            label = self.labels[0]
        return label.name if label else None

    def __str__(self) -> str:
        return f'<{self.tag} name="{self.name}">'


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """The parts of a label config that matter to a model; two equal ones get equal predictions."""

    images: Mapping[str, str]
    controls: tuple[Control, ...]

    def outputs(self, image: str) -> tuple[Control, ...]:
        """The controls that predictions for this image are written with.

        Smart ones are for prompts, and are written with only where there are no others.
        """
        own = [control for control in self.controls if image in control.images]
        drawn = [control for control in own if control.definition.write]
        plain = [control for control in drawn if not control.smart]
        of_whole_image = [control for control in own if control.definition.write_classes]
        return (*(plain or drawn), *of_whole_image)

    def labels(self, image: str) -> tuple[Label, ...]:
        """The labels that predictions for this image can have, without repetition."""
        by_name = {label.name: label for output in self.outputs(image) for label in output.labels}
        return tuple(by_name.values())

    def label_asked_for(self, image: str, words: str) -> str:
        """The label for what a person asked for: the one they named, or else the first.

        Label Studio puts the label that is selected there over it when a person accepts.
        """
        labels = self.labels(image)
        said = set(_words(words))
        within = (label for label in labels if set(_words(label.name)) <= said)
        chosen = _label_called(labels, words) or next(within, labels[0] if labels else None)
        return chosen.name if chosen else words

    def image_url(self, image: str, data: Mapping[str, Any]) -> str:
        """Where the image of this tag is, according to the task's data."""
        value = self.images[image]
        url: Any = data.get(value[1:]) if value.startswith("$") else value
        if isinstance(url, str) and url:
            return url
        raise InvalidRequest(
            f"The task has no image in '{value[1:]}', which the tag '{image}' shows; "
            f"it has: {', '.join(map(str, data)) or 'nothing'}."
        )


def parse_label_config(xml: str) -> LabelConfig:
    """What the XML says; `UnusableLabelConfig` where nothing can be predicted for it."""
    root = _root(xml)
    images = _images(root)
    controls = tuple(
        control
        for element in root.iter()
        if element.tag in CONTROL_TAGS and (control := _control(element, images)) is not None
    )
    config = LabelConfig(images=images, controls=controls)
    _require_usable(config, root)
    return config


def ignored_tags(xml: str) -> tuple[str, ...]:
    """The tags that people annotate with, but that nothing is written to, as <Tag name="...">."""
    return tuple(
        f'<{element.tag} name="{element.get("name")}">'
        for element in _root(xml).iter()
        if element.get("toName")
        and (element.tag not in CONTROL_TAGS or element.get("model_skip") == "true")
    )


def images_of(xml: str) -> dict[str, str]:
    """The names of the image tags, and what of a task's data each shows (as in `$image`)."""
    return _images(_root(xml))


def _images(root: ET.Element) -> dict[str, str]:
    return {
        str(element.get("name")): str(element.get("value"))
        for element in root.iter("Image")
        if element.get("value")
    }


def _label_called(labels: Sequence[Label], found: str) -> Label | None:
    """The label of this name, or else the first that a model may call so."""
    wanted = found.strip().casefold()
    named = (label for label in labels if label.name.casefold() == wanted)
    phrased = (label for label in labels if wanted in map(str.casefold, label.phrases))
    return next(named, None) or next(phrased, None)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _root(xml: str) -> ET.Element:
    # A label config has no use for a document type, and its entities can fill the memory.
    if "<!DOCTYPE" in xml.upper():
        raise UnusableLabelConfig("The label config has a document type (<!DOCTYPE>); remove it.")
    try:
        return ET.fromstring(xml)
    except ET.ParseError as error:
        raise UnusableLabelConfig(f"The label config is no XML ({error}); correct it.") from error


def _control(element: ET.Element, images: Mapping[str, str]) -> Control | None:
    """The control, unless it belongs to no image or its author excludes it from predictions."""
    own_images = tuple(name for name in str(element.get("toName")).split(",") if name in images)
    if not own_images or element.get("model_skip") == "true":
        return None
    return Control(
        tag=element.tag,
        name=str(element.get("name")),
        images=own_images,
        labels=tuple(_labels(element)),
        smart=element.get("smart") == "true",
        several=element.get("choice", "single") != "single",
    )


def _labels(control: ET.Element) -> Iterator[Label]:
    for element in control.iter():
        # Label Studio writes the alias where there is one.
        name = element.get("alias") or element.get("value")
        if element.tag in ("Label", "Choice") and name:
            listed = ",".join(element.get(attribute, "") for attribute in PHRASE_ATTRIBUTES)
            phrases = [phrase.strip() for phrase in listed.split(",") if phrase.strip()]
            yield Label(name=name, phrases=tuple(phrases or [str(element.get("value") or name)]))


def _require_usable(config: LabelConfig, root: ET.Element) -> None:
    if not len(root):
        return  # a new project, which Label Studio may connect before it has labels
    if not config.images:
        raise UnusableLabelConfig(
            'The label config has no <Image value="$...">; premask labels single images only.'
        )
    if not any(config.outputs(image) for image in config.images):
        *tags, last = (f"<{tag.name}>" for tag in CONTROL_TAGS.values() if tag.is_written)
        raise UnusableLabelConfig(
            "The label config has nothing to write masks or boxes with; add one of "
            f"{', '.join(tags)} or {last} whose toName is the name of the <Image>."
        )
