"""The videos of a label config, and what their objects are drawn with."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_backend.project.controls import Control, Label, labels_in
from ml_backend.project.model_attributes import SKIP, recipe_named, switched_on
from ml_backend.project.task_data import shown
from premask.errors import InvalidRequest
from premask.labels.label_studio.video_regions import DEFAULT_RATE, frame_rate

BOXES, SPANS, LABELS = "VideoRectangle", "TimelineLabels", "Labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTag:
    """A <Video>; `boxes` is the name of its <VideoRectangle>, and `labels` are for these.

    `rate` is its `frameRate`, which may be taken from the task's data. `spans` are its
    <TimelineLabels>, which say when something is there. `recipe` is the `model_recipe` of either.
    """

    name: str
    value: str
    rate: str = str(DEFAULT_RATE)
    boxes: str = ""
    smart: bool = False
    labels: Control | None = None
    spans: Control | None = None
    recipe: str = ""

    @property
    def is_written(self) -> bool:
        """Whether there is anything to write what is found with."""
        return bool(self.boxes and self.labels) or self.spans is not None

    @property
    def all_labels(self) -> tuple[Label, ...]:
        """All labels that predictions can have, without repetition."""
        own = (control.labels for control in (self.labels, self.spans) if control is not None)
        return tuple({label.name: label for labels in own for label in labels}.values())

    def url(self, data: Mapping[str, Any]) -> str:
        """Where the video is, according to the task's data."""
        if url := shown(self.value, data):
            return url
        raise InvalidRequest(
            f"The task has no video in '{self.value.removeprefix('$')}', which the tag "
            f"'{self.name}' shows; it has: {', '.join(map(str, data)) or 'nothing'}."
        )

    def frame_rate(self, data: Mapping[str, Any]) -> float:
        """How many frames a second the editor counts."""
        return frame_rate(shown(self.rate, data))


def video_tags(elements: Sequence[ET.Element]) -> dict[str, VideoTag]:
    """The videos by their names."""
    controls = _controls(elements)
    return {
        str(element.get("name")): _video_tag(element, controls)
        for element in elements
        if element.tag == "Video" and element.get("value")
    }


def served_of(elements: Sequence[ET.Element]) -> Iterator[ET.Element]:
    """The tags that belong to videos, and that their author leaves to premask."""
    videos = video_tags(elements)
    for (_, video), controls in _controls(elements).items():
        if video in videos:
            yield from controls


_Controls = Mapping[tuple[str, str], Sequence[ET.Element]]
"""By their tag, and by the name of the tag that they belong to."""


def _video_tag(element: ET.Element, controls: _Controls) -> VideoTag:
    name = str(element.get("name"))
    boxes = next(iter(controls.get((BOXES, name), ())), None)
    own = [one for tag in (BOXES, LABELS, SPANS) for one in controls.get((tag, name), ())]
    return VideoTag(
        name=name,
        value=str(element.get("value")),
        rate=element.get("frameRate") or element.get("framerate") or str(DEFAULT_RATE),
        boxes="" if boxes is None else str(boxes.get("name")),
        smart=boxes is not None and boxes.get("smart") == "true",
        labels=_labels(LABELS, name, controls),
        spans=_labels(SPANS, name, controls),
        recipe=next(filter(None, map(recipe_named, own)), ""),
    )


def _labels(tag: str, video: str, controls: _Controls) -> Control | None:
    """The tags of this kind as one: the editor finds a label in whichever has it."""
    found = controls.get((tag, video), ())
    labels = tuple(label for element in found for label in labels_in(element))
    if not labels:
        return None
    return Control(tag=tag, name=str(found[0].get("name")), images=(video,), labels=labels)


def _controls(elements: Sequence[ET.Element]) -> _Controls:
    controls: dict[tuple[str, str], list[ET.Element]] = {}
    for element in elements:
        if element.tag in (BOXES, SPANS, LABELS) and not switched_on(element, SKIP):
            for target in str(element.get("toName")).split(","):
                controls.setdefault((element.tag, target), []).append(element)
    return controls
