"""A project's label config: its images and videos, its labels, and what is drawn with what."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_backend.project.controls import Control, Label, control_in, is_served, label_called
from ml_backend.project.task_data import shown
from ml_backend.project.video_tags import VideoTag, served_of, video_tags
from premask.errors import InvalidRequest, UnusableLabelConfig
from premask.labels.label_studio import CONTROL_TAGS, EXACTNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """The parts of a label config that matter to a model; two equal ones get equal predictions."""

    images: Mapping[str, str]
    controls: tuple[Control, ...]
    videos: Mapping[str, VideoTag] = field(default_factory=dict)

    def drawn(self, image: str) -> tuple[Control, ...]:
        """The controls that objects on this image are written with, the most exact ones first.

        Smart ones are for prompts, and are written with only where there are no others, or where
        their author asks for it.
        """
        drawn = [
            control
            for control in self.controls
            if image in control.images and control.definition.write
        ]
        plain = [control for control in drawn if not control.smart or control.also]
        return tuple(
            sorted(plain or drawn, key=lambda control: EXACTNESS[control.definition.region_type])
        )

    def outputs(self, image: str) -> tuple[Control, ...]:
        """The controls that predictions for this image are written with."""
        of_whole_image = [
            control
            for control in self.controls
            if image in control.images and control.definition.write_classes
        ]
        return (*self.drawn(image), *of_whole_image)

    def labels(self, image: str) -> tuple[Label, ...]:
        """The labels that predictions for this image can have, without repetition."""
        return _without_repetition(self.outputs(image))

    def label_asked_for(self, image: str, words: str) -> str:
        """The label for what a person asked for: the one they named, or else the first.

        Label Studio puts the label that is selected there over it when a person accepts.
        """
        labels = _without_repetition(self.drawn(image))
        said = set(_words(words))
        within = (label for label in labels if set(_words(label.name)) <= said)
        chosen = label_called(labels, words) or next(within, labels[0] if labels else None)
        return chosen.name if chosen else words

    def image_url(self, image: str, data: Mapping[str, Any]) -> str:
        """Where the image of this tag is, according to the task's data."""
        value = self.images[image]
        if url := shown(value, data):
            return url
        raise InvalidRequest(
            f"The task has no image in '{value.removeprefix('$')}', which the tag '{image}' shows; "
            f"it has: {', '.join(map(str, data)) or 'nothing'}."
        )


def parse_label_config(xml: str) -> LabelConfig:
    """What the XML says; `UnusableLabelConfig` where nothing can be predicted for it."""
    root = _root(xml)
    images = _images(root)
    controls = tuple(
        control
        for element in _elements(root)
        if element.tag in CONTROL_TAGS and (control := control_in(element, images)) is not None
    )
    videos = video_tags(list(_elements(root)))
    config = LabelConfig(images=images, controls=controls, videos=videos)
    _require_usable(config, root)
    return config


def ignored_tags(xml: str) -> tuple[str, ...]:
    """The tags that people annotate with, but that nothing is written to, as <Tag name="...">."""
    elements = list(_elements(_root(xml)))
    videos, of_videos = set(video_tags(elements)), set(map(id, served_of(elements)))

    def is_ignored(element: ET.Element) -> bool:
        targets = str(element.get("toName")).split(",")
        if videos.issuperset(targets):
            return id(element) not in of_videos
        return not is_served(element)

    return tuple(
        f'<{element.tag} name="{element.get("name")}">'
        for element in elements
        if element.get("toName") and is_ignored(element)
    )


def videos_of(xml: str) -> dict[str, VideoTag]:
    """The video tags by their names, whatever is annotated with."""
    return video_tags(list(_elements(_root(xml))))


def has_repeater(xml: str) -> bool:
    """Whether some tags are made anew for each task, by its data."""
    return _root(xml).find(".//Repeater") is not None


def images_of(xml: str) -> dict[str, str]:
    """The names of the image tags, and what of a task's data each shows (as in `$image`)."""
    return _images(_root(xml))


def _images(root: ET.Element) -> dict[str, str]:
    return {
        str(element.get("name")): str(element.get("value"))
        for element in _elements(root)
        if element.tag == "Image" and element.get("value")
    }


def _exactness(control: Control) -> int:
    return EXACTNESS[control.definition.region_type]


def _without_repetition(controls: Sequence[Control]) -> tuple[Label, ...]:
    by_name = {label.name: label for control in controls for label in control.labels}
    return tuple(by_name.values())


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


def _elements(root: ET.Element) -> Iterator[ET.Element]:
    """All elements but those in a <Repeater>: their number and names differ from task to task."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(child for child in reversed(element) if child.tag != "Repeater")


def _require_usable(config: LabelConfig, root: ET.Element) -> None:
    if not len(root):
        return  # a new project, which Label Studio may connect before it has labels
    if any(video.is_written for video in config.videos.values()):
        return
    if not config.images and root.find(".//Repeater") is not None:
        raise UnusableLabelConfig(
            "The images of the label config are in a <Repeater>, which makes their tags anew for "
            'each task; premask labels images with a tag of their own: <Image value="$...">.'
        )
    if not config.images:
        raise UnusableLabelConfig(
            'The label config has no <Image value="$...">, and no <Video value="$..."> with '
            '<VideoRectangle name="box" toName="..."/>; premask labels single images, and videos.'
        )
    if not any(config.outputs(image) for image in config.images):
        *tags, last = (f"<{tag.name}>" for tag in CONTROL_TAGS.values() if tag.is_written)
        raise UnusableLabelConfig(
            "The label config has nothing to write masks or boxes with; add one of "
            f"{', '.join(tags)} or {last} whose toName is the name of the <Image>."
        )
