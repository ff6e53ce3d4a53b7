"""The control tags that premask knows: how each is written, read, and used to ask for something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from premask.annotations import Annotation
from premask.labels.label_studio.region_prompts import (
    box_prompt,
    ellipse_prompt,
    point_prompt,
    polygon_prompt,
    stroke_prompt,
    words_prompt,
)
from premask.labels.label_studio.shapes import (
    Json,
    Shape,
    Value,
    bitmask_shape,
    brush_shape,
    brush_values,
    ellipse_shape,
    ellipse_values,
    polygon_shape,
    polygon_values,
    rectangle_shape,
    rectangle_values,
)
from premask.masks import Size
from premask.prompts import Prompts


def choice_value(labels: Sequence[str]) -> Json:
    return {"choices": list(labels)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTag:
    """A tag that people annotate an image with; what premask can't do with it stays None.

    - `write` yields the values of the regions that show one object, without its label.
    - `needs_mask` says that it yields nothing for an object that is only a box.
    - `write_classes` makes the value of the one region that names the classes in an image.
    - `read` reads the value of a region as the shape of one object.
    - `prompt` reads what a person asks for with a region; `prompt_name` is what /setup calls that.
    - `takes_words` says that the prompt is text, which not every recipe understands.
    - `other_types` are further `type`s of regions that are read as prompts like its own.
    """

    name: str
    write: Callable[[Annotation, Size], Iterator[Json]] | None = None
    needs_mask: bool = False
    write_classes: Callable[[Sequence[str]], Json] | None = None
    read: Callable[[Value, Size], Shape] | None = None
    prompt: Callable[[Json, Size], Prompts] | None = None
    prompt_name: str = ""
    takes_words: bool = False
    other_types: tuple[str, ...] = ()

    @property
    def region_type(self) -> str:
        """The `type` of its regions, and in their values the key of the labels."""
        return self.name.lower()

    @property
    def default_name(self) -> str:
        """What premask calls the tag in label configs of its own."""
        return self.name.removesuffix("Labels").lower()

    @property
    def is_written(self) -> bool:
        return self.write is not None or self.write_classes is not None

    def values(self, annotation: Annotation, size_hw: Size) -> Iterator[Json]:
        """The values of the regions that show one object, with its label."""
        for value in self.write(annotation, size_hw) if self.write else ():
            yield value | {self.region_type: [annotation.label]}


CONTROL_TAGS = {
    tag.name: tag
    for tag in (
        ControlTag(
            name="BrushLabels",
            write=brush_values,
            needs_mask=True,
            read=brush_shape,
            prompt=stroke_prompt,
            prompt_name="strokes",
        ),
        ControlTag(name="BitmaskLabels", read=bitmask_shape),
        ControlTag(
            name="PolygonLabels",
            write=polygon_values,
            needs_mask=True,
            read=polygon_shape,
            prompt=polygon_prompt,
            prompt_name="polygons",
        ),
        ControlTag(
            name="RectangleLabels",
            write=rectangle_values,
            read=rectangle_shape,
            prompt=box_prompt,
            prompt_name="boxes",
        ),
        ControlTag(
            name="EllipseLabels",
            write=ellipse_values,
            read=ellipse_shape,
            prompt=ellipse_prompt,
            prompt_name="ellipses",
        ),
        ControlTag(
            name="KeyPointLabels",
            prompt=point_prompt,
            prompt_name="clicks",
            other_types=("keypoint",),
        ),
        ControlTag(
            name="TextArea",
            prompt=words_prompt,
            prompt_name="words",
            takes_words=True,
        ),
        ControlTag(name="Choices", write_classes=choice_value),
    )
}
"""By name, those that show an object most exactly first. A further tag is one more entry, with its
functions in shapes.py and region_prompts.py; everything that reads, writes or reports on tags goes
through this table."""

SHAPE_READERS = {tag.region_type: tag.read for tag in CONTROL_TAGS.values() if tag.read is not None}
READABLE_TYPES = frozenset(SHAPE_READERS)
"""The types of regions that `annotations_from_regions` reads."""

EXACTNESS = {region_type: place for place, region_type in enumerate(SHAPE_READERS)}
"""By the type of a region: the smaller the number, the more exactly it shows an object."""

_PROMPT_READERS = {
    region_type: tag.prompt
    for tag in CONTROL_TAGS.values()
    if tag.prompt is not None
    for region_type in (tag.region_type, *tag.other_types)
}


def prompts_from_region(region: Json, size_hw: Size) -> Prompts:
    """What a region asks for on the upright image of this size; nothing where its tag can't ask."""
    reader = _PROMPT_READERS.get(str(region.get("type")))
    return reader(region, size_hw) if reader else Prompts()
