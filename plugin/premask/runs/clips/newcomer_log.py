"""What find saw in a clip and nobody had pointed at: whoever asks again gets the same objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from premask.annotations import Annotation
from premask.files import unwritable
from premask.labels.annotation_json import annotation_from_json, annotation_to_json
from premask.masks import Size
from premask.prompts import Hint


class NewcomerLog:
    """A file with a line for each newcomer: the frame, and the hint with the object's number."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, frame: int, hint: Hint) -> None:
        """Note one that is followed from now on."""
        assert hint.box_xyxy is not None
        found = Annotation(
            label=hint.label,
            box_xyxy=hint.box_xyxy,
            mask=hint.mask,
            score=hint.score,
            track=hint.track,
            source=hint.source,
        )
        # Whole numbers stay whole: the key of what is followed from here is that of the hint.
        box = [side.item() if isinstance(side, np.generic) else side for side in hint.box_xyxy]
        line = json.dumps([frame, box, annotation_to_json(found)]).encode() + b"\n"
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def read(self, size_hw: Size) -> dict[int, tuple[int, Hint]]:
        """By number: in which frame find saw the object last, if it was in several runs."""
        if not self._path.is_file():
            return {}
        newcomers: dict[int, tuple[int, Hint]] = {}
        for line in self._path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break  # a process that was killed leaves a torn one
            frame, (x0, y0, x1, y1), found = json.loads(line)
            seen = annotation_from_json(found, size_hw)
            assert seen.track is not None
            newcomers[seen.track] = (
                frame,
                Hint(
                    label=seen.label,
                    box_xyxy=(x0, y0, x1, y1),
                    mask=seen.mask,
                    score=seen.score,
                    track=seen.track,
                    source=seen.source,
                ),
            )
        return newcomers
