"""A dataset in another format, with its images, in the parts that a trainer wants."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from premask.annotations import Labeled
from premask.datasets.image_placing import COPY_MODES
from premask.datasets.losses import MOST_IMAGES, Loss
from premask.datasets.manifest import make_room, write_manifest
from premask.datasets.reading import RUN, Dataset
from premask.datasets.set_images import BROKEN, SetImages
from premask.datasets.set_layout import WHOLE, SetLayout, places_below
from premask.datasets.splitting import Split
from premask.datasets.training_set import Conversion, Converted, PartCounts, Placed
from premask.errors import Cancelled, InvalidMask, InvalidSetting, UnreadableImage
from premask.images import Image, read_image
from premask.labels.coco_ids import CocoIds
from premask.labels.formats import DatasetFormat, ImageFormat, formats_of
from premask.labels.numbering import Stems, numbered
from premask.masks import Size
from premask.runs.progress import ProgressCounter, ProgressWatcher


def convert(
    dataset: Dataset,
    conversion: Conversion,
    *,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
) -> Converted:
    """Write a dataset anew, and say what became of it, and what the format could not keep."""
    work = _Work(dataset, conversion, cancel)
    work.plan()
    # Each image is one step where it is only labels, and two where it is put beside them.
    steps = len(work.part_of) * (1 if conversion.copy == "none" else 2)
    counter = ProgressCounter(total=steps, on_progress=on_progress)
    if conversion.is_set and work.is_folder:
        work.require_apart()
        make_room(conversion.out)
    work.place_images(counter)
    work.count_parts()
    work.write_labels(counter)
    work.measure()
    if conversion.is_set:
        work.write_manifest()
    return work.outcome


def split(
    dataset: Dataset,
    out: str | Path,
    shares: str = "80,10,10",
    *,
    format: str | None = None,
    by: str = "",
    stratified: bool = False,
    seed: int = 0,
    copy: str = "none",
) -> Converted:
    """Write a dataset in parts (train, val, test), in its own format or in another one.

    `by` is "folder", or a regular expression: images with the same key stay together. The same
    `seed` gives the same bytes. `copy` puts the images beside the labels: "link", "copy", or
    "upright", which turns the pixels of images that lie on a side.
    """
    parts = Split.of(shares, by=by, stratified=stratified, seed=seed)
    form = format or ("coco" if dataset.format == RUN else dataset.format)
    return convert(dataset, Conversion(format=form, out=Path(out), split=parts, copy=copy))


class _Work:
    """One conversion under way."""

    def __init__(
        self, dataset: Dataset, conversion: Conversion, cancel: threading.Event | None
    ) -> None:
        (self._form, *others) = formats_of([conversion.format], ids=conversion.ids)
        if others or (conversion.split and not isinstance(self._form, DatasetFormat)):
            raise InvalidSetting(f"'{conversion.format}' is no format of a dataset in parts.")
        if conversion.copy not in COPY_MODES:
            raise InvalidSetting(f"'{conversion.copy}' is none of {', '.join(COPY_MODES)}.")
        split = conversion.split
        self.outcome = Converted()
        self._dataset, self._wanted, self._cancel = dataset, conversion, cancel
        self._layout = SetLayout(form=self._form, out=conversion.out, is_split=split is not None)
        self._parts = (WHOLE,) if split is None else split.parts
        self.part_of: dict[str, str] = {}
        self._labels: dict[str, Counter[str]] = {}
        self._names: dict[str, str] = {}
        self._sizes: dict[str, Size] = {}
        self._images = SetImages(files=dataset.images, outcome=self.outcome)

    def plan(self) -> None:
        """Go through the labels once: which image goes where, and which classes there are."""
        outcome, split, selection = self.outcome, self._wanted.split, self._wanted.selection
        labels = self._labels
        for one in self._kept(outcome.left_out):
            name = one.image.name
            if name in self._sizes:
                raise InvalidMask(
                    f"'{self._dataset.path}' has two images called '{name}'. One image with the "
                    f"labels of both makes: premask merge {self._dataset.path} --out FILE.json"
                )
            self._sizes[name] = one.image.size_hw
            needs_file = self._wanted.copy != "none" or self._needs_pixels
            if not needs_file or self._images.is_readable(name, one.image.size_hw):
                labels[name] = Counter(found.label for found in one.annotations)
        self.part_of = dict.fromkeys(labels, WHOLE) if split is None else split.assigned(labels)
        if len(self.part_of) < len(labels):
            outcome.left_out["images that no list names"] = len(labels) - len(self.part_of)
        known = (selection.class_name(name) for name in self._dataset.classes)
        found = sorted(set().union(*labels.values()))
        outcome.classes = selection.classes or tuple(dict.fromkeys((*filter(None, known), *found)))
        (self._form,) = formats_of([self._wanted.format], ids=self._ids())
        if self._wanted.is_set:
            own_stems = self._layout.has_texts_by_stem
            self._names = dict(places_below(self.part_of, own_stems=own_stems))

    def require_apart(self) -> None:
        """`InvalidSetting` if what is read lies where an earlier set would be removed."""
        out, images = self._wanted.out.resolve(), self._dataset.images
        found = (images.path_of(name) for name in self.part_of)
        for path in (self._dataset.path, *filter(None, found)):
            if out in (path.resolve(), *path.absolute().parents, *path.resolve().parents):
                raise InvalidSetting(
                    f"'{path}' is in the folder of the set, '{self._wanted.out}', which is made "
                    "anew. Choose another folder for the set."
                )

    def place_images(self, counter: ProgressCounter) -> None:
        """Put each image where the format has its images."""
        mode = self._wanted.copy
        for name, part in list(self.part_of.items()) if mode != "none" else ():
            self._check()
            target = self._layout.images(part) / self._names[name]
            if self._images.place(name, target, mode):
                self.outcome.placed[name] = Placed(part=part, path=target)
            else:
                del self.part_of[name]
            counter.count()

    def count_parts(self) -> None:
        """How much is in each part, now that it is known which images are."""
        self.outcome.parts = {part: PartCounts() for part in self._parts}
        for name, part in self.part_of.items():
            counts = self.outcome.parts[part]
            counts.images += 1
            counts.empty += not self._labels[name]
            counts.annotations += self._labels[name]

    def write_labels(self, counter: ProgressCounter) -> None:
        """Write all parts, with the same numbers of classes in each."""
        classes, written = self.outcome.classes, self.outcome.written
        if not isinstance(self._form, DatasetFormat):
            stems = Stems()
            for one in map(self._with_pixels, self._part(WHOLE, counter)):
                written += self._form.write(one, self._wanted.out, stems.of(one.image.name))
            return
        for part in self._parts:
            labels = self._part(part, counter)
            written += self._form.write(labels, self._layout.labels(part), classes)
        if self._wanted.split is not None and self._form.write_parts is not None:
            written.append(self._form.write_parts(self._wanted.out, self._parts, classes))

    def measure(self) -> None:
        """Read what was written, and compare."""
        if self._form.read is None:
            return
        loss = Loss()
        for part in self._parts:
            images = [
                Image(name=self._new_name(name), size_hw=self._sizes[name])
                for name in itertools.islice(self._names_in(part), MOST_IMAGES)
            ]
            loss.compare(self._part(part), self._form.read(self._layout.labels(part), images))
        self.outcome.loss = loss

    def write_manifest(self) -> None:
        """Counts and hashes, so that anybody can tell whether a set is the same."""
        split = self._wanted.split
        told = {
            "format": self._form.name,
            "classes": list(self.outcome.classes),
            "seed": None if split is None else split.seed,
            "parts": {
                part: {
                    "images": counts.images,
                    "images without objects": counts.empty,
                    "annotations": dict(sorted(counts.annotations.items())),
                }
                for part, counts in self.outcome.parts.items()
            },
            "left out": dict(sorted(self.outcome.left_out.items())),
        }
        written = write_manifest(self._layout.folder, told, self._files())
        self.outcome.written.append(written)

    def _files(self) -> Iterator[Path]:
        """The files of the set: labels and images."""
        for place in (*self.outcome.written, *map(self._layout.images, self._parts)):
            below = place.rglob("*") if place.is_dir() else [place]
            yield from (file for file in below if file.is_file())

    @property
    def is_folder(self) -> bool:
        """Whether the set has a folder of its own, in which nothing else may be."""
        return self._layout.folder == self._wanted.out

    @property
    def _needs_pixels(self) -> bool:
        return isinstance(self._form, ImageFormat) and self._form.needs_pixels

    def _with_pixels(self, one: Labeled) -> Labeled:
        if not self._needs_pixels:
            return one
        try:
            image = read_image(self._dataset.images.require(one.image.name), one.image.name)
        except UnreadableImage as error:
            self.outcome.left_out[BROKEN] += 1
            return replace(one, error=error)
        return replace(one, image=image)

    def _kept(self, left_out: Counter[str] | None = None) -> Iterator[Labeled]:
        for one in self._wanted.selection.applied(self._dataset, left_out):
            self._check()
            yield one

    def _part(self, part: str, counter: ProgressCounter | None = None) -> Iterator[Labeled]:
        """The images of one part, under the names that they have there."""
        for one in self._kept():
            if self.part_of.get(one.image.name) == part:
                name = self._new_name(one.image.name)
                image = Image(name=name, size_hw=one.image.size_hw, digest=one.image.digest)
                yield replace(one, image=image)
                if counter is not None:
                    counter.count()

    def _ids(self) -> CocoIds | None:
        """The ids that a COCO file is written with; changed classes are counted anew."""
        selection, known = self._wanted.selection, self._dataset.ids
        if self._wanted.ids is not None or known is None:
            return self._wanted.ids
        if selection.classes or selection.renamed:
            return replace(known.fresh(), categories=numbered(self.outcome.classes))
        return known

    def _names_in(self, part: str) -> Iterator[str]:
        return (name for name, own in self.part_of.items() if own == part)

    def _new_name(self, name: str) -> str:
        return self._names.get(name, name)

    def _check(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("The conversion was interrupted.")
