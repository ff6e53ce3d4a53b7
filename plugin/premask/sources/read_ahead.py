"""Reading images ahead of whoever needs them, in order, with a bound on the bytes in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from premask.sources.source_image import SourceImage

READERS = 8
"""Threads that wait for disks and networks."""

MOST_BYTES = 256_000_000
"""What is read, or being read, before somebody asks for it; one image may be larger alone."""

_ASSUMED_BYTES = 8_000_000
"""The size of an image of which the listing told none."""

Reading = tuple[SourceImage, "Future[bytes]"]


def read_in_order(
    images: Iterable[SourceImage],
    read: Callable[[SourceImage], bytes],
    *,
    readers: int = READERS,
    most_bytes: int = MOST_BYTES,
) -> Generator[Reading, None, None]:
    """Each image with a future of its bytes, which raises what reading it raised.

    Images are taken in the thread that iterates. Closing the generator drops what is not begun.
    """
    under_way: deque[Reading] = deque()
    with ThreadPoolExecutor(readers, "premask-fetch") as threads:
        try:
            for image in images:
                while under_way and (
                    len(under_way) >= 4 * readers
                    or sum(map(_held, under_way)) + _expected(image) > most_bytes
                ):
                    yield under_way.popleft()
                under_way.append((image, threads.submit(read, image)))
            while under_way:
                yield under_way.popleft()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _held(reading: Reading) -> int:
    image, future = reading
    if not future.done():
        return _expected(image)
    return 0 if future.exception() is not None else len(future.result())


def _expected(image: SourceImage) -> int:
    return _ASSUMED_BYTES if image.size is None else image.size
