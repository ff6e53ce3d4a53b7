"""The control tags that premask knows: how each is written, read, and used to ask for something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from premask.annotations import Annotation
from premask.labels.label_studio.region_prompts import (
    Region,
    bitmask_prompt,
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
    bitmask_values,
    brush_shape,
    brush_values,
    ellipse_shape,
    ellipse_values,
    polygon_shape,
    polygon_values,
    rectangle_shape,
    rectangle_values,
    turned_rectangle_values,
)
from premask.masks import Size
from premask.prompts import Prompts


def choice_value(labels: Sequence[str]) -> Json:
    return {"choices": list(labels)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTag:
    """A tag that people annotate an image with; what premask can't do with it stays None.

    - `is_plain` says that it has no labels, which a label list beside it holds: <Brush>, which is
      <BrushLabels> in all else.
    - `write` yields the values of the regions that show one object, without its label;
      `write_turned` is for tags that people may turn (`canRotate`).
    - `needs_mask` says that it yields nothing for an object that is only a box.
    - `write_classes` makes the value of the one region that names the classes in an image.
    - `read` reads the value of a region as the shape of one object.
    - `prompt` reads what a person asks for with a region; `prompt_name` is what /setup calls that.
    - `takes_words` says that the prompt is text, which not every recipe understands.
    """

    name: str
    is_plain: bool = False
    write: Callable[[Annotation, Size], Iterator[Json]] | None = None
    write_turned: Callable[[Annotation, Size], Iterator[Json]] | None = None
    needs_mask: bool = False
    write_classes: Callable[[Sequence[str]], Json] | None = None
    read: Callable[[Value, Size], Shape] | None = None
    prompt: Callable[[Region, Size], Prompts] | None = None
    prompt_name: str = ""
    takes_words: bool = False

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

    def values(
        self, annotation: Annotation, size_hw: Size, *, turned: bool = False
    ) -> Iterator[Json]:
        """The values of the regions that show one object, with its label if they have one."""
        write = (self.write_turned if turned else None) or self.write
        for value in write(annotation, size_hw) if write else ():
            yield value if self.is_plain else value | {self.region_type: [annotation.label]}


def _plain(tag: ControlTag) -> ControlTag:
    """The same tag without labels of its own."""
    return replace(tag, name=tag.name.removesuffix("Labels"), is_plain=True)


_LABELED = (
    ControlTag(
        name="BitmaskLabels",
        write=bitmask_values,
        needs_mask=True,
        read=bitmask_shape,
        prompt=bitmask_prompt,
        prompt_name="bitmasks",
    ),
    ControlTag(
        name="BrushLabels",
        write=brush_values,
        needs_mask=True,
        read=brush_shape,
        prompt=stroke_prompt,
        prompt_name="strokes",
    ),
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
        write_turned=turned_rectangle_values,
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
    ),
)
_OTHERS = (
    ControlTag(
        name="TextArea",
        prompt=words_prompt,
        prompt_name="words",
        takes_words=True,
    ),
    ControlTag(name="Choices", write_classes=choice_value),
)

CONTROL_TAGS = {
    tag.name: tag
    for tag in (
        *chain.from_iterable((tag, _plain(tag)) for tag in _LABELED),
        *_OTHERS,
    )
}
"""By name, those that show an object most exactly first: a bitmask before a brush, because it also
stays exact while a person corrects it. A further tag is one more entry, with its functions in
shapes.py and region_prompts.py; everything that reads, writes or reports on tags goes through this
table."""

SHAPE_READERS = {tag.region_type: tag.read for tag in CONTROL_TAGS.values() if tag.read is not None}
READABLE_TYPES = frozenset(SHAPE_READERS)
"""The types of regions that `annotations_from_regions` reads."""

EXACTNESS = {region_type: place for place, region_type in enumerate(SHAPE_READERS)}
"""By the type of a region: the smaller the number, the more exactly it shows an object."""

_PROMPT_READERS = {
    tag.region_type: tag.prompt for tag in CONTROL_TAGS.values() if tag.prompt is not None
}


def prompts_from_region(region: Region, size_hw: Size) -> Prompts:
    """What a region asks for on the upright image of this size; nothing where its tag can't ask."""
    reader = _PROMPT_READERS.get(str(region.get("type")))
    return reader(region, size_hw) if reader else Prompts()
