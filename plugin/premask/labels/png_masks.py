"""Annotations <-> one black and white PNG an object, so that objects may overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import LazyFiles
from premask.images import Image
from premask.labels.glimpse import Glimpse
from premask.labels.numbering import Stems
from premask.labels.png import mask_from_png, mode_of_first_png, png_from_mask
from premask.masks import Mask


def mask_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One file of 0 and 255 for each annotation that has a mask, named after its place."""
    return {
        f"{stem}_{place}.png": partial(png_from_mask, annotation.mask)
        for place, annotation in enumerate(labeled.annotations)
        if annotation.mask is not None
    }


def are_masks(glimpse: Glimpse) -> bool:
    """Whether a folder has gray pictures whose names end in the number of an object."""
    stems = [Path(name).stem for name in glimpse.names if name.endswith(".png")]
    numbered = bool(stems) and all(stem.rpartition("_")[2].isdecimal() for stem in stems)
    return numbered and mode_of_first_png(glimpse)[0] in ("1", "L")


def read_masks(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """One annotation, without a label, for each file.

    The files don't tell an image in which nothing was found from one that nobody looked at: each of
    the `images` that has no file has no annotations. Without `images`, those that have files are
    read, and called by the files' names.
    """
    files = _files_by_stem(folder)
    stems = Stems()
    named = {stems.of(image.name): image for image in images}
    for stem in named or files:
        masks = [mask_from_png(path.read_bytes()) for path in files.get(stem, ())]
        yield Labeled(
            image=_image_of(masks, named.get(stem, Image(name=stem))),
            annotations=tuple(
                Annotation(label="", box_xyxy=mask.box_xyxy, mask=mask) for mask in masks
            ),
        )


def _files_by_stem(folder: Path) -> dict[str, list[Path]]:
    """The files of each image in the order of their objects."""
    places: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.rglob("*.png")):
        stem, _, place = path.relative_to(folder).with_suffix("").as_posix().rpartition("_")
        if place.isdecimal():
            places.setdefault(stem, []).append((int(place), path))
    return {stem: [path for _, path in sorted(found)] for stem, found in places.items()}


def _image_of(masks: list[Mask], image: Image) -> Image:
    sizes = {mask.size_hw for mask in masks} | {image.size_hw} - {(0, 0)}
    if len(sizes) > 1:
        raise InvalidMask(
            f"The masks of '{image.name}' and the image itself have different sizes: "
            f"{sorted(sizes)} (height, width). Are some of them another image's?"
        )
    if image.size_hw == (0, 0) and sizes:
        return Image(name=image.name, size_hw=min(sizes))
    return image
