"""Embed images into the pool's store before anybody asks for them, in batches, reading ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from premask.errors import PremaskError, UnwritableOutput
from premask.images import Image
from premask.models.capabilities import Restorer
from premask.models.pool import ModelPool
from premask.runs.ordered_work import in_order
from premask.runs.pipeline import BATCH_SIZE, explained

READERS = 4
"""Threads that read images while the model looks at others; fetching is slower than decoding."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed(Generic[Item]):
    """What became of one item: how many embeddings were made now, how many were in the store."""

    item: Item
    made: int = 0
    kept: int = 0
    error: PremaskError | None = None


def storable_models(names: Iterable[str], pool: ModelPool) -> list[str]:
    """Load these models; those whose embeddings can be kept on disk."""
    return [name for name in names if isinstance(pool.load(name), Restorer)]


def warm(
    items: Iterable[Item],
    read: Callable[[Item], Image],
    *,
    models: Sequence[str],
    pool: ModelPool,
    batch_size: int | None = None,
) -> Iterator[Warmed[Item]]:
    """Let the models look at the image of each item, unless the pool's store knows it; in order.

    `read` is called in threads. What it raises, or a model does, is the error of that item alone; a
    store that can't be written stops it all, for no other image would fare better.
    """
    # Beside the batch that the model looks at, as many images are in memory as the next one needs.
    if batch_size is None:
        batch_size = max(BATCH_SIZE, pool.images_at_once(models))
    batch_size = max(1, batch_size)
    reading = in_order(read, items, workers=READERS, name="premask-read", ahead=batch_size)
    with closing(reading):
        while batch := list(islice(reading, batch_size)):
            images: list[Image] = []
            unread: list[PremaskError | None] = []
            for _, future in batch:
                try:
                    images.append(future.result())
                    unread.append(None)
                except PremaskError as error:
                    unread.append(error)
            embedded = iter(_embed(images, models, pool))
            for (item, _), reason in zip(batch, unread, strict=True):
                made, reason = next(embedded) if reason is None else (0, reason)
                kept = len(models) - made if reason is None else 0
                yield Warmed(item=item, made=made, kept=kept, error=reason)


def _embed(
    images: Sequence[Image], models: Sequence[str], pool: ModelPool
) -> list[tuple[int, PremaskError | None]]:
    """How many embeddings each image lacked, or why it lacks them still: a model failed."""
    lacking = [[name for name in models if not pool.is_stored(name, image)] for image in images]
    errors = _embed_or_halve(list(zip(images, lacking, strict=True)), models, pool)
    return [
        (len(names) if error is None else 0, error)
        for names, error in zip(lacking, errors, strict=True)
    ]


def _embed_or_halve(
    lacking: Sequence[tuple[Image, Sequence[str]]], models: Sequence[str], pool: ModelPool
) -> list[PremaskError | None]:
    """Find the images that make a batch fail, by halves; the others are embedded."""
    try:
        for name in models:
            images = [image for image, names in lacking if name in names]
            pool.embed(name, images, must_be_stored=True)
    except UnwritableOutput:
        raise
    except Exception as error:
        if len(lacking) == 1:
            return [explained(error, lacking[0][0], f"Embedding with {', '.join(models)}")]
        middle = len(lacking) // 2
        return [
            *_embed_or_halve(lacking[:middle], models, pool),
            *_embed_or_halve(lacking[middle:], models, pool),
        ]
    return [None] * len(lacking)
