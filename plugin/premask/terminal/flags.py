"""From what people type behind flags to settings and prompts."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from premask.errors import InvalidSetting
from premask.images import read_file
from premask.labels.png import mask_from_png
from premask.prompts import BoxPrompt, Phrase, Point, Prompts

if TYPE_CHECKING:
    # At run time argparse's class takes no type parameter.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = argparse._SubParsersAction

EXIT_CODES = """exit codes:
  0  all is done
  1  done, but some images failed; the summary names them, and the next run tries them again
  2  it could not start or go on; the message says why. What was done is kept
  130  interrupted; what was done is kept
"""


def settings_from_flags(assignments: Iterable[str]) -> dict[str, str]:
    """Texts like `refine.grow=3`.

    >>> settings_from_flags(["refine.grow=3"])
    {'refine.grow': '3'}
    """
    settings = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals:
            raise InvalidSetting(
                f"--set {text}: write --set STAGE.NAME=VALUE, such as refine.grow=3."
            )
        settings[path.strip()] = value.strip()
    return settings


def prompts_from_flags(
    *,
    text: Iterable[str],
    points: Iterable[str],
    negative_points: Iterable[str],
    boxes: Iterable[str],
    mask: Path | None,
    label: str,
) -> Prompts:
    """Phrases, points and boxes as texts, a rough mask as a PNG; `label` names what they show."""
    signed = [(point, True) for point in points] + [(point, False) for point in negative_points]
    return Prompts(
        phrases=tuple(Phrase(text=phrase) for phrase in text),
        points=tuple(_point(point, positive, label) for point, positive in signed),
        boxes=tuple(_box(box, label) for box in boxes),
        mask=mask_from_png(read_file(mask, str(mask))) if mask else None,
        mask_label=label,
    )


def _point(text: str, positive: bool, label: str) -> Point:
    x, y = _numbers(text, 2)
    return Point(x=x, y=y, positive=positive, label=label)


def _box(text: str, label: str) -> BoxPrompt:
    x0, y0, x1, y1 = _numbers(text, 4)
    if not (x0 < x1 and y0 < y1):
        raise InvalidSetting(f"The box '{text}' is empty: write left,top,right,bottom.")
    return BoxPrompt(box_xyxy=(x0, y0, x1, y1), label=label)


def _numbers(text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InvalidSetting(f"'{text}' must be {count} numbers with commas between, in pixels.")
    return numbers
