"""A tiny dataset with all that is awkward, and its golden files in every format.

`python -m tests.golden.dataset [FORMAT ...]` rewrites the files; look at the difference before you
commit it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.errors import UnreadableImage
from premask.images import Image
from premask.labels.formats import FORMATS, DatasetFormat
from premask.masks import Mask, Matte

GOLDEN = Path(__file__).parent


def adversarial_masks(height: int = 13, width: int = 17) -> dict[str, NDArray[np.bool_]]:
    """Shapes (height, width) that exporters are known to damage."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height // 2, columns - width // 2)
    first, last = rows + columns == 0, rows + columns == height + width - 2
    return {
        "ring": (distance < 6) & (distance > 3),
        "parts": (rows % 4 < 2) & (columns % 5 < 2),
        "corners touch": (rows + columns) % 2 == 0,
        "first pixel": first,
        "last pixel": last,
        "both ends": first | last,
        "one row": rows == 3,
        "last column": columns == width - 1,
        "empty": rows < 0,
        "full": rows >= 0,
        "noise": np.random.default_rng(7).random((height, width)) < 0.5,
    }


def golden_images() -> list[Labeled]:
    """One image with a hole, a matte and a bare box, one with nothing in it, one that failed."""
    hole = np.ones((5, 7), np.bool_)
    hole[0], hole[2, 3] = False, False
    alpha = np.zeros((5, 7), np.uint8)
    alpha[3:, 4:] = [[10, 127, 128], [200, 254, 255]]
    matte = Matte.from_array(alpha)
    annotations = (
        _annotation("cat", Mask.from_array(hole), score=0.75, source=("finder", "outliner")),
        _annotation('Käse & "Brot"', matte.mask(), matte=matte, track=3),
        Annotation(label="cat", box_xyxy=(0.5, 1.0, 6.25, 4.0), score=0.5),
    )
    return [
        Labeled(image=_image("photos/a b.jpg", (5, 7)), annotations=annotations),
        Labeled(image=_image("nothing.png", (3, 2))),
        Labeled(image=Image.unread("broken.jpg"), error=UnreadableImage("broken.jpg", "broken")),
    ]


def adversarial_images() -> list[Labeled]:
    """Every awkward mask, mattes of the same shapes, and names that are no good file names."""
    size_hw = (13, 17)
    masks = {name: Mask.from_array(array) for name, array in adversarial_masks(*size_hw).items()}
    levels = np.random.default_rng(8).integers(1, 256, size_hw).astype(np.uint8)
    mattes = [Matte.from_array(levels * mask.to_array()) for mask in masks.values() if mask.area]
    return [
        Labeled(
            image=_image("sub folder/naïve 图.jpg", size_hw),
            annotations=tuple(_annotation(name, mask) for name, mask in masks.items()),
        ),
        Labeled(
            image=_image("new\nline.png", size_hw),
            annotations=tuple(
                _annotation("soft", matte.mask(), matte=matte, score=1 / 3) for matte in mattes
            ),
        ),
        *golden_images(),
    ]


def write_format(name: str, labeled: list[Labeled], folder: Path) -> None:
    """Write one format as a run does: a dataset at once, or image after image."""
    chosen = FORMATS[name]
    if isinstance(chosen, DatasetFormat):
        chosen.write(iter(labeled), folder / chosen.file_name)
        return
    for one in labeled:
        stem = str(PurePosixPath(one.image.name).with_suffix(""))
        chosen.write(one, folder / chosen.folder_name, stem)


def place_of(name: str) -> str:
    """The file or the folder, below that of the dataset, that a format writes to."""
    chosen = FORMATS[name]
    return chosen.file_name if isinstance(chosen, DatasetFormat) else chosen.folder_name


def files_below(folder: Path) -> Iterator[Path]:
    """Relative paths of all files, hidden ones too, in a stable order."""
    return (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())


def _annotation(
    label: str,
    mask: Mask,
    *,
    matte: Matte | None = None,
    score: float | None = None,
    track: int | None = None,
    source: tuple[str, ...] = (),
) -> Annotation:
    return Annotation(
        label=label,
        box_xyxy=mask.box_xyxy,
        mask=mask,
        matte=matte,
        score=score,
        track=track,
        source=source,
    )


def _image(name: str, size_hw: tuple[int, int]) -> Image:
    """A picture in which each pixel has its own color."""
    height, width = size_hw
    rows, columns = np.mgrid[:height, :width]
    rgb = np.dstack((rows * 255 // height, columns * 255 // width, (rows * columns) % 256))
    return Image.from_rgb(rgb.astype(np.uint8), name=name)


if __name__ == "__main__":
    for format_name in sys.argv[1:] or FORMATS:
        write_format(format_name, golden_images(), GOLDEN)
