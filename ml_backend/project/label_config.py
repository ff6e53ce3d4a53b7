"""A project's label config: its images, its labels, and what is drawn with what."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from premask.errors import InvalidRequest, UnusableLabelConfig
from premask.labels.label_studio import RegionKind

ControlKind = Literal["brush", "rectangle", "polygon", "ellipse", "keypoint", "text", "choices"]

CONTROLS: dict[str, ControlKind] = {
    "BrushLabels": "brush",
    "RectangleLabels": "rectangle",
    "PolygonLabels": "polygon",
    "EllipseLabels": "ellipse",
    "KeyPointLabels": "keypoint",
    "TextArea": "text",
    "Choices": "choices",
}
DRAWN: dict[ControlKind, RegionKind] = {
    "brush": "brush",
    "rectangle": "rectangle",
    "polygon": "polygon",
    "ellipse": "ellipse",
}
"""What objects can be written with."""

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
    """A tag that people annotate with; `images` are the tags that it belongs to."""

    kind: ControlKind
    tag: str
    name: str
    images: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    smart: bool = False
    several: bool = False

    def label_for(self, found: str) -> str | None:
        """The label that is written for what a model found; None drops it."""
        called = _called(self.labels, found)
        if called is None and len(self.labels) == 1 and found.casefold() in NAMELESS:
            called = self.labels[0]
        return called.name if called else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """The parts of a label config that matter to a model; two equal ones get equal predictions."""

    images: Mapping[str, str]
    controls: tuple[Control, ...]

    def outputs(self, image: str) -> tuple[Control, ...]:
        """The controls that predictions for this image are written with.

        Smart ones are for prompts, and are written with only where there are no others.
        """
        own = [each for each in self.controls if image in each.images]
        drawn = [each for each in own if each.kind in DRAWN]
        plain = [each for each in drawn if not each.smart] or drawn
        return (*plain, *(each for each in own if each.kind == "choices"))

    def labels(self, image: str) -> tuple[Label, ...]:
        """The labels that predictions for this image can have, each once."""
        offered = {each.name: each for control in self.outputs(image) for each in control.labels}
        return tuple(offered.values())

    def label_asked_for(self, image: str, words: str) -> str:
        """The label for what a person asked for: the one they named, or else the first.

        Label Studio puts the label that is selected there over it when a person accepts.
        """
        labels = self.labels(image)
        said = set(_words(words))
        within = (each for each in labels if set(_words(each.name)) <= said)
        chosen = _called(labels, words) or next(within, labels[0] if labels else None)
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
        for tag in root.iter()
        if tag.tag in CONTROLS and (control := _control(tag, images)) is not None
    )
    config = LabelConfig(images=images, controls=controls)
    _require_usable(config, root)
    return config


def ignored_tags(xml: str) -> tuple[str, ...]:
    """The tags that people annotate with, but that nothing is written to, as <Tag name="...">."""
    return tuple(
        f'<{tag.tag} name="{tag.get("name")}">'
        for tag in _root(xml).iter()
        if tag.get("toName") and (tag.tag not in CONTROLS or tag.get("model_skip") == "true")
    )


def images_of(xml: str) -> dict[str, str]:
    """The names of the image tags, and what of a task's data each shows (as in `$image`)."""
    return _images(_root(xml))


def _images(root: ET.Element) -> dict[str, str]:
    return {
        str(tag.get("name")): str(tag.get("value"))
        for tag in root.iter("Image")
        if tag.get("value")
    }


def _called(labels: Sequence[Label], found: str) -> Label | None:
    """The label of this name, or else the first that a model may call so."""
    wanted = found.strip().casefold()
    for each in labels:
        if each.name.casefold() == wanted:
            return each
    phrased = (each for each in labels if wanted in map(str.casefold, each.phrases))
    return next(phrased, None)


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


def _control(tag: ET.Element, images: Mapping[str, str]) -> Control | None:
    shown = tuple(name for name in str(tag.get("toName")).split(",") if name in images)
    if not shown or tag.get("model_skip") == "true":
        return None
    return Control(
        kind=CONTROLS[tag.tag],
        tag=tag.tag,
        name=str(tag.get("name")),
        images=shown,
        labels=tuple(_labels(tag)),
        smart=tag.get("smart") == "true",
        several=tag.get("choice", "single") != "single",
    )


def _labels(tag: ET.Element) -> Iterator[Label]:
    for each in tag.iter():
        # Label Studio writes the alias where there is one.
        name = each.get("alias") or each.get("value")
        if each.tag in ("Label", "Choice") and name:
            value = str(each.get("value") or name)
            phrases = [part for name in PHRASE_ATTRIBUTES for part in _parts(each.get(name))]
            yield Label(name=name, phrases=tuple(phrases or [value]))


def _parts(text: str | None) -> Sequence[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _require_usable(config: LabelConfig, root: ET.Element) -> None:
    if not len(root):
        return  # a new project, which Label Studio may connect before it has labels
    if not config.images:
        raise UnusableLabelConfig(
            'The label config has no <Image value="$...">; premask labels single images only.'
        )
    if not any(config.outputs(image) for image in config.images):
        tags = ", ".join(f"<{tag}>" for tag, kind in CONTROLS.items() if kind in DRAWN)
        raise UnusableLabelConfig(
            f"The label config has nothing to write masks or boxes with; add one of {tags} "
            "or <Choices> whose toName is the name of the <Image>."
        )
