"""The labels of a plan, or of one of its shards, with the images that they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

from premask.annotations import Labeled, LabeledClip
from premask.datasets.image_files import ImageFiles
from premask.files import write_atomically
from premask.labels.glimpse import Glimpse
from premask.labels.shard_table import is_shard, read_shard, shard_locations
from premask.plans.plan import Plan, is_plan
from premask.sources.fetching import ImageFetcher
from premask.sources.local_store import path_of
from premask.sources.naming import suffix_of
from premask.sources.places import Places, is_local
from premask.sources.source_image import SourceImage


def plan_labels(folder: Path) -> Iterator[Labeled]:
    """What was found in the shards that are done, in the order of the plan; failed images, too."""
    plan = Plan.open(folder)
    for index in plan.shards:
        if plan.is_done(index):
            yield from shard_labels(plan.labels_path(index))


def shard_labels(path: Path) -> Iterator[Labeled]:
    """What was found in one shard."""
    return (row.labeled for row in read_shard(path))


def has_planned_clips(path: Path) -> bool:
    """Whether it is a plan of clips, or a shard of one."""
    if is_plan(path):
        return Plan.open(path).job.is_for_clips
    if not path.is_file() or not is_shard(Glimpse.of(path)):
        return False
    first = next(iter(read_shard(path)), None)
    return first is not None and first.record["frames"] is not None


def planned_clips(path: Path) -> Iterator[LabeledClip]:
    """What was found in the clips of a plan or a shard; those that failed are left out."""
    plan = Plan.open(path) if is_plan(path) else None
    shards = [path] if plan is None else map(plan.labels_path, filter(plan.is_done, plan.shards))
    for shard in shards:
        yield from (row.clip for row in read_shard(shard) if row.error is None)


def plan_images(folder: Path) -> ImageFiles:
    """All images of a plan."""
    plan = Plan.open(folder)

    def planned() -> Iterator[SourceImage]:
        return chain.from_iterable(map(plan.images, plan.shards))

    return ImageFiles(paths=PlannedPaths(planned, folder, plan))


def shard_images(path: Path) -> ImageFiles:
    """The images of one shard, as its plan has them where it still lies in one."""
    folder = path.absolute().parent.parent
    plan = Plan.open(folder) if is_plan(folder) else None
    for index in plan.shards if plan is not None else ():
        if plan is not None and plan.labels_path(index).name == path.name:
            return ImageFiles(paths=PlannedPaths(partial(plan.images, index), folder, plan))
    return ImageFiles(paths=PlannedPaths(lambda: _locations(path), path.parent))


def _locations(path: Path) -> Iterator[SourceImage]:
    for uri, name in shard_locations(path):
        yield SourceImage(uri=uri, name=name)


class PlannedPaths(Mapping[str, Path]):
    """Image files by name. Nothing is looked up before somebody asks for one.

    What lies elsewhere is fetched then, once, into a folder below this one.
    """

    def __init__(
        self, images: Callable[[], Iterable[SourceImage]], folder: Path, plan: Plan | None = None
    ) -> None:
        self._images, self._folder = images, folder / "fetched"
        allowed = () if plan is None else plan.job.allowed_hosts
        self._fetcher = ImageFetcher(Places(allowed_hosts=allowed))

    def __getitem__(self, name: str) -> Path:
        image = self._by_name[name]
        if is_local(image.uri):
            return path_of(image.uri)
        path = self._folder / f"{image.id}{suffix_of(name)}"
        if not path.is_file():
            write_atomically(path, self._fetcher.read(image))
        return path

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __bool__(self) -> bool:
        # Who only wants to know whether there are any need not look all of them up.
        return True

    @cached_property
    def _by_name(self) -> dict[str, SourceImage]:
        return {image.name: image for image in self._images()}
