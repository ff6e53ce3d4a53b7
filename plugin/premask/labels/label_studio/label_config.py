"""The labeling configuration (XML) that shows the regions, and the names of its tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from premask.labels.label_studio.control_tags import CONTROL_TAGS
from premask.labels.label_studio.shapes import Json
from premask.labels.palette import hex_color

TOOLS = ("BrushLabels", "RectangleLabels", "PolygonLabels")
"""What a configuration of premask's own offers: the tags that its formats write."""


PATH_SEPARATOR = " / "
"""Between the items of a taxonomy's path, as the editor shows them; the path is one label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelList:
    """The tag that has the labels for plain tags: <Labels>, or a <Taxonomy> for each region."""

    tag: str = "Labels"
    name: str = "labels"

    def said(self, label: str) -> Json:
        """What the value of its region says."""
        item = label.split(PATH_SEPARATOR) if self.tag == "Taxonomy" else label
        return {self.tag.lower(): [item]}


@dataclass(frozen=True, slots=True, kw_only=True)
class TagNames:
    """The names that a labeling configuration gives to its image and to its control tags.

    A control tag that `controls` does not name has its default name.
    """

    image: str = "image"
    controls: Mapping[str, str] = field(default_factory=dict)
    labels: LabelList = field(default_factory=LabelList)

    def of(self, control: str) -> str:
        return self.controls.get(control, CONTROL_TAGS[control].default_name)


DEFAULT_NAMES = TagNames()


def label_config(
    labels: Sequence[str], names: TagNames = DEFAULT_NAMES, *, tools: Sequence[str] = TOOLS
) -> str:
    """A labeling configuration (XML) for the regions of these labels.

    Each tool has a panel with its name above it, and one is open at a time: a label chooses the
    tool that it belongs to, and people could not tell three equal ones apart.
    """
    lines = ["<View>", f'  <Image name={quoteattr(names.image)} value="$image" zoom="true"/>']
    lines.append("  <Collapse>")
    for tool in tools:
        title, opened = tool.removesuffix("Labels"), ' open="true"' if tool == tools[0] else ""
        attributes = f"name={quoteattr(names.of(tool))} toName={quoteattr(names.image)}"
        lines += [f'    <Panel value="{title}"{opened}>', f"      <{tool} {attributes}>"]
        lines += [
            f'        <Label value={quoteattr(label)} background="{hex_color(number)}"/>'
            for number, label in enumerate(labels, start=1)
        ]
        lines += [f"      </{tool}>", "    </Panel>"]
    return "\n".join([*lines, "  </Collapse>", "</View>", ""])
