"""What of a dataset is kept, and what its classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidSetting
from premask.geometry import box_area

NO_CLASS = "object"
"""What objects are called whose format does not say what they are, such as PNGs of masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`renamed` comes first: `classes` are the names afterwards, and without any all are kept.

    `min_area` is in pixels, of the mask where there is one. Without `crowds` what is marked as many
    objects at once is left out, and without `empty` images in which nothing is left.
    """

    classes: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    min_area: float = 0.0
    crowds: bool = True
    empty: bool = True

    def applied(
        self, labeled: Iterable[Labeled], left_out: Counter[str] | None = None
    ) -> Iterator[Labeled]:
        """The images that are kept, each with the objects that are; why others are not is counted.

        Images that failed are among what is left out: nothing is known about them.
        """
        reasons = Counter[str]() if left_out is None else left_out
        for one in labeled:
            if one.error is not None:
                reasons["images that failed"] += 1
                continue
            kept = tuple(self._kept(one.annotations, reasons))
            if kept or self.empty:
                yield replace(one, annotations=kept)
            else:
                reasons["images without objects"] += 1

    def class_name(self, name: str) -> str:
        """What a class is called afterwards; "" if it is left out."""
        return self.renamed.get(name or NO_CLASS, name or NO_CLASS)

    def _kept(
        self, annotations: Iterable[Annotation], reasons: Counter[str]
    ) -> Iterator[Annotation]:
        for found in annotations:
            label = self.class_name(found.label)
            reason = self._why_not(found, label)
            if reason:
                reasons[reason] += 1
            else:
                yield found if label == found.label else replace(found, label=label)

    def _why_not(self, found: Annotation, label: str) -> str:
        if not label or (self.classes and label not in self.classes):
            return f"objects of the class '{found.label}'"
        if found.crowd and not self.crowds:
            return "crowds"
        area = box_area(found.box_xyxy) if found.mask is None else found.mask.area
        return f"objects below {self.min_area:g} pixels" if area < self.min_area else ""


def class_map(texts: Iterable[str]) -> dict[str, str]:
    """New names of classes; what gets none is left out.

    >>> class_map(["car,truck=vehicle", "shadow="])
    {'car': 'vehicle', 'truck': 'vehicle', 'shadow': ''}
    """
    renamed: dict[str, str] = {}
    for text in texts:
        names, equals, target = text.partition("=")
        if not equals or not names.strip():
            raise InvalidSetting(
                f"'{text}' maps no class. Write old names, =, and the new one: car,truck=vehicle"
            )
        for name in names.split(","):
            if renamed.setdefault(name.strip(), target.strip()) != target.strip():
                raise InvalidSetting(f"'{name.strip()}' is mapped twice. Take one of them out.")
    return renamed
