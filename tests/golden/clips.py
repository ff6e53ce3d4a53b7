"""Two tiny clips with all that is awkward, and their golden files in every format for clips.

`python -m tests.golden.clips [FORMAT ...]` rewrites the files; look at the difference before you
commit it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import UnreadableImage
from premask.images import Image
from premask.labels.clip_formats import CLIP_FORMATS
from premask.masks import Mask
from premask.video.frames import frame_name

GOLDEN_CLIPS = Path(__file__).parent / "clips"

SIZE_HW = (5, 7)


def golden_clips() -> list[LabeledClip]:
    """A cat that leaves and comes back over a dish, one frame that failed; and a clip of nothing.

    No two objects overlap, and all have tracks, so that each format can keep everything.
    """
    dish = found("Käse & dish", (3, 0, 5, 3), track=2, score=0.5)
    frames = (
        (0, 0.0, (found("cat", (0, 0, 2, 2), track=1, score=0.75, keyframe=True), dish)),
        (2, 0.08, (dish,)),
        (4, 0.16, (found("cat", (0, 3, 3, 7), track=1, score=0.25), replace(dish, score=1.0))),
    )
    street = LabeledClip(
        name="day 1/street.mp4",
        size_hw=SIZE_HW,
        frames=(
            *(labeled("day 1/street.mp4", frame, time, *there) for frame, time, there in frames),
            replace(
                labeled("day 1/street.mp4", 6, 0.24), error=UnreadableImage("street", "cut off")
            ),
        ),
        fps=25.0,
        phrases=("cat", "a red car"),
    )
    empty = tuple(labeled("empty", frame, None) for frame in range(2))
    return [street, LabeledClip(name="empty", size_hw=SIZE_HW, frames=empty)]


def found(
    label: str,
    box_yxyx: tuple[int, int, int, int],
    *,
    track: int | None = None,
    score: float | None = None,
    keyframe: bool = False,
    crowd: bool = False,
) -> Annotation:
    """A filled box (y0, x0, y1, x1) with a hole in the middle of it, if it has room for one."""
    y0, x0, y1, x1 = box_yxyx
    pixels = np.zeros(SIZE_HW, np.bool_)
    pixels[y0:y1, x0:x1] = True
    pixels[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = False
    mask = Mask.from_array(pixels)
    return Annotation(
        label=label,
        box_xyxy=mask.box_xyxy,
        mask=mask,
        score=score,
        track=track,
        source=("follower",),
        keyframe=keyframe,
        crowd=crowd,
    )


def labeled(clip_name: str, frame: int, time: float | None, *annotations: Annotation) -> Labeled:
    image = Image(name=frame_name(clip_name, frame), size_hw=SIZE_HW)
    return Labeled(image=image, annotations=annotations, frame=frame, time=time)


if __name__ == "__main__":
    for form in (CLIP_FORMATS[name] for name in sys.argv[1:] or CLIP_FORMATS):
        form.write(golden_clips(), GOLDEN_CLIPS / form.file_name)
