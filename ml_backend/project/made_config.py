"""Whether a label config can show what is sent; and one that can, for an empty project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from ml_backend.project.attributes import NO, YES
from ml_backend.project.label_config import LabelConfig, read_label_config
from ml_backend.project.regions import is_visible
from ml_backend.project.sent_tasks import only_image
from premask.errors import UnusableLabelConfig
from premask.exchange.records import SentSample, Value
from premask.labels.palette import hex_color

EXACT = ("BitmaskLabels", "Bitmask", "BrushLabels", "Brush", "PolygonLabels", "Polygon")
"""Tags that show a mask pixel by pixel."""

BOXES = ("RectangleLabels", "Rectangle")

MOST_CHOICES = 20
"""A text with more values than these is typed."""


@dataclass(slots=True)
class Contents:
    """What is sent: how many labels of each class are masks and boxes, and which attributes."""

    masks: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    attributes: dict[str, set[Value]] = field(default_factory=dict)
    samples: int = 0

    @classmethod
    def of(cls, samples: Iterable[SentSample]) -> Contents:
        """Count them, sample by sample."""
        contents = cls()
        for sample in samples:
            contents.samples += 1
            for label in filter(lambda label: is_visible(label.annotation), sample.labels):
                annotation = label.annotation
                kind = contents.boxes if annotation.mask is None else contents.masks
                kind[annotation.label] += 1
                for name, value in label.attributes.items():
                    values = contents.attributes.setdefault(name, set())
                    # One more than a list may have says that there are too many.
                    if len(values) <= MOST_CHOICES:
                        values.add(value)
        return contents

    @property
    def classes(self) -> list[str]:
        return sorted({*self.masks, *self.boxes})


def is_empty(label_config: str) -> bool:
    """Whether nobody has said yet what the project is for."""
    config = read_label_config(label_config)
    return not (config.images or config.videos or config.controls)


def config_for(contents: Contents) -> str:
    """A label config with the classes and attributes of what is sent."""
    tools = [tool for tool, kind in _TOOLS.items() if getattr(contents, kind)]
    lines = ["<View>", '  <Image name="image" value="$image" zoom="true" smoothing="false"/>']
    for tool in tools or _TOOLS:
        lines.append(f'  <{tool} name="{tool.removesuffix("Labels").lower()}" toName="image">')
        lines += [
            f'    <Label value={quoteattr(name)} background="{hex_color(number)}"/>'
            for number, name in enumerate(contents.classes or ["object"], start=1)
        ]
        lines.append(f"  </{tool}>")
    for name, values in sorted(contents.attributes.items()):
        lines += _attribute_lines(name, values)
    return "\n".join([*lines, "</View>", ""])


_TOOLS = {"BitmaskLabels": "masks", "RectangleLabels": "boxes"}
"""Bitmasks: unlike brushes they stay exact while somebody corrects them."""


def require_fitting(config: LabelConfig, contents: Contents) -> None:
    """Raise with all that the label config lacks; what is sent must come back as it was."""
    image, _ = only_image(config)
    missing = list(_missing(config, image, contents))
    if missing:
        raise UnusableLabelConfig(
            f"The project's label config can't show all that is sent: {'; '.join(missing)}. Add "
            "that in Settings > Labeling Interface, or send to a project without a label config: "
            "then premask makes one."
        )


def _missing(config: LabelConfig, image: str, contents: Contents) -> Iterator[str]:
    for kind, tags, counts in (
        ("masks", EXACT, contents.masks),
        ("boxes", BOXES, contents.boxes),
    ):
        controls = [control for control in config.drawn(image) if control.tag in tags]
        lacking = [
            f"{name!r} ({count})"
            for name, count in sorted(counts.items())
            if not any(control.label_for(name) for control in controls)
        ]
        if lacking and not controls:
            yield f"it has no <{tags[0]}> for {counts.total()} {kind}"
        elif lacking:
            on = " or ".join(dict.fromkeys(f"<{control.tag}>" for control in controls))
            yield f"{on} has no label {', '.join(lacking)} for {kind}"


def _attribute_lines(name: str, values: set[Value]) -> Iterator[str]:
    """A control for each region; premask finds it again by the attribute's name."""
    start = f'name={quoteattr(name)} toName="image" perRegion="true"'
    choices = sorted(str(value) for value in values)
    if all(isinstance(value, bool) for value in values):
        choices = [YES, NO]
    elif not any(isinstance(value, (str, bool)) for value in values):
        yield f"  <Number {start}/>"
        return
    elif len(values) > MOST_CHOICES:
        yield f'  <TextArea {start} maxSubmissions="1" editable="true"/>'
        return
    yield f'  <Choices {start} choice="single" showInline="true">'
    yield from (f"    <Choice value={quoteattr(choice)}/>" for choice in choices)
    yield "  </Choices>"
