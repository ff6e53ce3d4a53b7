"""The images of a project that somebody has looked at, one by one, with what was drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from ml_backend.project.label_config import LabelConfig, Page, read_label_config
from ml_backend.project.task_reading import (
    ImageNames,
    ReadingCounts,
    SourceChoice,
    SourceRegions,
    annotations_on,
    size_of,
)
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json
from premask.annotations import Labeled
from premask.errors import InvalidMask, PremaskError
from premask.images import Image, read_image
from premask.runs.ordered_work import in_order
from premask.runs.progress import ProgressCounter, ProgressWatcher

PAGE = 10
"""Whole tasks at a time: each may hold megabytes of brushes."""

FETCHERS = 4
"""How many images are fetched at the same time, where any must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An image of a task, with the regions for it; `number` counts tasks for the progress."""

    number: int
    task: Json
    chosen: Sequence[SourceRegions]
    image: str
    page: Page
    name: str


def _keep_nothing(wanted: Wanted, data: bytes) -> None:
    return


@dataclass(slots=True, kw_only=True)
class PulledImages:
    """Reads a project's tasks page by page; an image that fails carries its error.

    Its file is fetched where `needs_files`, or where no region tells how large it is, and handed to
    `keep_file`, from several threads. `on_task` hears of each task that somebody has looked at.
    """

    client: LabelStudioClient
    fetcher: ImageFetcher
    project: int
    choice: SourceChoice
    needs_files: bool
    keep_file: Callable[[Wanted, bytes], None] = _keep_nothing
    on_task: Callable[[Json, Sequence[SourceRegions]], None] = lambda task, chosen: None
    names: ImageNames = field(default_factory=ImageNames)
    counts: ReadingCounts = field(default_factory=ReadingCounts)

    def config(self) -> LabelConfig:
        """What the project's label config says."""
        return read_label_config(self.client.project(self.project)["label_config"])

    def labeled(
        self, config: LabelConfig, show: ProgressWatcher
    ) -> Iterator[tuple[Wanted, Labeled]]:
        """The images in the order of their tasks."""
        counter = ProgressCounter(total=self.client.count(self.project), on_progress=show)
        work = in_order(self._labeled, self._wanted(config), workers=FETCHERS, name="premask-pull")
        failed = 0
        with closing(work) as labeling:
            for wanted, result in labeling:
                labeled = result.result()
                failed += labeled.error is not None
                yield wanted, labeled
                # Tasks are counted, which may have several images.
                counter.done, counter.failed = wanted.number, failed
                counter.tell()

    def _wanted(self, config: LabelConfig) -> Iterator[Wanted]:
        tasks = self.client.tasks(self.project, size=PAGE, whole=True)
        for number, task in enumerate(tasks, start=1):
            chosen = self.choice.of(task)
            self.counts.add(task, self.choice, chosen)
            if not chosen:
                continue
            own = config.of_task(task["data"])
            for image, page in own.all_pages(task["data"]):
                name = self.names.of(page.url, task["id"])
                yield Wanted(
                    number=number, task=task, chosen=chosen, image=image, page=page, name=name
                )
            self.on_task(task, chosen)

    def _labeled(self, wanted: Wanted) -> Labeled:
        """One image of a task; its pixels are fetched only if its size or a format needs them."""
        try:
            on_page = wanted.chosen, wanted.image, wanted.page.item_index
            drawn_hw = size_of(*on_page)
            image = Image(name=wanted.name, size_hw=drawn_hw or (0, 0))
            if drawn_hw is None or self.needs_files:
                data = self.fetcher.image_bytes(wanted.page.url, task_id=wanted.task["id"])
                image = read_image(data, wanted.name)
                self.keep_file(wanted, data)
            if drawn_hw is not None and drawn_hw != image.size_hw:
                raise InvalidMask(
                    f"The image is {image.size_hw[1]} x {image.size_hw[0]}, but its regions were "
                    f"drawn on one of {drawn_hw[1]} x {drawn_hw[0]}: it was replaced since."
                )
            return Labeled(image=image, annotations=annotations_on(*on_page))
        except PremaskError as error:
            return Labeled(image=Image.unread(wanted.name), error=error)
