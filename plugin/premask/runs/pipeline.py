"""label(images, recipe) -> Labeled, one an image, in order: decodes ahead, isolates failures."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from premask.annotations import Labeled
from premask.errors import Cancelled, ModelFailed, PremaskError
from premask.images import Image, ImageSource, read_image
from premask.models.catalog import checkpoint_of
from premask.models.parts.phrases import required_phrases
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe, recipe_of
from premask.recipes.stages import run_stages

BATCH_SIZE = 4
WORKERS = 2
"""Batches under way at once: while one is in the network, the other one's masks are encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One image, what people call it, and what they ask for in it.

    An `Image` is not read again; for a recipe without models, it needs no pixels.
    """

    image: ImageSource | Image
    name: str | None = None
    prompts: Prompts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it got; `total` is None for inputs that don't know their length.

    `reused` of those that are done were done before, and took no time.
    """

    done: int
    failed: int
    total: int | None
    seconds: float
    reused: int = 0

    @property
    def eta_seconds(self) -> float | None:
        """What is left at the speed so far."""
        fresh = self.done - self.reused
        if self.total is None or not fresh:
            return None
        return self.seconds / fresh * (self.total - self.done)


def label(
    images: Iterable[ImageSource | Request],
    recipe: str | Recipe = "subject",
    *,
    prompts: Prompts | None = None,
    pool: ModelPool | None = None,
    batch_size: int = BATCH_SIZE,
    on_progress: Callable[[Progress], object] | None = None,
    cancel: threading.Event | None = None,
) -> Generator[Labeled, None, None]:
    """Annotate images as they are asked for: one `Labeled` for each, in order.

    Models are loaded before this returns, so that missing weights are an error here, as are missing
    prompts if the first image brings none of its own. An image that fails carries its error and
    stops nothing. Only the images under way are in memory. Setting `cancel` raises `Cancelled`
    after the images that are done; closing the iterator just stops.
    """
    recipe = recipe_of(recipe) if isinstance(recipe, str) else recipe
    prompts, pool = prompts or Prompts(), pool or ModelPool()
    total = len(images) if isinstance(images, Sized) else None
    images = iter(images)
    first = list(itertools.islice(images, 1))
    if not any(isinstance(each, Request) and each.prompts is not None for each in first):
        require_prompts(recipe, prompts)
    for model in recipe.models:
        pool.get(model)
    requests = (_request(image, prompts) for image in itertools.chain(first, images))
    labeled = _in_order(requests, recipe, pool, max(1, batch_size))
    return _watched(labeled, total, on_progress, cancel)


def require_prompts(recipe: Recipe, prompts: Prompts) -> None:
    """Raise `UnsupportedPrompt` if the recipe looks for what is named, and nothing is."""
    if recipe.find is not None and recipe.needs_prompts:
        understood = checkpoint_of(recipe.find.model).kind.prompts
        required_phrases(prompts, exemplars="exemplars" in understood)


def _request(image: ImageSource | Request, prompts: Prompts) -> Request:
    request = image if isinstance(image, Request) else Request(image=image)
    return request if request.prompts is not None else replace(request, prompts=prompts)


def _watched(
    labeled: Iterator[Labeled],
    total: int | None,
    on_progress: Callable[[Progress], object] | None,
    cancel: threading.Event | None,
) -> Generator[Labeled, None, None]:
    started, done, failed = time.monotonic(), 0, 0
    for each in labeled:
        yield each
        done, failed = done + 1, failed + (each.error is not None)
        if on_progress is not None:
            seconds = time.monotonic() - started
            on_progress(Progress(done=done, failed=failed, total=total, seconds=seconds))
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"Stopped after {done} images, as asked. What is done is kept.")


def _in_order(
    requests: Iterator[Request], recipe: Recipe, pool: ModelPool, batch_size: int
) -> Iterator[Labeled]:
    readers = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "premask-read")
    workers = ThreadPoolExecutor(WORKERS, "premask-work")
    under_way: deque[Future[list[Labeled]]] = deque()
    try:
        while batch := list(itertools.islice(requests, batch_size)):
            reading = [(each, readers.submit(_read, each)) for each in batch]
            under_way.append(workers.submit(_run_batch, reading, recipe, pool))
            if len(under_way) > WORKERS:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        for executor in (workers, readers):
            executor.shutdown(wait=True, cancel_futures=True)


def _read(request: Request) -> Image:
    if isinstance(request.image, Image):
        return request.image
    return read_image(request.image, request.name)


def _run_batch(
    reading: Sequence[tuple[Request, Future[Image]]], recipe: Recipe, pool: ModelPool
) -> list[Labeled]:
    results: list[Labeled | None] = []
    images, prompts = [], []
    for request, future in reading:
        try:
            images.append(future.result())
            prompts.append(request.prompts or Prompts())
            results.append(None)
        except PremaskError as error:
            results.append(Labeled(image=Image.unread(_name_of(request)), error=error))
    labeled = iter(_run_or_halve(images, prompts, recipe, pool))
    return [result or next(labeled) for result in results]


def _run_or_halve(
    images: list[Image], prompts: list[Prompts], recipe: Recipe, pool: ModelPool
) -> list[Labeled]:
    """Find the images that make a batch fail, by halves; the others get their annotations."""
    if not images:
        return []
    started = time.monotonic()
    try:
        annotations = run_stages(images, prompts, recipe, pool)
    except Exception as error:
        if len(images) == 1:
            return [Labeled(image=images[0], error=explained(error, images[0], recipe))]
        middle = len(images) // 2
        return [
            *_run_or_halve(images[:middle], prompts[:middle], recipe, pool),
            *_run_or_halve(images[middle:], prompts[middle:], recipe, pool),
        ]
    share = (time.monotonic() - started) / len(images)
    return [
        Labeled(image=image, annotations=each, seconds=share)
        for image, each in zip(images, annotations, strict=True)
    ]


def explained(error: Exception, image: Image, recipe: Recipe) -> PremaskError:
    """What went wrong with one image, as an error of premask's own."""
    if isinstance(error, PremaskError):
        return error
    failed = ModelFailed(
        f"The recipe '{recipe.name}' failed on {image.name!r}: {type(error).__name__}: {error}. "
        "The other images are not affected; if it stays, please report it with this image."
    )
    failed.__cause__ = error
    return failed


def _name_of(request: Request) -> str:
    if request.name is not None:
        return request.name
    return str(request.image) if isinstance(request.image, str | os.PathLike) else "image"
