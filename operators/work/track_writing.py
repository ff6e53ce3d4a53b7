"""What was found in a clip's frames into the database, beside a person's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import fiftyone as fo

from premask.annotations import Annotation, Labeled
from premask.images import digest_of
from premask.labels.fiftyone import annotation_from_detection

from ..dataset.bulk_store import Document
from ..dataset.clips import Clip
from ..dataset.history import Run, all_runs
from ..dataset.provenance import KEY, Look, Stamp, computed_attributes, is_replaceable
from ..dataset.tracks import label_of, mark_of, track_document
from .track_job import TrackJob
from .track_prompts import ClipPrompts


class TrackWriter:
    """Writes the frames of one run.

    A person's label stays, and stands for its object in its frame. A label of an earlier run that
    would be written again as it is stays, too.
    """

    def __init__(self, job: TrackJob, run: Run) -> None:
        self._job, self._run = job, run
        self._stamp = Stamp(run=run.name, recipe=job.recipe.name)
        self._computed = computed_attributes(job.dataset)
        made = {field for other in all_runs(job.dataset) for field in other.new_fields}
        self._is_own = job.path in {*made, *run.new_fields}

    def write(self, clip: Clip, found: Sequence[Labeled], asked: ClipPrompts, look: Look) -> None:
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
            labels = self._labels(clip, labeled, holder, asked)
            if holder is None and not labels and not self._is_own:
                # An empty list would say in a person's name that somebody has looked.
                continue
            empty: Document = fo.Detections().to_dict()
            signature = self._stamp.on_holder(look, new=holder is None)
            documents[frame] = (holder or empty) | {"detections": labels} | signature
        clip.store(self._job.field, documents)

    def _labels(
        self, clip: Clip, labeled: Labeled, holder: Document | None, asked: ClipPrompts
    ) -> list[Document]:
        """The labels that a frame has from now on."""
        tracks, frame = asked.tracks, labeled.frame or 0
        labels, ours = self._parted(holder, asked)
        theirs = {tracks.number(mark_of(document)) for document in labels}
        # Before anybody has pointed at it, an object stays as it was found.
        fixed = {track for track in asked.fixed if frame < asked.fixed[track]} - theirs
        labels += [ours[track] for track in sorted(fixed & set(ours))]
        fresh = 0
        for found in labeled.annotations:
            track = found.track or 0
            if track in theirs or track in fixed:
                continue
            is_keyframe = found.keyframe and asked.seen.get(track) != frame
            annotation = replace(found, keyframe=is_keyframe)
            before = ours.get(track)
            if before is not None and self._is_same(before, annotation, labeled):
                labels.append(before)
            else:
                labels.append(self._document(clip, labeled, annotation, tracks.instance(track)))
                fresh += 1
        is_known = holder is not None and not fresh
        self._run.reused += is_known
        self._run.labeled += not is_known
        self._run.annotations += fresh
        return labels

    def _parted(
        self, holder: Document | None, asked: ClipPrompts
    ) -> tuple[list[Document], dict[int, Document]]:
        """A person's labels in a frame, and what a run wrote and nobody touched, by the object."""
        theirs, ours = list[Document](), dict[int, Document]()
        for document in (holder or {}).get("detections") or ():
            mark = mark_of(document)
            if mark.label_id in asked.fillers:
                continue
            if is_replaceable(label_of(document), self._computed):
                ours[asked.tracks.number(mark)] = document
            else:
                theirs.append(document)
        return theirs, ours

    def _document(
        self, clip: Clip, labeled: Labeled, found: Annotation, instance: str | None
    ) -> Document:
        path = None
        if self._job.masks_on_disk:
            number = (labeled.frame or 0) + 1
            name = f"{digest_of(clip.key.encode())}_{number:06}_{found.track}.png"
            path = Path(self._run.folder) / self._job.field / name
        return track_document(found, labeled.image.size_hw, self._stamp, instance, path)

    def _is_same(self, document: Document, found: Annotation, labeled: Labeled) -> bool:
        """Whether a label of an earlier run is what would be written now."""
        label = label_of(document)
        fields = {name: label[name] for name in ("label", "bounding_box", "confidence")}
        mask, size_hw = label.get_mask(), labeled.image.size_hw
        before = annotation_from_detection(fields | {"mask": mask}, size_hw)
        is_on_disk, is_keyframe = bool(document.get("mask_path")), document.get("keyframe")
        return (before.label, before.mask, before.score, is_keyframe, is_on_disk) == (
            found.label,
            found.mask,
            found.score,
            found.keyframe,
            self._job.masks_on_disk,
        )
