"""Files of clips -> detections in the frames of clips: the same object has the same Instance."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import fiftyone as fo

from premask.annotations import LabeledClip
from premask.datasets.clip_reading import clips_in, read_clips
from premask.errors import InvalidSetting, PremaskError
from premask.images import digest_of
from premask.labels.clip_frames import looked_at
from premask.labels.mots import LEGEND_NAME
from premask.masks import Size
from premask.runs.progress import ProgressCounter, ProgressWatcher

from ..dataset.bulk_store import Document
from ..dataset.chosen_clips import ChosenClips
from ..dataset.clips import Clip
from ..dataset.history import Run, recorded
from ..dataset.provenance import Stamp
from ..dataset.reading import holder_reader
from ..dataset.schema import FRAMES
from ..dataset.tracks import TRACKS, track_document
from ..dataset.writing import prepare_fields, require_fitting
from .clip_matching import ClipsByName, frame_indices
from .coco_import import Imported
from .image_matching import NoSample
from .imported_frames import ImportedFrame, ImportedObjects

_CHUNK = 100
"""Frames read and written at once."""

NO_SIZE = (0, 0)
"""What a clip has in which nothing is, in formats that tell a size with each mask only."""


def import_clips(
    chosen: ChosenClips,
    path: str | Path,
    run: Run,
    *,
    label_field: str,
    append: bool = False,
    masks_on_disk: bool = False,
    on_progress: ProgressWatcher | None = None,
) -> Imported:
    """Write the tracks of a file, or of a folder, as detections of the clips that they are of.

    Any format for clips is read. A clip belongs to the video, or to the images in an order, whose
    path ends with its name. Labels that are in the field stay; they are an error unless `append`
    asks to put what is new behind them.
    """
    path = Path(path)
    place = clips_in(path) or path
    work = _Import(chosen, run, label_field.removeprefix(FRAMES), on_disk=masks_on_disk)
    # MOTS has names of frames only if it is not ours: we write which numbers they have instead.
    has_names = not (place.is_dir() and (place / LEGEND_NAME).is_file())
    work.require_room(append=append)
    found, known = list(read_clips(place)), ClipsByName(chosen.clips())
    run.thing, run.kind = "frame", "Import of tracks"
    with recorded(chosen.dataset, run):
        work.prepare()
        counter = ProgressCounter(total=len(found), on_progress=on_progress)
        for labeled in found:
            try:
                work.add(labeled, known.of(labeled), has_names=has_names)
            except PremaskError as error:
                work.outcome.failures[labeled.name] = str(error)
            counter.count()
        for name, reason in work.outcome.failures.items():
            run.fail(name, reason)
    return work.outcome


class _Import:
    """One import under way; each clip of the file is read twice, some frames at a time."""

    def __init__(self, chosen: ChosenClips, run: Run, name: str, *, on_disk: bool) -> None:
        self.outcome = Imported()
        self._chosen, self._run, self._field, self._on_disk = chosen, run, name, on_disk
        self._path, self._stamp = chosen.path(name), Stamp(run=run.name)
        self._objects: dict[str, ImportedObjects] = defaultdict(ImportedObjects)

    def require_room(self, *, append: bool) -> None:
        """Refuse a field that has labels in these clips, unless they are appended to."""
        dataset, path = self._chosen.dataset, self._path
        require_fitting(dataset, {path: TRACKS})
        if append or not dataset.has_field(path):
            return
        if count := self._chosen.samples.count(f"{path}.detections"):
            raise InvalidSetting(
                f"'{path}' has labels in these clips ({count:,}). Choose another field, or append, "
                "which leaves them as they are and adds what is new."
            )

    def prepare(self) -> None:
        """Make the field, if the frames have none of this name."""
        outputs = {self._path: TRACKS}
        self._run.fields = {self._path: TRACKS.name}
        made = prepare_fields(self._chosen.dataset, outputs)
        self._run.new_fields, self._run.new_attributes = made
        self._read = holder_reader(self._chosen.dataset, self._path)

    def add(self, labeled: LabeledClip, clip: Clip, *, has_names: bool) -> None:
        """Put the frames of one clip of the file into the database."""
        video, _ = clip.open()
        if labeled.size_hw not in (NO_SIZE, video.size_hw):
            raise NoSample(
                f"its masks have the size {labeled.size_hw}, but the clip has {video.size_hw}"
            )
        indices = frame_indices(labeled, clip, video, has_names=has_names)
        objects = self._objects[clip.key]
        for chunk in self._chunks(labeled, clip, indices, video.size_hw):
            for frame in chunk:
                objects.join(frame)
        for chunk in self._chunks(labeled, clip, indices, video.size_hw):
            for frame in chunk:
                self._count(frame)
            changed = (frame for frame in chunk if frame.holder is None or frame.fresh)
            documents = {one.index: self._document(clip, one, objects) for one in changed}
            clip.store(self._field, documents)
        self.outcome.clips += 1

    def _chunks(
        self, labeled: LabeledClip, clip: Clip, indices: Mapping[int, int], size_hw: Size
    ) -> Iterator[list[ImportedFrame]]:
        frames = looked_at(labeled)
        while chunk := {indices[one.frame or 0]: one for one in itertools.islice(frames, _CHUNK)}:
            held = dict(clip.stored(self._field, list(chunk)))
            yield [
                ImportedFrame.of(index, one, held.get(index), self._read, size_hw)
                for index, one in chunk.items()
            ]

    def _document(self, clip: Clip, frame: ImportedFrame, objects: ImportedObjects) -> Document:
        """What the frame has from now on: what is new lies behind what was there."""
        holder: Document = frame.holder or fo.Detections().to_dict()
        labels = list(holder.get("detections") or ())
        for number, annotation in enumerate(frame.fresh):
            identity = objects.of(annotation)
            label = track_document(
                replace(annotation, track=identity.index),
                frame.size_hw,
                self._stamp,
                identity.instance_id,
                self._mask_path(clip, frame.index, number),
                has_keyframes=objects.have_keyframes,
            )
            labels.append(label)
        marks = self._stamp.on_holder(None, new=frame.holder is None)
        return holder | {"detections": labels} | marks

    def _mask_path(self, clip: Clip, index: int, number: int) -> Path | None:
        if not self._on_disk:
            return None
        name = f"{digest_of(clip.key.encode())}_{index + 1:06}_{number}.png"
        return Path(self._run.folder) / self._field / name

    def _count(self, frame: ImportedFrame) -> None:
        self.outcome.images += 1
        self.outcome.annotations += len(frame.fresh)
        self.outcome.duplicates += len(frame.labeled.annotations) - len(frame.fresh)
        self.outcome.mattes_lost += sum(one.matte is not None for one in frame.fresh)
        self._run.labeled, self._run.annotations = self.outcome.images, self.outcome.annotations
