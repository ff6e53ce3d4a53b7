"""Results into a folder, in the formats asked for: files of each image, then one for all images."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from premask.annotations import Labeled, LabeledClip
from premask.labels.clip_formats import ClipFormat
from premask.labels.clip_frames import Frames, frames_of
from premask.labels.formats import AnyFormat, DatasetFormat, ImageFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is written where. The only place that knows that there are three kinds of formats.

    `classes` are the only labels that are written, and they are numbered in this order; by default
    all labels are written, of which those that are `known` beforehand are numbered first.
    """

    folder: Path
    formats: Sequence[AnyFormat]
    classes: Sequence[str] = ()
    known: Sequence[str] = ()

    @property
    def has_image_files(self) -> bool:
        """Whether a format has files of its own for each image."""
        return bool(self._image_formats())

    @property
    def needs_pixels(self) -> bool:
        """Whether `write_image_files` wants images with their pixels."""
        return any(form.needs_pixels for form in self._image_formats())

    @property
    def dataset_readings(self) -> int:
        """How often `write_dataset_files` reads all images."""
        return len(self.formats) - len(self._image_formats())

    def require_names(self, names: Sequence[str]) -> None:
        """Raise for names of images that a format can't write, before anything is done."""
        for form in self.formats:
            if isinstance(form, DatasetFormat) and form.require_names is not None:
                form.require_names(names)

    def unexpected_classes(self) -> str:
        """Which of the classes are never found, or nothing; a list may be meant for more models."""
        names = [name for name in self.classes if self.known and name not in self.known]
        if not names:
            return ""
        near = difflib.get_close_matches(names[0], self.known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"--classes names what this recipe never finds: {', '.join(names)}.{hint}"

    def class_note(self, labels: Iterable[str]) -> str:
        """What a person should know about the numbers of the classes, or nothing."""
        if self.classes:
            left_out = ", ".join(sorted(set(labels) - set(self.classes)))
            return f"Left out, because --classes does not name it: {left_out}." if left_out else ""
        numbered = [
            form.name
            for form in self.formats
            if not isinstance(form, ImageFormat) and form.numbers_classes
        ]
        if not numbered or set(labels) <= set(self.known):
            return ""
        return (
            f"Class numbers ({', '.join(numbered)}) follow what was found in these images; other "
            "images may give others. --classes fixes them."
        )

    def chosen(self, labeled: Labeled) -> Labeled:
        """The image with the annotations that are written."""
        if not self.classes:
            return labeled
        annotations = (found for found in labeled.annotations if found.label in self.classes)
        return replace(labeled, annotations=tuple(annotations))

    def image_files(self, labeled: Labeled, stem: str) -> list[Path]:
        """The files that `write_image_files` writes; pixels are not needed to know them."""
        chosen = self.chosen(labeled)
        return [
            path
            for form in self._image_formats()
            for path in form.files(chosen, self.folder / form.folder_name, stem)
        ]

    def write_image_files(self, labeled: Labeled, stem: str) -> list[Path]:
        """Write one image's own files, named after `stem`; none for an image that failed."""
        chosen = self.chosen(labeled)
        return [
            path
            for form in self._image_formats()
            for path in form.write(chosen, self.folder / form.folder_name, stem)
        ]

    def write_dataset_files(
        self, read_all: Callable[[], Iterable[Labeled]], labels: Iterable[str]
    ) -> list[Path]:
        """Write the files that hold all images, and say where the results are, format by format.

        `read_all` is called once for each such file: it streams what does not fit into memory.
        `labels` are those that there are, in the order in which they are numbered.
        """
        categories = self.classes or tuple(dict.fromkeys((*self.known, *labels)))
        written: list[Path] = []
        for form in self.formats:
            if isinstance(form, DatasetFormat):
                path = self.folder / form.file_name
                written += form.write(map(self.chosen, read_all()), path, categories)
            elif isinstance(form, ImageFormat):
                written.append(self.folder / form.folder_name)
        return written

    def write_clip_files(
        self, read_all: Callable[[], Iterable[LabeledClip]], labels: Iterable[str]
    ) -> list[Path]:
        """Like `write_dataset_files`, for clips; formats of images take each frame as an image."""
        categories = self.classes or tuple(dict.fromkeys((*self.known, *labels)))
        written: list[Path] = []
        for form in self.formats:
            if isinstance(form, ClipFormat):
                clips = map(self._chosen_of_clip, read_all())
                written += form.write(clips, self.folder / form.file_name, categories)
            elif isinstance(form, DatasetFormat):
                frames = map(self.chosen, frames_of(read_all()))
                written += form.write(frames, self.folder / form.file_name, categories)
            else:
                written.append(self.folder / form.folder_name)
        return written

    def _chosen_of_clip(self, clip: LabeledClip) -> LabeledClip:
        return replace(clip, frames=Frames(lambda: map(self.chosen, clip.frames)))

    def _image_formats(self) -> list[ImageFormat]:
        return [form for form in self.formats if isinstance(form, ImageFormat)]
