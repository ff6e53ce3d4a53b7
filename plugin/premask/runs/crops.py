"""Parts of one image, looked at as images of their own; what is found is the whole image's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import UnreadableImage
from premask.geometry import Box, IntBox, pixel_box, snapped
from premask.images import Image, read_image
from premask.masks import Size
from premask.prompts import Prompts
from premask.runs.pipeline import Request
from premask.shaping.overlap import apart_from
from premask.shaping.placing import placed


def with_margin(box_xyxy: Box, margin: float, size_hw: Size) -> IntBox:
    """A box with a share of its width and height added on each side, as far as the image goes.

    >>> with_margin((10, 10, 30, 20), 0.1, (100, 100))
    (8, 9, 32, 21)
    """
    x0, y0, x1, y1 = map(snapped, box_xyxy)
    across, down = (x1 - x0) * margin, (y1 - y0) * margin
    return pixel_box((x0 - across, y0 - down, x1 + across, y1 + down), size_hw)


class Crops:
    """Crops of one image, which is read once, by whichever crop is read first."""

    def __init__(self, path: Path, boxes: Sequence[IntBox], size_hw: Size) -> None:
        self._path, self._boxes, self._size = path, boxes, size_hw
        self._lock, self._uncut = threading.Lock(), len(boxes)
        self._image: Image | None = None

    def __len__(self) -> int:
        return len(self._boxes)

    def requests(self, prompts: Prompts) -> Iterator[Request]:
        """Ask the same of each crop."""
        for box in self._boxes:
            yield Request(image=partial(self._cut, box), name=str(self._path), prompts=prompts)

    def together(self, answers: Sequence[Labeled], overlap: float) -> Labeled:
        """Put the answers for all crops into one, in the image's own pixels.

        What overlaps something that an earlier crop shows by more than `overlap` (IoU) is the same
        object. If a crop failed, so did the image.
        """
        image = Image(name=str(self._path), size_hw=self._size)
        found: list[Annotation] = []
        for box, answer in zip(self._boxes, answers, strict=True):
            if answer.error is not None:
                return Labeled(image=Image.unread(str(self._path)), error=answer.error)
            here = [placed(one, box[:2], self._size) for one in answer.annotations]
            found += apart_from(here, found, overlap)
        seconds = sum(answer.seconds for answer in answers)
        return Labeled(image=image, annotations=tuple(found), seconds=seconds)

    def _cut(self, box: IntBox) -> Image:
        with self._lock:
            image = self._image or read_image(self._path)
            self._uncut -= 1
            # The pixels are let go with the last crop.
            self._image = image if self._uncut else None
        if image.size_hw != self._size:
            height, width = self._size
            raise UnreadableImage(
                str(self._path),
                f"it is {image.size_hw[1]} x {image.size_hw[0]} pixels, but the dataset says "
                f"{width} x {height}; correct that with dataset.compute_metadata(overwrite=True)",
            )
        return image.cropped(box)
