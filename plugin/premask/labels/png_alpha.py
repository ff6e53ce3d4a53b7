"""Annotations <-> one gray PNG an image: how much of each pixel belongs to any object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.files import LazyFiles
from premask.images import Image
from premask.labels.glimpse import Glimpse
from premask.labels.png import mode_of_first_png, png_from_gray, read_pngs
from premask.masks import Matte
from premask.shaping.maps import alpha_map


def alpha_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One file an image, which all of its objects share."""
    return {
        f"{stem}.png": lambda: png_from_gray(alpha_map(labeled.annotations, labeled.image.size_hw))
    }


def are_alphas(glimpse: Glimpse) -> bool:
    """Whether a folder has gray pictures."""
    return mode_of_first_png(glimpse)[0] == "L"


def read_alpha(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """One annotation, without a label, for all objects of an image; none where all alpha is 0."""
    for image, alpha in read_pngs(folder, images):
        matte = Matte.from_array(alpha)
        mask = matte.mask()
        whole = Annotation(label="", box_xyxy=mask.box_xyxy, mask=mask, matte=matte)
        yield Labeled(image=image, annotations=(whole,) if alpha.any() else ())
