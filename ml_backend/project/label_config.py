"""A project's label config: its images and videos, its labels, and what is drawn with what."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ml_backend.project.config_elements import elements_of, repeated_elements, root_of
from ml_backend.project.controls import (
    Control,
    Label,
    controls_in,
    is_label_list,
    is_served,
    label_called,
)
from ml_backend.project.model_attributes import require_scores
from ml_backend.project.repeaters import Repeater
from ml_backend.project.task_data import shown, shown_list
from ml_backend.project.video_tags import VideoTag, served_of, video_tags
from premask.errors import InvalidRequest, UnusableLabelConfig
from premask.labels.label_studio import CONTROL_TAGS, EXACTNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One image that a tag shows; `item_index` is its place in the list of a `valueList`."""

    url: str
    item_index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """The parts of a label config that matter to a model; two equal ones get equal predictions.

    `images` are the names of the image tags, and what of a task's data each shows (as in `$image`);
    for those in `listed` that is a list of images (`valueList`). Those in `repeated` are made anew
    for each task, with their controls: see `of_task`.
    """

    images: Mapping[str, str]
    controls: tuple[Control, ...]
    videos: Mapping[str, VideoTag] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    repeated: Mapping[str, Repeater] = field(default_factory=dict)

    def of_task(self, data: Mapping[str, Any]) -> LabelConfig:
        """The same config with the tags that its repeaters make for a task's data."""
        if not self.repeated:
            return self
        images, listed = dict[str, str](), list(self.listed)
        controls = [control for control in self.controls if not _is_repeated(control, self)]
        for name, value in self.images.items():
            repeater = self.repeated.get(name)
            if repeater is None:
                images[name] = value
                continue
            own = [control for control in self.controls if name in control.images]
            for number in repeater.numbers(data):
                image = repeater.repeated(name, number)
                images[image] = repeater.repeated(value, number)
                listed += [image] if name in self.listed else []
                controls += (
                    replace(control.repeated(repeater, number), images=(image,)) for control in own
                )
        return replace(
            self, images=images, controls=tuple(controls), listed=tuple(listed), repeated={}
        )

    def require_images(self, data: Mapping[str, Any]) -> None:
        """Raise where repeaters find nothing in a task: that is not to have looked at it."""
        if self.repeated and not self.of_task(data).images:
            lists = ", ".join(dict.fromkeys(repeater.on for repeater in self.repeated.values()))
            raise InvalidRequest(
                f"The task has no items in {lists}, which a <Repeater> shows; it has: "
                f"{', '.join(map(str, data)) or 'nothing'}."
            )

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
        """The controls that predictions for this image are written with.

        A choice for a whole list of images is none of them: each image may show something else.
        """
        of_whole_image = [
            control
            for control in self.controls
            if image in control.images
            and control.definition.write_classes
            and (control.per_item or image not in self.listed)
        ]
        return (*self.drawn(image), *of_whole_image)

    def control(self, region: Mapping[str, Any]) -> Control | None:
        """The control that a region was drawn or written with."""
        named = (control for control in self.controls if control.name == region.get("from_name"))
        return next(named, None)

    def labels(self, image: str) -> tuple[Label, ...]:
        """The labels that predictions for this image can have, without repetition."""
        return without_repetition(self.outputs(image))

    def label_asked_for(self, image: str, words: str) -> str:
        """The label for what a person asked for: the one they named, or else the first.

        Label Studio puts the label that is selected there over it when a person accepts.
        """
        labels = without_repetition(self.drawn(image))
        said = set(_words(words))
        within = (label for label in labels if set(_words(label.name)) <= said)
        chosen = label_called(labels, words) or next(within, labels[0] if labels else None)
        return chosen.name if chosen else words

    def pages(self, image: str, data: Mapping[str, Any]) -> list[Page]:
        """The images that this tag shows, according to the task's data."""
        value, pages = self.images[image], self._pages(image, data)
        if pages and all(page.url for page in pages):
            return pages
        raise InvalidRequest(
            f"The task has no image in '{value.removeprefix('$')}', which the tag '{image}' shows; "
            f"it has: {', '.join(map(str, data)) or 'nothing'}."
        )

    def all_pages(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Page]]:
        """Each image of a task, with the name of its tag; one that the data lack has no URL."""
        for image in self.images:
            yield from ((image, page) for page in self._pages(image, data))

    def _pages(self, image: str, data: Mapping[str, Any]) -> list[Page]:
        value = self.images[image]
        if image not in self.listed:
            return [Page(url=shown(value, data))]
        urls = (url if isinstance(url, str) else "" for url in shown_list(value, data))
        return [Page(url=url, item_index=place) for place, url in enumerate(urls)]


def parse_label_config(xml: str) -> LabelConfig:
    """What the XML says; `UnusableLabelConfig` where nothing can be predicted for it."""
    config, root = read_label_config(xml), root_of(xml)
    require_scores(root.iter())
    _require_usable(config, root)
    return config


def read_label_config(xml: str) -> LabelConfig:
    """What the XML says, whether anything can be predicted for it or not."""
    root = root_of(xml)
    elements, repeaters = list(elements_of(root)), dict(repeated_elements(root))
    shown_by = {
        str(element.get("name")): element
        for element in (*elements, *repeaters)
        if element.tag == "Image" and (element.get("value") or element.get("valueList"))
    }
    return LabelConfig(
        images={
            name: str(element.get("valueList") or element.get("value"))
            for name, element in shown_by.items()
        },
        controls=tuple(controls_in((*elements, *repeaters), shown_by)),
        videos=video_tags(elements),
        listed=tuple(name for name, element in shown_by.items() if element.get("valueList")),
        repeated={
            name: repeaters[element] for name, element in shown_by.items() if element in repeaters
        },
    )


def ignored_tags(xml: str) -> tuple[str, ...]:
    """The tags that people annotate with, but that nothing is written to, as <Tag name="...">."""
    root = root_of(xml)
    elements = list(elements_of(root))
    videos, of_videos = set(video_tags(elements)), set(map(id, served_of(elements)))
    lists = {
        control.label_list.name
        for control in read_label_config(xml).controls
        if control.label_list is not None
    }

    def is_ignored(element: ET.Element) -> bool:
        targets = str(element.get("toName")).split(",")
        if videos.issuperset(targets):
            return id(element) not in of_videos
        if is_label_list(element):
            return element.get("name") not in lists
        return not is_served(element)

    return tuple(
        f'<{element.tag} name="{element.get("name")}">'
        for element in (*elements, *dict(repeated_elements(root)))
        if element.get("toName") and is_ignored(element)
    )


def _is_repeated(control: Control, config: LabelConfig) -> bool:
    return not config.repeated.keys().isdisjoint(control.images)


def without_repetition(controls: Iterable[Control]) -> tuple[Label, ...]:
    """The labels of these controls; of those with one name, the last."""
    by_name = {label.name: label for control in controls for label in control.labels}
    return tuple(by_name.values())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _require_usable(config: LabelConfig, root: ET.Element) -> None:
    if not len(root):
        return  # a new project, which Label Studio may connect before it has labels
    if any(video.is_written for video in config.videos.values()):
        return
    if not config.images:
        raise UnusableLabelConfig(
            'The label config has no <Image value="$...">, and no <Video value="$..."> with '
            '<VideoRectangle name="box" toName="..."/>; premask labels images, and videos.'
        )
    if not any(config.outputs(image) for image in config.images):
        written = [tag for tag in CONTROL_TAGS.values() if tag.is_written and not tag.is_plain]
        *tags, last = (f"<{tag.name}>" for tag in written)
        raise UnusableLabelConfig(
            "The label config has nothing to write masks or boxes with; add one of "
            f"{', '.join(tags)} or {last} whose toName is the name of the <Image>."
        )
