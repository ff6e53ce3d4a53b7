"""The labeling configuration (XML) that shows the regions, and the names of its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import quoteattr

from premask.labels.palette import hex_color

RegionKind = Literal["brush", "rectangle", "polygon", "ellipse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The names that a labeling configuration gives to its image and to its tools."""

    image: str = "image"
    brush: str = "brush"
    rectangle: str = "rectangle"
    polygon: str = "polygon"
    ellipse: str = "ellipse"


DEFAULT_TAGS = Tags()


def label_config(labels: Sequence[str], tags: Tags = DEFAULT_TAGS) -> str:
    """A labeling configuration (XML) for the regions of these labels."""
    tools = {
        "BrushLabels": tags.brush,
        "RectangleLabels": tags.rectangle,
        "PolygonLabels": tags.polygon,
    }
    lines = ["<View>", f'  <Image name={quoteattr(tags.image)} value="$image" zoom="true"/>']
    for tool, name in tools.items():
        lines.append(f"  <{tool} name={quoteattr(name)} toName={quoteattr(tags.image)}>")
        lines += [
            f'    <Label value={quoteattr(label)} background="{hex_color(number)}"/>'
            for number, label in enumerate(labels, start=1)
        ]
        lines.append(f"  </{tool}>")
    return "\n".join([*lines, "</View>", ""])
