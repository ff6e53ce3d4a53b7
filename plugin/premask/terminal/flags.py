"""From what people type behind flags to settings and prompts."""

from __future__ import annotations

import argparse
import io
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from premask.deep_values import Window, require_window
from premask.errors import InvalidSetting, UnreadableImage
from premask.images import read_file
from premask.labels.png import mask_from_png
from premask.masks import Mask
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


def add_recipe_flags(command: argparse.ArgumentParser, *, usual_format: str) -> None:
    """`--format` and `--set`, for commands that run a recipe and write what it finds."""
    command.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="F,...",
        dest="formats",
        help=f"what to write (default: {usual_format}); the formats are below",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.NAME=VALUE",
        dest="settings",
        help="change a setting of the recipe; `premask recipes show R` lists them",
    )


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


def seconds_from_text(text: str) -> float:
    """A time in a clip as people write it.

    >>> [seconds_from_text(text) for text in ("2.5", "10s", "1m30s", "1:30", "1h", "250ms")]
    [2.5, 10.0, 90.0, 90.0, 3600.0, 0.25]
    """
    parts = _TIME.fullmatch(text.strip()) or _CLOCK.fullmatch(text.strip())
    if parts is None or not any(parts.groups()):
        raise InvalidSetting(f"'{text}' is no time: write 10s, 1m30s, 1:30 or a number of seconds.")
    named = {unit: float(number) for unit, number in parts.groupdict().items() if number}
    return sum(number * _UNITS[unit] for unit, number in named.items())


_UNITS = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "thousandths": 0.001}
_TIME = re.compile(
    r"(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?!s))?(?:(?P<seconds>\d+(?:\.\d*)?)s)?"
    r"(?:(?P<thousandths>\d+)ms)?"
)
_CLOCK = re.compile(r"(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d*)?)")


def format_names(texts: Iterable[str], usual: str = "coco") -> list[str]:
    """The names in `--format a,b --format c`; without any, the `usual` one.

    >>> format_names(["coco,yolo,", "png"]), format_names([])
    (['coco', 'yolo', 'png'], ['coco'])
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    return [name for name in names if name] or [usual]


def window_from_flag(text: str) -> Window:
    """The values that are black and white.

    >>> window_from_flag("0,4095")
    (0.0, 4095.0)
    """
    low, high = _numbers(text, 2, "")
    require_window((low, high))
    return low, high


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
    if not label.strip():
        raise InvalidSetting("--label is empty: say what to call what you point at.")
    signed = [(point, True) for point in points] + [(point, False) for point in negative_points]
    return Prompts(
        phrases=tuple(Phrase(text=phrase) for phrase in text),
        points=tuple(_point(point, positive, label) for point, positive in signed),
        boxes=tuple(_box(box, label) for box in boxes),
        mask=mask_from_file(mask) if mask else None,
        mask_label=label,
    )


def mask_from_file(path: Path) -> Mask:
    """What is not black in a PNG; where it has colors, what is transparent counts as black."""
    data = read_file(path, str(path))
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.mode not in ("RGB", "RGBA", "LA"):
                return mask_from_png(data)
            pixels = np.asarray(picture.convert("RGBA"))
    except (OSError, PIL.Image.DecompressionBombError) as error:
        raise UnreadableImage(str(path), f"a rough mask must be a PNG ({error})") from error
    return Mask.from_array(pixels[..., :3].any(axis=2) & (pixels[..., 3] > 0))


def _point(text: str, positive: bool, label: str) -> Point:
    x, y = _numbers(text, 2)
    return Point(x=x, y=y, positive=positive, label=label)


def _box(text: str, label: str) -> BoxPrompt:
    x0, y0, x1, y1 = _numbers(text, 4)
    if not (x0 < x1 and y0 < y1):
        raise InvalidSetting(f"The box '{text}' is empty: write left,top,right,bottom.")
    return BoxPrompt(box_xyxy=(x0, y0, x1, y1), label=label)


def _numbers(text: str, count: int, unit: str = ", in pixels") -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InvalidSetting(f"'{text}' must be {count} numbers with commas between{unit}.")
    return numbers
