"""What people drew on a video -> what is to be followed; what was followed -> regions."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_backend.project.region_prompts import UnreadableRegion
from ml_backend.project.video_tags import BOXES, VideoTag
from ml_backend.studio.protocol import Json
from premask.errors import InvalidMask
from premask.labels.label_studio.keyframes import Keyframe, keyframes_of
from premask.labels.label_studio.regions import META_KEY
from premask.labels.label_studio.video_regions import Timeline, spans_of

LONGEST_SECONDS = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTrack:
    """A moving box that a person drew, or corrected.

    `fixed` are the keyframes that are theirs, and not those that premask added.
    """

    region: Json
    keyframes: tuple[Keyframe, ...]

    @classmethod
    def of(cls, region: Json) -> DrawnTrack:
        """Raises `UnreadableRegion` for a region without readable keyframes."""
        try:
            return cls(region=region, keyframes=keyframes_of(region["value"]))
        except InvalidMask as error:
            raise UnreadableRegion(f"Region {region.get('id')!r}: {error}") from error

    @property
    def fixed(self) -> tuple[Keyframe, ...]:
        return tuple(keyframe for keyframe in self.keyframes if not keyframe.is_own)

    def labels(self, tag: VideoTag) -> list[str]:
        """Its labels that are meant for premask; others may be buttons, or a person's notes."""
        known = {label.name for label in tag.all_labels}
        said = self.region["value"].get("labels")
        return [label for label in said if label in known] if isinstance(said, list) else []

    @property
    def asked(self) -> tuple[tuple[float, ...], ...]:
        """The person's keyframes as plain numbers."""
        return tuple(
            (keyframe.frame, *keyframe.numbers, float(keyframe.enabled)) for keyframe in self.fixed
        )

    @property
    def track(self) -> tuple[str, int] | None:
        """Which of the stored tracks it shows, according to its `meta`."""
        meta = self.region.get("meta")
        said = meta.get(META_KEY) if isinstance(meta, Mapping) else None
        if not isinstance(said, Mapping):
            return None
        key, number = said.get("track"), said.get("number")
        return (key, number) if isinstance(key, str) and isinstance(number, int) else None

    def duration(self, otherwise: float) -> float:
        """How long the clip is for the editor; it says 0 where it does not know yet."""
        said = self.region["value"].get("duration")
        known = isinstance(said, int | float) and 0 < said < LONGEST_SECONDS
        return float(said) if known else otherwise

    def answered(
        self, boxes: Mapping[int, Json], timeline: Timeline, track: tuple[str, int], tag: VideoTag
    ) -> Json:
        """The same region with all keyframes of the person, and those that show these boxes."""
        meta = self.region.get("meta")
        return {
            **self.region,
            "value": {
                **self.region["value"],
                **timeline.value(boxes, self.labels(tag), self.fixed),
            },
            "meta": {
                **(meta if isinstance(meta, Mapping) else {}),
                META_KEY: {"track": track[0], "number": track[1]},
            },
        }


def drawn_tracks(regions: Sequence[Json]) -> list[DrawnTrack]:
    """The moving boxes among the regions."""
    return [DrawnTrack.of(region) for region in regions if region.get("type") == BOXES.lower()]


def found_regions(
    label: str,
    boxes: Mapping[int, Json],
    timeline: Timeline,
    track: tuple[str, int],
    tag: VideoTag,
    score: float | None,
) -> Iterator[Json]:
    """The regions that show an object that a model found: where it is, and when."""
    place: dict[str, Any] = {"to_name": tag.name}
    if score is not None and math.isfinite(score):
        place["score"] = float(score)
    name = tag.labels.label_for(label) if tag.labels else None
    if tag.boxes and name is not None and boxes:
        yield {
            "id": _new_id(),
            "type": BOXES.lower(),
            "from_name": tag.boxes,
            **place,
            "value": timeline.value(boxes, [name]),
            "meta": {META_KEY: {"track": track[0], "number": track[1]}},
        }
    name = tag.spans.label_for(label) if tag.spans else None
    if tag.spans is not None and name is not None:
        for span in spans_of(boxes):
            yield {
                "id": _new_id(),
                "type": tag.spans.tag.lower(),
                "from_name": tag.spans.name,
                **place,
                "value": {"ranges": [span], tag.spans.tag.lower(): [name]},
            }


def _new_id() -> str:
    return secrets.token_urlsafe(8)[:10]
