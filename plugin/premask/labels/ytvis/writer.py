"""Writes clips as YouTube-VIS JSON, track by track, though they come frame by frame."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from premask.annotations import Annotation, LabeledClip
from premask.errors import InvalidMask
from premask.files import replacing
from premask.labels.clip_frames import looked_at
from premask.labels.coco import shape_to_coco
from premask.labels.json_files import write_list, write_record
from premask.labels.numbering import number_new, numbered
from premask.labels.track_spool import TrackSpool

Json = dict[str, Any]

_HEAD = b'{"info": {"description": "Annotated by premask"},\n"licenses": [],\n"videos": ['


class _Track(NamedTuple):
    """What the frames of a record have in common; objects without a track differ in `lone`."""

    track: int | None
    label: str
    crowd: bool
    lone: int


def write_ytvis(
    clips: Iterable[LabeledClip],
    path: Path,
    categories: Sequence[str] | None = None,
    *,
    compressed: bool = True,
) -> tuple[Path, ...]:
    """Write one file in one pass over each clip.

    A clip comes frame by frame, and the file wants it track by track. Meanwhile masks wait on the
    disk; in memory are 16 bytes for each object in each frame of one clip, the names of its frames,
    and one track's boxes and scores. Frames that failed are left out, mattes are left out, and an
    empty mask is the same as none. Run lengths that are not `compressed` are lists of numbers.
    """
    writer = _Writer(numbered(categories), compressed)
    # The videos are listed before all annotations, which wait in a file of their own.
    with replacing(path) as file, tempfile.TemporaryFile(dir=path.parent) as waiting:
        file.write(_HEAD)
        for number, clip in enumerate(clips, start=1):
            with tempfile.TemporaryFile(dir=path.parent) as spool:
                write_record(file, writer.write_clip(clip, number, spool, waiting), number)
        file.write(b'\n],\n"annotations": [')
        waiting.seek(0)
        shutil.copyfileobj(waiting, file)
        names = ({"id": number, "name": name} for name, number in writer.categories.items())
        write_list(file, "categories", names)
        if writer.pairs:
            write_list(file, "video_np_pairs", writer.pairs)
        file.write(b"\n]}\n")
    return (path,)


@dataclass(slots=True)
class _Writer:
    """The numbers given so far, and which phrases were looked for in which clip."""

    categories: dict[str, int]
    compressed: bool
    pairs: list[Json] = field(default_factory=list)
    _annotations: int = 0

    def write_clip(
        self, clip: LabeledClip, video_id: int, spool: BinaryIO, annotations: BinaryIO
    ) -> Json:
        """Write the records of a clip's tracks, and return that of the clip itself."""
        tracks = TrackSpool[_Track](spool)
        video = self._video(clip, video_id, tracks)
        found = Counter[str]()
        for track, rows in tracks.tracks():
            self._annotations += 1
            found[track.label] += 1
            head: Json = {"id": self._annotations, "video_id": video_id}
            head |= {"category_id": self.categories[track.label], "iscrowd": int(track.crowd)}
            head |= {key: video[key] for key in ("width", "height", "length")}
            annotations.write(b"\n" if self._annotations == 1 else b",\n")
            _write_track(annotations, {**head, "track_id": track.track}, rows)
        for phrase in dict.fromkeys(clip.phrases):
            number = self.categories.setdefault(phrase, len(self.categories) + 1)
            pair: Json = {"id": len(self.pairs) + 1, "video_id": video_id, "category_id": number}
            self.pairs.append({**pair, "noun_phrase": phrase, "num_masklets": found[phrase]})
        return video

    def _video(self, clip: LabeledClip, video_id: int, tracks: TrackSpool[_Track]) -> Json:
        """Go through the clip: its objects go into `tracks`, new labels get numbers."""
        names, frames, times, lone = list[str](), list[int](), list[float | None](), 0
        for position, labeled in enumerate(looked_at(clip)):
            names.append(labeled.image.name)
            frames.append(position if labeled.frame is None else labeled.frame)
            times.append(labeled.time)
            there = [
                found for found in labeled.annotations if found.mask is None or found.mask.area
            ]
            number_new(self.categories, there)
            for found in there:
                lone += found.track is None
                own = lone if found.track is None else 0
                track = _Track(found.track, found.label, found.crowd, own)
                if not tracks.add(track, position, self._shape(found, frames[-1])):
                    raise InvalidMask(
                        f"The track {found.track} ('{found.label}') is twice in frame {frames[-1]} "
                        f"of '{clip.name}'. Give one of the two objects another track."
                    )
        video: Json = {"id": video_id, "name": clip.name, "width": clip.size_hw[1]}
        video |= {"height": clip.size_hw[0], "length": len(names), "fps": clip.fps}
        video |= {"file_names": names, "frame_numbers": frames}
        return {**video, "times": times} if any(time is not None for time in times) else video

    def _shape(self, annotation: Annotation, frame: int) -> Json:
        shape = shape_to_coco(annotation)
        if annotation.mask is not None and not self.compressed:
            shape["segmentation"]["counts"] = annotation.mask.run_lengths.tolist()
        return {
            **shape,
            "score": None if annotation.score is None else float(annotation.score),
            "source": annotation.source,
            "keyframe": frame if annotation.keyframe else None,
        }


def _write_track(file: BinaryIO, head: Json, rows: Iterable[tuple[int, Json]]) -> None:
    """One record: lists with an entry for each frame, null where the object is not there."""
    length, written = head["length"], 0
    columns = {name: [None] * length for name in ("bbox", "area", "score", "source")}
    keyframes = []
    file.write(json.dumps(head).encode()[:-1] + b', "segmentations": [')
    for position, shape in rows:
        entries = ["null"] * (position - written) + [json.dumps(shape.get("segmentation"))]
        file.write(((", " if written else "") + ", ".join(entries)).encode())
        written = position + 1
        for name, values in columns.items():
            values[position] = shape[name]
        if shape["keyframe"] is not None:
            keyframes.append(shape["keyframe"])
    file.write(b", null" * (length - written) + b"]")
    rest: Json = {"bboxes": columns["bbox"], "areas": columns["area"]}
    rest |= _scores(columns["score"]) | _sources(columns["source"])
    if keyframes:
        rest["keyframes"] = keyframes
    file.write(b", " + json.dumps(rest).encode()[1:])


def _scores(scores: Sequence[float | None]) -> Json:
    """The scores of the frames, and their mean, by which evaluations put tracks in order."""
    known = [score for score in scores if score is not None]
    return {"score": sum(known) / len(known), "scores": scores} if known else {}


def _sources(sources: Sequence[list[str] | None]) -> Json:
    """The models that made the track; frame by frame if others made some of them."""
    known = [source for source in sources if source is not None]
    if any(source != known[0] for source in known):
        return {"sources": sources}
    return {"source": known[0]} if known[0] else {}
