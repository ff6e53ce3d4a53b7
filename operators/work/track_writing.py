"""What was found in a clip's frames into the database, beside a person's labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fiftyone as fo

from premask.annotations import Annotation, Labeled
from premask.images import digest_of
from premask.labels.fiftyone import annotation_from_detection

from ..dataset.bulk_store import Document
from ..dataset.clips import Clip
from ..dataset.history import Run
from ..dataset.provenance import KEY, Look, Stamp, computed_attributes, is_replaceable
from ..dataset.tracks import Tracks, mark_of, track_document
from .track_job import TrackJob


class TrackWriter:
    """Writes the frames of one run.

    A person's label stays, and stands for its object in its frame. A label of an earlier run that
    would be written again as it is stays, too.
    """

    def __init__(self, job: TrackJob, run: Run) -> None:
        self._job, self._run = job, run
        self._stamp = Stamp(run=run.name, recipe=job.recipe.name)
        self._computed = computed_attributes(job.dataset)

    def write(self, clip: Clip, found: Sequence[Labeled], tracks: Tracks, look: Look) -> None:
        """Put what was found into the frames that are asked for, unless it is there already."""
        wanted = {
            labeled.frame: labeled
            for labeled in found
            if labeled.frame is not None and clip.wants(labeled.frame)
        }
        held = dict(clip.stored(self._job.field, list(wanted)))
        documents: dict[int, Document] = {}
        for frame, labeled in wanted.items():
            holder = held.get(frame)
            if holder is not None and holder.get(KEY) == look.key:
                self._run.reused += 1
                continue
            labels = self._labels(clip, labeled, holder, tracks)
            empty: Document = fo.Detections().to_dict()
            signature = self._stamp.on_holder(look, new=holder is None)
            documents[frame] = (holder or empty) | {"detections": labels} | signature
        clip.store(self._job.field, documents)

    def _labels(
        self, clip: Clip, labeled: Labeled, holder: Document | None, tracks: Tracks
    ) -> list[Document]:
        """The labels that a frame has from now on."""
        kept, ours = list[Document](), dict[int, Document]()
        for document in (holder or {}).get("detections") or ():
            label = fo.Detection.from_dict(document)
            if is_replaceable(label, self._computed):
                ours[tracks.number(mark_of(document))] = document
            else:
                kept.append(document)
        theirs = {tracks.number(mark_of(document)) for document in kept}
        fresh = 0
        for annotation in labeled.annotations:
            track = annotation.track or 0
            if track in theirs:
                continue
            before = ours.get(track)
            if before is not None and _is_same(before, annotation, labeled):
                kept.append(before)
            else:
                kept.append(self._document(clip, labeled, annotation, tracks.instance(track)))
                fresh += 1
        self._run.labeled += 1
        self._run.annotations += fresh
        return kept

    def _document(
        self, clip: Clip, labeled: Labeled, found: Annotation, instance: str | None
    ) -> Document:
        path = None
        if self._job.masks_on_disk:
            number = (labeled.frame or 0) + 1
            name = f"{digest_of(clip.key.encode())}_{number:06}_{found.track}.png"
            path = Path(self._run.folder) / self._job.field / name
        return track_document(found, labeled.image.size_hw, self._stamp, instance, path)


def _is_same(document: Document, found: Annotation, labeled: Labeled) -> bool:
    """Whether a label of an earlier run shows just what was found now."""
    label = fo.Detection.from_dict(document)
    fields: dict[str, Any] = {
        name: label[name] for name in ("label", "bounding_box", "index", "confidence")
    }
    before = annotation_from_detection(fields | {"mask": label.get_mask()}, labeled.image.size_hw)
    is_keyframe = bool(document.get("keyframe"))
    return (before.label, before.mask, is_keyframe) == (found.label, found.mask, found.keyframe)
