"""python -m ml_backend pull: export annotations and predictions, in any of the formats."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from ml_backend.commands.pulled_clips import PulledClips
from ml_backend.predict.track_store import TrackStore
from ml_backend.project.label_config import Page, read_label_config
from ml_backend.project.task_reading import (
    ImageNames,
    ReadingCounts,
    SourceChoice,
    SourceRegions,
    annotations_on,
    size_of,
)
from ml_backend.project.video_tags import VideoTag
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json
from ml_backend.studio.video_fetch import VideoFetcher
from premask.annotations import Labeled
from premask.errors import InvalidMask, PremaskError
from premask.images import Image, read_image
from premask.labels.clip_formats import CLIP_FORMATS
from premask.labels.formats import FORMATS, AnyFormat, clip_formats_of, formats_of
from premask.labels.numbering import Stems
from premask.runs.delivery import Delivery
from premask.runs.folder_state import STATE_FOLDER
from premask.runs.journal import Journal
from premask.runs.ordered_work import in_order
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.terminal.screen import ProgressLine, printable

PAGE = 10
"""Whole tasks at a time: each may hold megabytes of brushes."""

FETCHERS = 4
"""How many images are fetched at the same time, where any must be."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add = parser.add_argument
    add("--project", type=int, required=True, metavar="N", help="the project's number")
    add("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    add(
        "--format",
        metavar="F,...",
        help="as of premask annotate or, for videos, premask track (default: coco and ytvis)",
    )
    kinds = parser.add_mutually_exclusive_group()
    for kind, meaning in {
        "annotations": "what people submitted (default)",
        "predictions": "what models proposed",
        "both": "what people submitted, and predictions where nobody has",
    }.items():
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=meaning)
    add(
        "--annotator",
        choices=("latest", "all", "ground-truth"),
        default="latest",
        help="whose annotation counts where there are several (default: the one updated last)",
    )
    add("--model-version", metavar="V", help="whose predictions (default: the newest of each task)")
    parser.set_defaults(kind="annotations")


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Pull a project; the exit code is 1 where some images failed."""
    images, videos = _formats(options.format)
    state = options.out / STATE_FOLDER
    pull = Pull(
        client=LabelStudioClient.from_settings(settings),
        fetcher=ImageFetcher(settings),
        clips=PulledClips(
            store=TrackStore.from_settings(settings),
            source=VideoFetcher(settings),
            path=state / "pulled-clips.jsonl",
        ),
        project=options.project,
        choice=SourceChoice(
            kind=options.kind, annotator=options.annotator, model_version=options.model_version
        ),
        delivery=Delivery(folder=options.out, formats=images),
        clip_delivery=Delivery(folder=options.out, formats=videos),
    )
    line = ProgressLine()
    try:
        written = pull.run(line)
    finally:
        line.end()
    print("\n".join([*pull.summary(), *map(str, written)]))
    return 1 if pull.failures or pull.clips.failures else 0


def _formats(said: str | None) -> tuple[list[AnyFormat], list[AnyFormat]]:
    """The formats for images, and those for clips."""
    if said is None:
        return [*formats_of(["coco"])], clip_formats_of(["ytvis"])
    names = said.split(",")
    for_images = [name for name in names if name in FORMATS or name not in CLIP_FORMATS]
    return [*formats_of(for_images)] if for_images else [], clip_formats_of(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An image to export, with the regions for it; `number` counts tasks for the progress."""

    number: int
    task: int
    chosen: Sequence[SourceRegions]
    image: str
    page: Page
    name: str


@dataclass(slots=True, kw_only=True)
class Pull:
    """One run: tasks are read once, page by page, into a journal; formats are written from it."""

    client: LabelStudioClient
    fetcher: ImageFetcher
    project: int
    choice: SourceChoice
    delivery: Delivery
    clips: PulledClips
    clip_delivery: Delivery
    failures: dict[str, PremaskError] = field(default_factory=dict)
    _counts: ReadingCounts = field(default_factory=ReadingCounts)
    _found: list[tuple[str, int]] = field(default_factory=list)
    _labels: set[str] = field(default_factory=set)
    _names: ImageNames = field(default_factory=ImageNames)
    _stems: Stems = field(default_factory=Stems)
    _shows_videos: bool = False

    def run(self, show: ProgressWatcher) -> list[Path]:
        """Read all tasks, then write all formats; returns the paths of the results."""
        path = self.delivery.folder / STATE_FOLDER / "pulled.jsonl"
        path.unlink(missing_ok=True)
        self.clips.path.unlink(missing_ok=True)
        with Journal(path) as journal:
            self._read_all(journal, show)

            def read_back() -> Iterator[Labeled]:
                for number, (name, _) in enumerate(self._found):
                    yield journal.get(str(number), name)

            written: list[Path] = []
            if self._found or not self._shows_videos:
                written = self.delivery.write_dataset_files(read_back, sorted(self._labels))
            if self._shows_videos and self.clips.check():
                labels = sorted(self.clips.labels)
                delivery = self.clip_delivery
                if self._found:
                    # Formats that know both have one name for both.
                    delivery = replace(delivery, folder=delivery.folder / "videos")
                written += delivery.write_clip_files(self.clips.clips, labels)
        path.unlink()
        self.clips.path.unlink(missing_ok=True)
        return written

    def summary(self) -> list[str]:
        """What came out, and what did not, in sentences."""
        counts = [count for _, count in self._found]
        failures = {**self.failures, **self.clips.failures}
        lines = [f"failed: {printable(name)}: {error}" for name, error in failures.items()]
        if self._shows_videos:
            lines += map(printable, self.clips.sentences())
        if counts or self.failures or not self._shows_videos:
            lines.append(
                f"{sum(counts)} objects in {len(counts)} images ({counts.count(0)} of them looked "
                f"at and empty; {len(self.failures)} failed)"
            )
        return [*lines, *self._counts.sentences(self.choice)]

    def _read_all(self, journal: Journal, show: ProgressWatcher) -> None:
        counter = ProgressCounter(total=self.client.count(self.project), on_progress=show)
        work = in_order(self._labeled, self._wanted(), workers=FETCHERS, name="premask-pull")
        with closing(work) as labeling:
            for wanted, labeled in labeling:
                self._keep(labeled.result(), journal)
                # Tasks are counted, which may have several images.
                counter.done, counter.failed = wanted.number, len(self.failures)
                counter.tell()

    def _wanted(self) -> Iterator[_Wanted]:
        """The images that somebody has looked at, task by task."""
        label_config = self.client.project(self.project)["label_config"]
        config = read_label_config(label_config)
        self._shows_videos = bool(config.videos)
        tasks = self.client.tasks(self.project, size=PAGE, whole=True)
        for number, task in enumerate(tasks, start=1):
            chosen = self.choice.of(task)
            self._counts.add(task, self.choice, chosen)
            if not chosen:
                continue
            own = config.of_task(task["data"])
            for image, page in own.all_pages(task["data"]):
                name = self._names.of(page.url, task["id"])
                yield _Wanted(
                    number=number, task=task["id"], chosen=chosen, image=image, page=page, name=name
                )
            for video in config.videos.values():
                self._note_clip(task, video, chosen)

    def _note_clip(self, task: Json, video: VideoTag, chosen: Sequence[SourceRegions]) -> None:
        try:
            name = self._names.of(video.url(task["data"]), task["id"])
            self.clips.add(task["id"], task["data"], video, chosen, name)
        except PremaskError as error:
            self.clips.failures[f"task {task['id']}"] = error

    def _labeled(self, wanted: _Wanted) -> Labeled:
        """One image of a task; its pixels are fetched only if its size or a format needs them."""
        try:
            on_page = wanted.chosen, wanted.image, wanted.page.item_index
            drawn_hw = size_of(*on_page)
            image = Image(name=wanted.name, size_hw=drawn_hw or (0, 0))
            if drawn_hw is None or self.delivery.has_image_files:
                data = self.fetcher.image_bytes(wanted.page.url, task_id=wanted.task)
                image = read_image(data, wanted.name)
            if drawn_hw is not None and drawn_hw != image.size_hw:
                raise InvalidMask(
                    f"The image is {image.size_hw[1]} x {image.size_hw[0]}, but its regions were "
                    f"drawn on one of {drawn_hw[1]} x {drawn_hw[0]}: it was replaced since."
                )
            return Labeled(image=image, annotations=annotations_on(*on_page))
        except PremaskError as error:
            return Labeled(image=Image.unread(wanted.name), error=error)

    def _keep(self, labeled: Labeled, journal: Journal) -> None:
        name = labeled.image.name
        if labeled.error is not None:
            self.failures[name] = labeled.error
            return
        self.delivery.write_image_files(labeled, self._stems.of(name))
        journal.add(str(len(self._found)), labeled)
        self._found.append((name, len(labeled.annotations)))
        self._labels.update(annotation.label for annotation in labeled.annotations)
