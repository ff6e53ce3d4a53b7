"""What a person asks for: phrases, points, boxes, a rough mask, exemplars; and hints from all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from premask.errors import UnsupportedPrompt
from premask.geometry import Box, box_area
from premask.masks import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Words to look for. What is found gets the `label`, or the words themselves if it is empty."""

    text: str
    label: str = ""
    positive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A click at (x, y) in pixels: on the object if it is positive, else beside it."""

    x: float
    y: float
    positive: bool = True
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPrompt:
    """A box around one object."""

    box_xyxy: Box
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A box around an example of what is wanted, or of what is not wanted if it is negative."""

    box_xyxy: Box
    positive: bool = True
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Where one object is: what the find stage, or a person, hands to the outline stage.

    The annotation that is made of it has the same `track`. So whoever numbers the hints can tell
    afterwards which result belongs to which of them, whatever was dropped or sorted in between.
    """

    label: str
    box_xyxy: Box | None = None
    points: tuple[Point, ...] = ()
    mask: Mask | None = None
    score: float | None = None
    track: int | None = None
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """All that was asked for in one image.

    `objects` are hints of objects that are known already, for example labels that a person made.
    """

    phrases: tuple[Phrase, ...] = ()
    points: tuple[Point, ...] = ()
    boxes: tuple[BoxPrompt, ...] = ()
    mask: Mask | None = None
    mask_label: str = ""
    exemplars: tuple[Exemplar, ...] = ()
    objects: tuple[Hint, ...] = ()

    def hints(self) -> tuple[Hint, ...]:
        """One hint for each object: first those that are known already, then one for each box.

        A point belongs to the smallest box of its label that holds it. The points of a label that
        are in no box are one more object; but if all of them are negative, they say of all boxes of
        that label what is not part of them. A rough mask shows one object, so it can't go with more
        than one box.
        """
        objects = [Hint(label=box.label, box_xyxy=box.box_xyxy) for box in self.boxes]
        loose: dict[str, list[Point]] = {}
        for point in self.points:
            home = _smallest_holding(objects, point)
            if home is None:
                loose.setdefault(point.label, []).append(point)
            else:
                objects[home] = _with_points(objects[home], (point,))
        for label, points in loose.items():
            if any(point.positive for point in points) or self.mask is not None:
                objects.append(Hint(label=label, points=tuple(points)))
            else:
                objects = _with_negative_points(objects, label, points)
        return (*self.objects, *self._with_mask(objects))

    def _with_mask(self, objects: list[Hint]) -> list[Hint]:
        if self.mask is None:
            return objects
        if len(objects) > 1:
            raise UnsupportedPrompt(
                f"A rough mask is one object, but these prompts describe {len(objects)}. "
                "Send the mask with the points and the box of its own object only."
            )
        return [replace(objects[0] if objects else Hint(label=self.mask_label), mask=self.mask)]


def _with_points(hint: Hint, points: Iterable[Point]) -> Hint:
    return replace(hint, points=(*hint.points, *points))


def _smallest_holding(objects: list[Hint], point: Point) -> int | None:
    holding = [
        (box_area(hint.box_xyxy), index)
        for index, hint in enumerate(objects)
        if hint.box_xyxy is not None and hint.label == point.label and _holds(hint.box_xyxy, point)
    ]
    return min(holding)[1] if holding else None


def _holds(box_xyxy: Box, point: Point) -> bool:
    x0, y0, x1, y1 = box_xyxy
    return x0 <= point.x <= x1 and y0 <= point.y <= y1


def _with_negative_points(objects: list[Hint], label: str, points: list[Point]) -> list[Hint]:
    if not any(hint.label == label for hint in objects):
        raise UnsupportedPrompt(
            "All points are negative: they say what the object is not. Add a positive point, "
            "or a box of the same label."
        )
    return [_with_points(hint, points) if hint.label == label else hint for hint in objects]
