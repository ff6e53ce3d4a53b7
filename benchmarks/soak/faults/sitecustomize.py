"""Python runs this first in each process: a network for tests, and what goes wrong in it."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

FAULTS = "PREMASK_TEST_FAULTS"


def _inject(seconds: float, deadly: bool, jumps: bool, log: str) -> None:
    """Each image takes so many seconds; those that are called poison end the process, or fail."""
    import premask.runs.pipeline as pipeline
    from premask.annotations import Annotation
    from premask.images import Image
    from premask.masks import Mask

    def bright(image: Image) -> tuple[Annotation, ...]:
        mask = Mask.from_array(image.rgb.mean(axis=2) > 100)
        return (Annotation(label="bright", box_xyxy=mask.box_xyxy, mask=mask, source=("soak",)),)

    def run_stages(images: Sequence[Image], *_: object) -> list[tuple[Annotation, ...]]:
        for image in images:
            if "poison" in image.name and deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            if "poison" in image.name:
                raise ValueError("poison")
        time.sleep(seconds * len(images))
        if log:
            with (Path(log) / f"{os.getpid()}.txt").open("a") as lines:
                lines.writelines(f"{image.name}\n" for image in images)
        return [bright(image) for image in images]

    setattr(pipeline, "run_stages", run_stages)  # noqa: B010 - which is none of its names
    if jumps:
        true = time.time
        time.time = lambda: true() + random.choice((-86400.0, -3600.0, 0.0, 3600.0))


if FAULTS in os.environ:
    _inject(**json.loads(os.environ[FAULTS]))
