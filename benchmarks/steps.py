"""Milliseconds of the processor by step, for an image with twenty objects and no time in a network.

They are seconds of the processor, not of the clock, so that a busy machine counts little. `prepare`
is what the host of a CPU's network does; that of a GPU hands over the pixels as they are (`send`).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers import Sam2ImageProcessor

from benchmarks.photos import copy_photos
from benchmarks.table import Row
from premask.annotations import Annotation, Labeled
from premask.images import Image, read_file, read_image
from premask.labels.formats import formats_of
from premask.masks import Size
from premask.models.options import NoOptions
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import PromptableSegmenter
from premask.models.parts.square_pixels import network_pixels
from premask.prompts import Hint
from premask.runs.delivery import Delivery
from premask.runs.journal import Journal

SIZES = {"1080p": (1920, 1080), "12 MP": (4000, 3000)}
OBJECTS = 20
REPEATS = 9
GOAL = 28
"""Milliseconds for an image of 1080p beside a GPU."""

SIDE, LOW = 1024, 256


class NoNetwork:
    """Stands for SAM 2: it prepares images as that does, and knows all answers beforehand."""

    device = torch.device("cpu")
    low_side = LOW
    encoder = torch.nn.Identity()

    def __init__(self) -> None:
        self.dtype = torch.float32
        self._processor = Sam2ImageProcessor()
        rows, columns = torch.meshgrid(torch.arange(LOW), torch.arange(LOW), indexing="ij")
        rows, columns, places = rows.float(), columns.float(), torch.arange(OBJECTS)
        centers, radii = 20 + places * 11 % 216, 5 + places % 5 * 4
        x, y = centers[:, None, None], (centers * 7 % 216 + 20)[:, None, None]
        away = torch.hypot(rows - y, columns - x)
        self._logits = radii[:, None, None] + 3 * torch.sin(away + columns / 5) - away

    def canvas(self, size_hw: Size) -> Canvas:
        return Canvas(side=SIDE, size_hw=size_hw)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return network_pixels(self._processor, images, self)

    def encode(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"image": torch.zeros(len(pixels), 1)}

    def decode(
        self, features: Any, prompts: dict[str, torch.Tensor], multimask: bool, options: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        asked = prompts["input_boxes"].shape[1]
        return self._logits[None, :asked, None], torch.full((1, asked, 1), 0.9)


@dataclass
class Clock:
    """Seconds of the processor by step, of every image."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, step: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = work()
        self.seconds.setdefault(step, []).append(time.process_time() - start)
        return result

    def milliseconds(self) -> dict[str, float]:
        return {step: 1000 * statistics.median(taken) for step, taken in self.seconds.items()}


def rows() -> Iterator[Row]:
    """How many images a second one core prepares and writes; the note tells the steps apart."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name in SIZES:
        steps = milliseconds(name)
        yield row(f"on a CPU, {name}", {step: steps[step] for step in steps if step != "send"})
        yield row(
            f"beside a GPU, {name}",
            {step: steps[step] for step in steps if step != "prepare"},
            goal=1000 / GOAL if name == "1080p" else None,
        )
    torch.set_num_threads(threads)


def row(where: str, steps: Mapping[str, float], goal: float | None = None) -> Row:
    total = sum(steps.values())
    return Row(
        what=f"images a second of one core outside of the network {where}, {OBJECTS} masks",
        ratio=1000 / total,
        goal=goal,
        note=f"{total:.1f} ms: "
        + ", ".join(f"{step} {taken:.1f}" for step, taken in steps.items()),
    )


def milliseconds(name: str) -> dict[str, float]:
    """What each step takes, in the middle of several times."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        path = photo(Path(folder), SIZES[name])
        segmenter = PromptableSegmenter(NoNetwork())
        delivery = Delivery(folder=Path(folder), formats=formats_of(["coco"]))
        with Journal(Path(folder) / "journal") as journal:
            for turn in range(REPEATS):
                one_image(path, segmenter, journal, delivery, clock, f"{turn}")
    return clock.milliseconds()


def one_image(
    path: Path,
    segmenter: PromptableSegmenter,
    journal: Journal,
    delivery: Delivery,
    clock: Clock,
    key: str,
) -> None:
    data = clock.timed("read", lambda: read_file(path, "photo"))
    image = clock.timed("decode", lambda: read_image(data, "photo"))
    pinned = np.ones_like(image.rgb)
    clock.timed("send", lambda: np.copyto(pinned, image.rgb))
    (embedding,) = clock.timed("prepare", lambda: segmenter.embed([image]))
    height, width = image.size_hw
    hints = [Hint(label="thing", box_xyxy=(0, 0, width, height))] * OBJECTS
    # All at once, as on a GPU: the network takes no time here.
    segmenter._objects_at_once = OBJECTS
    (outlines,) = clock.timed("masks", lambda: segmenter.segment([embedding], [hints], NoOptions()))
    found = tuple(
        Annotation(label="thing", box_xyxy=outline.mask.box_xyxy, mask=outline.mask, score=0.9)
        for outline in outlines
    )
    labeled = Labeled(image=image, annotations=found)

    def write() -> None:
        journal.add(key, labeled)
        delivery.write_dataset_files(lambda: iter([journal.get(key, "photo.jpg")]), ["thing"])

    clock.timed("write", write)


def photo(folder: Path, size: tuple[int, int]) -> Path:
    """A photo as a camera writes it."""
    path = folder / "photo.jpg"
    with PIL.Image.open(copy_photos(folder / "photos")[0]) as picture:
        picture.convert("RGB").resize(size, PIL.Image.Resampling.BICUBIC).save(path, quality=92)
    return path
