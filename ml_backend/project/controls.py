"""The control tags of a label config: their labels, and what models call these."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ml_backend.project import model_attributes
from ml_backend.project.model_attributes import phrases_of, recipe_named, switched_on, threshold_of
from ml_backend.project.repeaters import Repeater
from premask.annotations import Annotation
from premask.labels.label_studio import CONTROL_TAGS, PATH_SEPARATOR, ControlTag, LabelList

NAMELESS = ("", "object", "subject")
"""What models call something without saying what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label as it is written, and the words that a model may have for it.

    `threshold` is the lowest score of what gets it, where its author says one.
    """

    name: str
    phrases: tuple[str, ...]
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control tag in a label config; `images` are the names of the image tags it belongs to.

    `several` lets a person choose several labels. `also` is `model_also="true"`: objects are
    written with it even where a more exact tag shows them. `label_list` has the labels of a plain
    tag, `turns` is `canRotate="true"`, and `per_item` a choice for each image of a list. `recipe`
    and `threshold` are the `model_recipe` and the `model_score_threshold` of its author.

    It is part of the model version, so it must hold nothing that differs between processes.
    """

    tag: str
    name: str
    images: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    smart: bool = False
    several: bool = False
    also: bool = False
    label_list: LabelList | None = None
    turns: bool = False
    per_item: bool = False
    recipe: str = ""
    threshold: float | None = None

    @property
    def definition(self) -> ControlTag:
        """How regions of this tag are written and read."""
        return CONTROL_TAGS[self.tag]

    def label_for(self, found: str) -> str | None:
        """The label that is written for what a model calls so; None drops it."""
        label = self._label_called(found)
        return label.name if label else None

    def label_of(self, found: Annotation) -> str | None:
        """The label that is written for what a model found; None where its score is too low, too.

        What has no score is never too low, as in the recipe's own selection.
        """
        label = self._label_called(found.label)
        if label is None:
            return None
        least = self.threshold if label.threshold is None else label.threshold
        too_low = least is not None and found.score is not None and found.score < least
        return None if too_low else label.name

    def _label_called(self, found: str) -> Label | None:
        label = label_called(self.labels, found)
        if label is None and len(self.labels) == 1 and found.casefold() in NAMELESS:
            return self.labels[0]
        return label

    def repeated(self, repeater: Repeater, number: int) -> Control:
        """The same one as the repeater that it stands in makes it for an item."""
        labels = self.label_list
        return replace(
            self,
            name=repeater.repeated(self.name, number),
            label_list=labels and replace(labels, name=repeater.repeated(labels.name, number)),
        )

    def __str__(self) -> str:
        shape = f'<{self.tag} name="{self.name}">'
        if self.label_list is None:
            return shape
        return f'{shape} and <{self.label_list.tag} name="{self.label_list.name}">'


def label_called(labels: Sequence[Label], found: str) -> Label | None:
    """The label of this name, or else the first that a model may call so."""
    wanted = found.strip().casefold()
    named = (label for label in labels if label.name.casefold() == wanted)
    phrased = (label for label in labels if wanted in map(str.casefold, label.phrases))
    return next(named, None) or next(phrased, None)


def is_served(element: ET.Element) -> bool:
    """Whether a tag is one that premask writes or reads, and its author leaves it to premask."""
    tag = CONTROL_TAGS.get(element.tag)
    if tag is None or switched_on(element, model_attributes.SKIP):
        return False
    # Such choices are said of one region; premask knows only classes of whole images.
    return not (tag.write_classes and element.get("perRegion") == "true")


def is_label_list(element: ET.Element) -> bool:
    """Whether a tag has the labels of plain tags, such as <Brush>."""
    if switched_on(element, model_attributes.SKIP):
        return False
    # The open edition does not know `labeling`, and takes it for a taxonomy of the whole image; a
    # label is shown at its region all the same.
    per_region = "true" in (element.get("perRegion"), element.get("labeling"))
    return element.tag == "Labels" or (element.tag == "Taxonomy" and per_region)


def controls_in(elements: Sequence[ET.Element], images: Collection[str]) -> Iterator[Control]:
    """The controls that belong to images, and that their author leaves to premask.

    A plain tag is one for each list of labels that its images have.
    """
    lists = [element for element in elements if is_label_list(element)]
    for element in elements:
        own_images = _targets(element, images)
        if not own_images or not is_served(element):
            continue
        control = Control(
            tag=element.tag,
            name=str(element.get("name")),
            images=own_images,
            labels=tuple(labels_in(element)),
            smart=element.get("smart") == "true",
            several=element.get("choice", "single") != "single",
            also=switched_on(element, model_attributes.ALSO),
            turns=element.get("canRotate") == "true",
            per_item=element.get("perItem") == "true",
            recipe=recipe_named(element),
            threshold=threshold_of(element),
        )
        own_lists = [one for one in lists if set(own_images) & set(_targets(one, images))]
        if control.definition.is_plain and own_lists:
            yield from (_with_labels(control, one) for one in own_lists)
        else:
            yield control


def labels_in(control: ET.Element) -> Iterator[Label]:
    """The labels of a tag, or the choices; of a taxonomy those that nothing is below.

    Others are one, too, where their author says what models call them.
    """
    if control.tag == "Taxonomy":
        yield from _paths_in(control, ())
        return
    for element in control.iter():
        name = _written_name(element)
        if element.tag in ("Label", "Choice") and name:
            yield _label(name, element)


def _with_labels(control: Control, labels: ET.Element) -> Control:
    return replace(
        control,
        labels=tuple(labels_in(labels)),
        label_list=LabelList(tag=labels.tag, name=str(labels.get("name"))),
        recipe=control.recipe or recipe_named(labels),
        threshold=threshold_of(labels) if control.threshold is None else control.threshold,
    )


def _paths_in(parent: ET.Element, path: tuple[str, ...]) -> Iterator[Label]:
    for element in parent:
        name = _written_name(element)
        if element.tag != "Choice" or not name:
            yield from _paths_in(element, path)
            continue
        own_path = (*path, name)
        if phrases_of(element) or element.find("Choice") is None:
            yield _label(PATH_SEPARATOR.join(own_path), element)
        yield from _paths_in(element, own_path)


def _written_name(element: ET.Element) -> str | None:
    """Label Studio writes the alias where there is one."""
    return element.get("alias") or element.get("value")


def _label(name: str, element: ET.Element) -> Label:
    said = element.get("value") or str(_written_name(element))
    return Label(name=name, phrases=phrases_of(element) or (said,), threshold=threshold_of(element))


def _targets(element: ET.Element, images: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in str(element.get("toName")).split(",") if name in images)
