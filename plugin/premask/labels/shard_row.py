"""One image, or one clip, as a row of a table: what was found in it, or why nothing could be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask, PremaskError
from premask.images import Image
from premask.labels.clip_frames import Frames, looked_at
from premask.labels.coco_rle import masks_from_segmentations, matte_from_planes, matte_to_planes
from premask.masks import Mask, Size
from premask.video.frames import frame_name

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where an image of a plan is, and in which version it was planned."""

    image_id: str
    uri: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRow:
    """A row as the file has it, by its columns."""

    record: Record

    @classmethod
    def of(cls, labeled: Labeled, where: Location | None = None) -> ShardRow:
        """The row of one image, with its annotations or its error."""
        image, error = labeled.image, labeled.error
        record = _head(image.name, image.size_hw, where) | {
            "digest": image.digest,
            "seconds": round(labeled.seconds, 3),
            "error": None if error is None else str(error),
            "error_kind": None if error is None else type(error).__name__,
        }
        if error is None:
            record |= _columns(labeled.annotations)
        return cls(record=record)

    @classmethod
    def of_clip(cls, clip: LabeledClip, where: Location | None = None) -> ShardRow:
        """The row of one clip: the objects of all its frames, and in which frame each one is."""
        frames = list(looked_at(clip))
        record = _head(clip.name, clip.size_hw, where) | {
            "digest": "",
            "seconds": round(sum(labeled.seconds for labeled in frames), 3),
            "error": None,
            "error_kind": None,
            "frame": [labeled.frame for labeled in frames for _ in labeled.annotations],
            "frames": [labeled.frame for labeled in frames],
            "times": [labeled.time for labeled in frames],
            "fps": clip.fps,
        }
        found = tuple(found for labeled in frames for found in labeled.annotations)
        return cls(record=record | _columns(found))

    @property
    def image_id(self) -> str:
        return str(self.record["image_id"])

    @property
    def uri(self) -> str:
        return str(self.record["uri"])

    @property
    def error(self) -> str | None:
        """Why nothing is known of the image, for people; None if it was looked at."""
        error: str | None = self.record["error"]
        return error

    @property
    def labeled(self) -> Labeled:
        """The image with its annotations, or with its error."""
        record, name = self.record, str(self.record["name"])
        if record["frames"] is not None:
            raise InvalidMask(
                f"'{name}' is a clip, and images are wanted here. Plans and shards of clips are "
                "written in a format for clips by: premask convert PLAN --to ytvis --out FILE"
            )
        if self.error is not None:
            return Labeled(image=Image.unread(name), error=PremaskError(self.error))
        size_hw = int(record["height"]), int(record["width"])
        return Labeled(
            image=Image(name=name, size_hw=size_hw, digest=str(record["digest"])),
            annotations=_annotations(record, range(len(record["label"])), size_hw),
            seconds=float(record["seconds"]),
        )

    @property
    def clip(self) -> LabeledClip:
        """The clip with its frames; a clip that failed has none."""
        record = self.record
        return LabeledClip(
            name=str(record["name"]),
            size_hw=(int(record["height"]), int(record["width"])),
            frames=Frames(self._frames),
            fps=float(record["fps"] or 0),
        )

    def _frames(self) -> Iterator[Labeled]:
        record = self.record
        name, size_hw = str(record["name"]), (int(record["height"]), int(record["width"]))
        places: dict[int, list[int]] = {}
        for place, frame in enumerate(record["frame"] or ()):
            places.setdefault(frame, []).append(place)
        for frame, seconds in zip(record["frames"] or (), record["times"] or (), strict=True):
            yield Labeled(
                image=Image(name=frame_name(name, frame), size_hw=size_hw),
                annotations=_annotations(record, places.get(frame, ()), size_hw),
                frame=frame,
                time=seconds,
            )


def _head(name: str, size_hw: Size, where: Location | None) -> dict[str, Any]:
    """What a row says of an image before anybody has looked at it."""
    height, width = size_hw
    return {
        "image_id": name if where is None else where.image_id,
        "uri": name if where is None else where.uri,
        "version": "" if where is None else where.version,
        "name": name,
        "width": width,
        "height": height,
    }


def _columns(annotations: tuple[Annotation, ...]) -> dict[str, list[Any]]:
    """A list for each column that is about objects, all of one length."""
    return {
        "label": [found.label for found in annotations],
        "score": [None if found.score is None else float(found.score) for found in annotations],
        "box": [_box_xywh(found) for found in annotations],
        "rle_counts": [
            None if found.mask is None else found.mask.counts.decode("ascii")
            for found in annotations
        ],
        "matte_planes": [
            None
            if found.matte is None
            else [plane["counts"] for plane in matte_to_planes(found.matte)]
            for found in annotations
        ],
        "track": [None if found.track is None else int(found.track) for found in annotations],
        "crowd": [found.crowd for found in annotations],
        "keyframe": [found.keyframe for found in annotations],
        "source": [list(found.source) for found in annotations],
    }


def _box_xywh(annotation: Annotation) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in annotation.box_xyxy)
    return [x0, y0, x1 - x0, y1 - y0]


def _annotations(record: Record, places: Sequence[int], size_hw: Size) -> tuple[Annotation, ...]:
    """The objects at these places, whose masks are checked together: in a tenth of the time."""
    texts = [record["rle_counts"][place] for place in places]
    drawn = [{"size": list(size_hw), "counts": text} for text in texts if text is not None]
    masks = iter(masks_from_segmentations(drawn, [size_hw] * len(drawn)))
    return tuple(
        _annotation(record, place, size_hw, None if text is None else next(masks))
        for place, text in zip(places, texts, strict=True)
    )


def _annotation(record: Record, place: int, size_hw: Size, mask: Mask | None) -> Annotation:
    x, y, width, height = record["box"][place]
    planes, size = record["matte_planes"][place], list(size_hw)
    return Annotation(
        label=record["label"][place],
        box_xyxy=(x, y, x + width, y + height),
        score=record["score"][place],
        mask=mask,
        matte=None
        if planes is None
        else matte_from_planes([{"size": size, "counts": plane} for plane in planes], size_hw),
        track=record["track"][place],
        crowd=bool(record["crowd"][place]),
        keyframe=bool(record["keyframe"][place]),
        source=tuple(record["source"][place]),
    )
