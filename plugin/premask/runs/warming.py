"""Embed images into a store before anybody asks for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from premask.errors import InvalidSetting, PremaskError, UnreadableImage
from premask.images import Image, read_image
from premask.models.capabilities import Restorer
from premask.models.pool import ModelPool
from premask.runs.inputs import Input
from premask.runs.progress import Progress


@dataclass(slots=True, kw_only=True)
class Warmed:
    """How many images were embedded now, how many were before, and what failed."""

    embedded: int = 0
    kept: int = 0
    failures: dict[str, PremaskError] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Images that are behind us, for better or worse."""
        return self.embedded + self.kept + len(self.failures)


def warm(
    inputs: Sequence[Input],
    model: str,
    pool: ModelPool,
    *,
    batch_size: int,
    on_progress: Callable[[Progress], object],
) -> Warmed:
    """Let the model look at all images that the pool's store does not know yet."""
    if not isinstance(pool.load(model), Restorer):
        raise InvalidSetting(
            f"'{model}' keeps nothing of an image that could be reused. Embed with a model that "
            "outlines, such as sam2.1-tiny; `premask models` lists them."
        )
    started, warmed = time.monotonic(), Warmed()
    with ThreadPoolExecutor(1, "premask-read") as reader:
        images = _read_ahead(inputs, reader, warmed)
        while batch := list(islice(images, max(1, batch_size))):
            missing = [image for image in batch if not pool.is_stored(model, image)]
            pool.embed(model, missing)
            warmed.embedded += len(missing)
            warmed.kept += len(batch) - len(missing)
            on_progress(
                Progress(
                    done=warmed.done,
                    failed=len(warmed.failures),
                    total=len(inputs),
                    seconds=time.monotonic() - started,
                    reused=warmed.kept,
                )
            )
    return warmed


def _read_ahead(
    inputs: Sequence[Input], reader: ThreadPoolExecutor, warmed: Warmed
) -> Iterator[Image]:
    """Decode the next image while the model looks at this one."""
    waiting = iter(inputs)
    under_way = [
        (each, reader.submit(read_image, each.path, each.name)) for each in islice(waiting, 4)
    ]
    while under_way:
        done, future = under_way.pop(0)
        for each in islice(waiting, 1):
            under_way.append((each, reader.submit(read_image, each.path, each.name)))
        try:
            yield future.result()
        except UnreadableImage as error:
            warmed.failures[done.name] = error
