"""Run a recipe on a stream of images: in order, reading ahead, and each failure stays its own."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from premask.annotations import Labeled
from premask.cores import usable_cores
from premask.deep_values import Window, require_window
from premask.errors import Cancelled, ModelFailed, PremaskError
from premask.images import Image, ImageSource, read_image
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import Recipe, recipe_of
from premask.recipes.stages import run_stages
from premask.runs.inputs import collect_inputs
from premask.runs.ordered_work import in_order
from premask.runs.progress import ProgressCounter, ProgressWatcher

BATCH_SIZE = 4
"""Images that a model gets at once, unless told otherwise, or a GPU has room for more."""

MOST_READERS = 16
"""Threads that decode images, on a machine with as many cores or more."""

WORKERS = 2
"""Batches under way at once: while one is in the network, the other one's masks are encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One image, what people call it, and what they ask for in it.

    An `Image` is not read again; for a recipe without models, it needs no pixels. A function reads
    it when its turn comes. With an `error` there was nothing to read, and it is handed on in its
    place.
    """

    image: ImageSource | Image | Callable[[], Image]
    name: str | None = None
    prompts: Prompts | None = None
    error: PremaskError | None = None


def label(
    images: ImageSource | Request | Iterable[ImageSource | Request],
    recipe: str | Recipe = "subject",
    *,
    settings: Mapping[str, Any] | None = None,
    prompts: Prompts | None = None,
    window: Window | None = None,
    pool: ModelPool | None = None,
    batch_size: int | None = None,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
) -> Generator[Labeled, None, None]:
    """Annotate images as they are asked for: one `Labeled` for each, in order.

    `images` are files, bytes, pixels or requests, or one of these; a folder stands for all images
    in it. `settings` are those of the recipe to change, such as `{"refine.grow": 3}`. `window` has
    the values that are black and white in all images of more than 8 bits; without it, each file's
    own bits decide.

    Models are loaded before this returns, so that missing weights are an error here. So are prompts
    that the recipe lacks or can't use, if the first image brings none of its own. An image that
    fails carries its error and stops nothing. Only the images under way are in memory. Setting
    `cancel` raises `Cancelled` after the images that are done; closing the iterator just stops.
    """
    recipe = recipe_of(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.with_settings(settings) if settings else recipe
    prompts, pool = prompts or Prompts(), pool or ModelPool()
    if window is not None:
        require_window(window)
    images = _listed(images)
    total = len(images) if isinstance(images, Sized) else None
    rest = _without_folders(images)
    first = list(itertools.islice(rest, 1))
    if any(not isinstance(image, Request) or image.prompts is None for image in first):
        require_usable_prompts(recipe, prompts)
    for model in recipe.models:
        pool.load(model)
    requests = (_with_prompts(image, prompts) for image in itertools.chain(first, rest))
    read = partial(_read, window=window)
    if batch_size is None:
        batch_size = max(BATCH_SIZE, pool.images_at_once(recipe.models))
    labeled = _labeled_in_order(requests, read, recipe, pool, max(1, batch_size))
    return _counted(labeled, total, on_progress, cancel)


def _listed(
    images: ImageSource | Request | Iterable[ImageSource | Request],
) -> Iterable[ImageSource | Request]:
    """A list of one, if it is one; folders in a list are their images, so that they are counted."""
    if isinstance(images, str | bytes | Path | PIL.Image.Image | Request):
        images = [images]
    elif isinstance(images, np.ndarray):
        # Four dimensions are a stack of images.
        images = list(images) if images.ndim > 3 else [images]
    return list(_without_folders(images)) if isinstance(images, list | tuple) else images


def _without_folders(images: Iterable[ImageSource | Request]) -> Iterator[ImageSource | Request]:
    """The same with all images in a folder in its place, named by their path below it."""
    for image in images:
        if isinstance(image, str | Path) and _is_folder(Path(image)):
            for item in collect_inputs([image]):
                yield Request(image=item.path, name=item.name)
        else:
            yield image


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # no path at all; reading it will tell
        return False


def _with_prompts(image: ImageSource | Request, prompts: Prompts) -> Request:
    request = image if isinstance(image, Request) else Request(image=image)
    return request if request.prompts is not None else replace(request, prompts=prompts)


def _counted(
    labeled: Iterator[Labeled],
    total: int | None,
    on_progress: ProgressWatcher | None,
    cancel: threading.Event | None,
) -> Generator[Labeled, None, None]:
    counter = ProgressCounter(total=total, on_progress=on_progress)
    for result in labeled:
        yield result
        # Only now is whoever asked for it done with it, too.
        counter.count(failed=result.error is not None)
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"Stopped after {counter.done} images, as asked. What is done is kept.")


def _labeled_in_order(
    requests: Iterator[Request],
    read: Callable[[Request], Image],
    recipe: Recipe,
    pool: ModelPool,
    batch_size: int,
) -> Iterator[Labeled]:
    """Read each batch in threads, and run it in another, while the caller uses the one before."""
    # Reading begins when a batch is put together, so only the batches under way are in memory.
    readers = min(MOST_READERS, usable_cores())
    reading = in_order(read, requests, workers=readers, name="premask-read", ahead=0)
    batches = iter(lambda: list(itertools.islice(reading, batch_size)), [])
    run_batch = partial(_run_batch, recipe=recipe, pool=pool)
    work = in_order(run_batch, batches, workers=WORKERS, name="premask-work", ahead=WORKERS)
    # The workers are closed first: they wait for what the readers read.
    with closing(reading), closing(work):
        for _, labeled in work:
            yield from labeled.result()


def _read(request: Request, window: Window | None) -> Image:
    if request.error is not None:
        raise request.error
    if isinstance(request.image, Image):
        return request.image
    if callable(request.image):
        return request.image()
    return read_image(request.image, request.name, window=window)


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
            name = request.name
            if name is None:
                is_path = isinstance(request.image, str | os.PathLike)
                name = str(request.image) if is_path else "image"
            results.append(Labeled(image=Image.unread(name), error=error))
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
            what = f"The recipe '{recipe.name}'"
            return [Labeled(image=images[0], error=explained(error, images[0], what))]
        middle = len(images) // 2
        return [
            *_run_or_halve(images[:middle], prompts[:middle], recipe, pool),
            *_run_or_halve(images[middle:], prompts[middle:], recipe, pool),
        ]
    share = (time.monotonic() - started) / len(images)
    return [
        Labeled(image=image, annotations=found, seconds=share)
        for image, found in zip(images, annotations, strict=True)
    ]


def explained(error: Exception, image: Image, what: str) -> PremaskError:
    """What went wrong with one image, as an error of premask's own; `what` says what failed."""
    if isinstance(error, PremaskError):
        return error
    failed = ModelFailed(
        f"{what} failed on {image.name!r}: {type(error).__name__}: {error}. "
        "The other images are not affected; if it stays, please report it with this image."
    )
    failed.__cause__ = error
    return failed
