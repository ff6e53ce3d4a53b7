"""One shard: its images that are not done are labeled, then its file takes its place at once."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

from premask.annotations import Labeled
from premask.errors import (
    Cancelled,
    FolderInUse,
    ModelFailed,
    PremaskError,
    UnreadableImage,
    UnwritableOutput,
)
from premask.files import take_free_place, take_place
from premask.images import Image, digest_of
from premask.labels.shard_row import Location, ShardRow
from premask.labels.shard_table import read_shard, shard_keys, write_shard
from premask.models.pool import ModelPool
from premask.plans.plan import Plan
from premask.plans.planned_clips import PlannedClips
from premask.runs.journal import Journal
from premask.runs.pipeline import Request, label
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.sources.fetching import ImageFetcher
from premask.sources.places import Places
from premask.sources.read_ahead import read_in_order
from premask.sources.source_image import SourceImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOutcome:
    """How it went. `won` says that this call wrote the shard's file; nobody else's was there.

    `reused` images were done before, and `busy` says that another process is at this shard now.
    """

    index: int
    images: int = 0
    failed: int = 0
    seconds: float = 0.0
    won: bool = False
    reused: int = 0
    busy: bool = False


def label_shard(
    plan: Plan,
    index: int,
    pool: ModelPool,
    *,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
    retry_failed: bool = False,
    only: Collection[str] | None = None,
    given_up: Mapping[str, str] | None = None,
) -> ShardOutcome:
    """Label the images of a shard, and write its file; what a killed process did is kept.

    An image that fails is a row with an error. What is wrong with all of them is raised: weights
    that are missing, a full disk. With `only`, the images with these ids are labeled into the
    journal, and the file is left for a later call. Images that are `given_up`, by their ids and
    with the reasons, are not even read.
    """
    started = time.monotonic()
    plan.require_same_work()
    folder = plan.work_folder(index)
    try:
        with Journal(folder / "journal.jsonl") as journal:
            work = _ShardWork(plan, index, journal, retry_failed, given_up or {})
            won = False
            if not work.is_needless:
                work.label(pool, only, on_progress, cancel or threading.Event())
                won = only is None and work.write()
            if only is None:
                # Before the lock goes: whoever gets it next finds the file in its place.
                shutil.rmtree(folder, ignore_errors=True)
    except FolderInUse:
        return ShardOutcome(index=index, busy=True)
    return ShardOutcome(
        index=index,
        images=plan.planned(index),
        failed=work.failed,
        seconds=time.monotonic() - started,
        won=won,
        reused=work.counter.reused,
    )


class _ShardWork:
    """Knows for each image of the shard where its row comes from."""

    def __init__(
        self,
        plan: Plan,
        index: int,
        journal: Journal,
        retry_failed: bool,
        given_up: Mapping[str, str],
    ) -> None:
        self._plan, self._index, self._journal = plan, index, journal
        self._path = plan.labels_path(index)
        earlier = list(shard_keys(self._path)) if plan.has_labels(index) else []
        self.failed = sum(row.failed for row in earlier)
        self.is_needless = plan.is_done(index) and not (retry_failed and self.failed)
        self._kept = {row.image_id: row.version for row in earlier if not row.failed}
        self._errors: dict[str, PremaskError] = {
            image_id: ModelFailed(reason) for image_id, reason in given_up.items()
        }
        self._keys: dict[str, str] = {}
        self._under_way = deque[SourceImage]()
        self._fetcher = ImageFetcher(Places(allowed_hosts=plan.job.allowed_hosts))
        self._clips: PlannedClips | None = None
        self.counter = ProgressCounter(total=plan.planned(index))

    def label(
        self,
        pool: ModelPool,
        only: Collection[str] | None,
        on_progress: ProgressWatcher | None,
        cancel: threading.Event,
    ) -> None:
        """Do what neither the journal nor an earlier file has."""
        self.counter.on_progress = on_progress
        job = self._plan.job
        if job.is_for_clips:
            self._follow(pool, only, cancel)
            return
        labeled = label(
            self._requests(only),
            job.recipe,
            prompts=job.prompts,
            window=job.window,
            pool=pool,
            batch_size=job.batch_size,
        )
        with closing(labeled):
            for result in labeled:
                # One comes for each request, in the same order.
                self._note(self._under_way.popleft(), result)
                if cancel.is_set():
                    raise Cancelled(f"Stopped after {self.counter.done} images, as asked.")

    def _follow(
        self, pool: ModelPool, only: Collection[str] | None, cancel: threading.Event
    ) -> None:
        """The same for clips, whose own folders say how far they are."""
        folder = self._plan.work_folder(self._index)
        self._clips = PlannedClips(self._plan.job, folder, self._fetcher, pool)
        for clip in self._plan.images(self._index):
            if self._is_todo(clip, only):
                error = self._clips.follow(clip, cancel)
                if error is not None:
                    self._errors[clip.id] = error
                self.counter.count(failed=error is not None)

    def write(self) -> bool:
        """Put the file into its place; False if somebody was faster."""
        # On a disk that several machines share there may be another writer, whom no lock stops.
        part = self._plan.work_folder(self._index) / f"{uuid4().hex}.parquet"
        is_there = self._path.exists()
        try:
            write_shard(part, self._rows(), self._plan.shard_fingerprint(self._index))
            if not is_there:
                return take_free_place(part, self._path)
            take_place(part, self._path)
            return True
        except UnwritableOutput:
            # Whoever was faster has taken the work folder away.
            if not is_there and self._plan.is_done(self._index):
                return False
            raise

    def _requests(self, only: Collection[str] | None) -> Iterator[Request]:
        """The images that are not done, with their bytes, or with what went wrong."""
        todo = (image for image in self._plan.images(self._index) if self._is_todo(image, only))
        with closing(read_in_order(todo, self._fetcher.read)) as reading:
            for image, future in reading:
                try:
                    data = future.result()
                except UnreadableImage as error:
                    self._under_way.append(image)
                    yield Request(image=b"", name=image.name, error=error)
                    continue
                self._keys.setdefault(image.id, self._key(digest_of(data)))
                if self._keys[image.id] in self._journal:
                    self.counter.count(reused=True)
                else:
                    self._under_way.append(image)
                    yield Request(image=data, name=image.name)

    def _is_todo(self, image: SourceImage, only: Collection[str] | None) -> bool:
        if image.id in self._errors or (only is not None and image.id not in only):
            return False
        if image.etag:
            # Who knows which version it is need not read it to know that it is done.
            self._keys[image.id] = self._key(f"{image.id} {image.version}")
        if self._is_kept(image) or self._keys.get(image.id, "") in self._journal:
            self.counter.count(reused=True)
            return False
        return True

    def _key(self, identity: str) -> str:
        return digest_of(f"{self._plan.fingerprint} {identity}".encode())

    def _is_kept(self, image: SourceImage) -> bool:
        return self._kept.get(image.id) == image.version

    def _note(self, image: SourceImage, result: Labeled) -> None:
        if result.error is not None:
            self._errors[image.id] = result.error
        else:
            self._journal.add(self._keys[image.id], result)
        self.counter.count(failed=result.error is not None)

    def _rows(self) -> Iterator[ShardRow]:
        """A row for each image, in the order of the plan, which an earlier file has as well."""
        earlier = read_shard(self._path) if self._kept else iter(())
        self.failed = 0
        for image in self._plan.images(self._index):
            if self._is_kept(image):
                yield next(row for row in earlier if row.image_id == image.id)
                continue
            error, where = self._errors.get(image.id), _location(image)
            if error is not None:
                self.failed += 1
                yield ShardRow.of(Labeled(image=Image.unread(image.name), error=error), where)
            elif self._clips is not None:
                yield ShardRow.of_clip(self._clips.labeled(image), where)
            else:
                yield ShardRow.of(self._journal.get(self._keys[image.id], image.name), where)


def _location(image: SourceImage) -> Location:
    return Location(image_id=image.id, uri=image.uri, version=image.version)
