"""What a person types behind flags -> settings and prompts."""

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
    return dict(map(_assignment, assignments))


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
    signed = [(each, True) for each in points] + [(each, False) for each in negative_points]
    return Prompts(
        phrases=tuple(Phrase(text=each) for each in text),
        points=tuple(_point(each, positive, label) for each, positive in signed),
        boxes=tuple(_box(each, label) for each in boxes),
        mask=mask_from_png(read_file(mask, str(mask))) if mask else None,
        mask_label=label,
    )


def _assignment(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not equals:
        raise InvalidSetting(f"--set {text}: write --set STAGE.NAME=VALUE, such as refine.grow=3.")
    return path.strip(), value.strip()


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
