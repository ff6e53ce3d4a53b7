"""A plan: images cut into shards, and all that decides what is found in them; folders and files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from premask.errors import Cancelled, InvalidPlan, InvalidSetting
from premask.files import replacing_text, write_atomically
from premask.images import SUFFIXES
from premask.labels.shard_table import shard_fingerprint
from premask.plans.growth import Growth, SpooledList
from premask.plans.job import PlanJob, job_from_json, job_to_json
from premask.plans.manifest_folder import ManifestFolder, PlannedShard, shard_name
from premask.recipes.recipe import recipes_from_file
from premask.runs.inputs import VIDEO_SUFFIXES
from premask.runs.progress import Progress, ProgressWatcher
from premask.sources.listing import list_images
from premask.sources.places import Places
from premask.sources.source_image import SourceImage as PlannedImage

SHARD_SIZE = 512
PLAN_FILE = "plan.json"
_RECIPE_FILE = "recipe.toml"
_VERSION = 1
_TOLD_EACH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A folder with a plan, and below it the labels of the shards that are done."""

    folder: Path
    job: PlanJob
    fingerprint: str
    sources: tuple[str, ...]
    contents: tuple[PlannedShard, ...]

    @classmethod
    def open(cls, folder: Path) -> Plan:
        """Read it; `InvalidPlan` if there is none, or none that this version of premask reads."""
        try:
            return cls._from_record(folder, json.loads((folder / PLAN_FILE).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InvalidPlan(
                f"{folder} holds no plan that can be read ({what}). Make one with: premask plan "
                f"SOURCE --recipe R --out {folder}"
            ) from error

    @classmethod
    def _from_record(cls, folder: Path, record: Mapping[str, Any]) -> Plan:
        if record["version"] != _VERSION:
            raise ValueError(f"it is of version {record['version']}")
        recipe = recipes_from_file(folder / _RECIPE_FILE)[record["recipe"]]
        return cls(
            folder=folder,
            job=job_from_json(record, recipe),
            fingerprint=record["fingerprint"],
            sources=tuple(record["sources"]),
            contents=tuple(
                PlannedShard(images=int(images), digest=str(digest))
                for images, digest in record["shards"]
            ),
        )

    @property
    def shards(self) -> Sequence[int]:
        """The numbers of all shards."""
        return range(len(self.contents))

    @property
    def image_count(self) -> int:
        """How many images are planned."""
        return sum(shard.images for shard in self.contents)

    def planned(self, index: int) -> int:
        """How many images a shard has."""
        return self._shard(index).images

    def images(self, index: int) -> Iterator[PlannedImage]:
        """The images of a shard, in order."""
        return ManifestFolder(self.folder).read(index, self._shard(index))

    def shard_fingerprint(self, index: int) -> str:
        """What the file of labels of this shard was written for, if it is this plan's."""
        return f"{self.fingerprint}-{self._shard(index).digest}"

    def is_done(self, index: int) -> bool:
        """Whether the shard's labels are there, and of this plan."""
        return shard_fingerprint(self.labels_path(index)) == self.shard_fingerprint(index)

    def has_labels(self, index: int) -> bool:
        """Whether labels are there that were found in the same way, of these images or others."""
        found = shard_fingerprint(self.labels_path(index)) or ""
        return found.startswith(f"{self.fingerprint}-")

    def todo(self) -> list[int]:
        """The shards that are not done, in order."""
        return [index for index in self.shards if not self.is_done(index)]

    def labels_path(self, index: int) -> Path:
        """The file of labels of a shard; it is there once the shard is done."""
        return self.folder / "labels" / f"{shard_name(index)}.parquet"

    def work_folder(self, index: int) -> Path:
        """Where the shard's work is kept while it is under way."""
        return self.folder / "work" / shard_name(index)

    def require_same_work(self) -> None:
        """`InvalidPlan` where other weights, or another version of premask, would do the work."""
        if self.job.fingerprint != self.fingerprint:
            raise InvalidPlan(
                f"The plan in {self.folder} was made with other weights, or by another version of "
                "premask, than are here: its labels would be of two kinds. Use those, or plan it "
                "anew, and everything is labeled again: premask plan ... --replace"
            )

    def _shard(self, index: int) -> PlannedShard:
        if not 0 <= index < len(self.contents):
            raise InvalidPlan(
                f"The plan in {self.folder} has no shard {index}; it has 0 to "
                f"{len(self.contents) - 1}."
            )
        return self.contents[index]


def is_plan(folder: Path) -> bool:
    """Whether a folder holds a plan."""
    return (folder / PLAN_FILE).is_file() and (folder / "manifests").is_dir()


def make_plan(
    sources: Sequence[str],
    job: PlanJob,
    folder: Path,
    shard_size: int = SHARD_SIZE,
    *,
    column: str | None = None,
    replace: bool = False,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
) -> Plan:
    """Plan all images of the sources, or what they have more now than when they were planned.

    New images become new shards. A shard in which an image has changed is not done any more, but
    only that image is labeled again. `column` is that of parquet files. `replace` forgets a plan of
    other settings that the folder has.
    """
    if shard_size < 1:
        raise InvalidSetting(f"A shard has at least 1 image, and not {shard_size}.")
    earlier, manifests = _earlier(folder, job, replace), ManifestFolder(folder)
    manifests.make()
    contents = list(earlier.contents) if earlier else []
    places = Places(allowed_hosts=job.allowed_hosts)
    suffixes = VIDEO_SUFFIXES if job.is_for_clips else SUFFIXES
    images = list_images(sources, places, column=column, suffixes=suffixes)
    listed = _watched(images, on_progress, cancel)
    with SpooledList(listed, folder) as spooled:
        growth = spooled.growth_of(manifests.read_again(contents))
        for index, changed in _changes(spooled, growth):
            newest = [changed.get(image.id, image) for image in manifests.read(index)]
            contents[index] = manifests.write(index, newest)
        contents += manifests.write_all(spooled.fresh_images(growth), len(contents), shard_size)
    plan = Plan(
        folder=folder,
        job=job,
        fingerprint=job.fingerprint,
        sources=tuple(dict.fromkeys((*(earlier.sources if earlier else ()), *sources))),
        contents=tuple(contents),
    )
    _write(plan)
    if replace:
        _remove_labels_beyond(plan)
    return plan


def _remove_labels_beyond(plan: Plan) -> None:
    """Of a plan that was larger: its labels would be read along with those of this one."""
    mine = {plan.labels_path(index) for index in plan.shards}
    for path in (plan.folder / "labels").glob("*.parquet"):
        if path not in mine:
            path.unlink()


def _watched(
    images: Iterator[PlannedImage],
    on_progress: ProgressWatcher | None,
    cancel: threading.Event | None,
) -> Iterator[PlannedImage]:
    started, count = time.monotonic(), 0
    for count, image in enumerate(images, start=1):
        yield image
        if count % _TOLD_EACH:
            continue
        if on_progress is not None:
            seconds = time.monotonic() - started
            on_progress(Progress(done=count, failed=0, total=None, seconds=seconds))
        if cancel is not None and cancel.is_set():
            raise Cancelled(
                f"Stopped after {count:,} images were listed; nothing is planned of it."
            )
    if not count:
        raise InvalidPlan("There is nothing to plan: the sources hold no image.")


def _earlier(folder: Path, job: PlanJob, replace: bool) -> Plan | None:
    """The plan that the folder has, if it is for the same work."""
    if replace or not is_plan(folder):
        return None
    earlier = Plan.open(folder)
    if earlier.fingerprint != job.fingerprint:
        raise InvalidPlan(
            f"{folder} holds a plan of other settings, other weights or another version of "
            "premask. Choose another folder, or, to label everything anew, add --replace."
        )
    return earlier


def _changes(
    spooled: SpooledList, growth: Growth
) -> Iterator[tuple[int, Mapping[str, PlannedImage]]]:
    """The shards that have images in other versions now, with these."""
    for index, pairs in groupby(growth.changed.tolist(), key=itemgetter(0)):
        images = spooled.images_at([place for _, place in pairs])
        yield index, {image.id: image for image in images}


def _write(plan: Plan) -> None:
    """Write what names the manifests, once they are on the disk for good."""
    with replacing_text(plan.folder / _RECIPE_FILE) as text:
        text.write(f"{plan.job.recipe}\n")
    record = {
        "version": _VERSION,
        "fingerprint": plan.fingerprint,
        "sources": plan.sources,
        **job_to_json(plan.job),
        "shards": [[shard.images, shard.digest] for shard in plan.contents],
    }
    write_atomically(plan.folder / PLAN_FILE, json.dumps(record).encode() + b"\n")
