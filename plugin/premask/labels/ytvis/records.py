"""The records of a YouTube-VIS file, and where in it the shapes of each are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from premask.errors import InvalidMask
from premask.json_stream import JsonStream, value_at
from premask.masks import Size

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """An entry of `annotations`. Of its shapes, 16 bytes each are in memory."""

    values: Json
    size_hw: Size | None
    """Of its first run lengths."""
    _spans: array[int]

    def __len__(self) -> int:
        """How many frames it has."""
        return len(self._spans) // 2

    def shape(self, position: int, file: BinaryIO) -> Any:
        """What it says of a frame; None where that is nothing."""
        span = self._spans[2 * position : 2 * position + 2]
        return value_at(file, span) if span[1] else None


@dataclass(slots=True, kw_only=True)
class YtvisRecords:
    """What is in a file: its tracks, and `head`, which is all else."""

    tracks: list[TrackRecord] = field(default_factory=list)
    head: Json = field(default_factory=dict)

    @classmethod
    def of(cls, file: BinaryIO) -> YtvisRecords:
        """Go through a file once. A list of results has no videos: they are as the results say."""
        stream, records = JsonStream(file), cls()
        if stream.peek() == "[":
            records.tracks.extend(_track_records(stream))
            records.head = {"videos": list(_videos_of(records.tracks).values())}
        else:
            for key in stream.object_keys():
                if stream.peek() != "[":
                    records.head[key] = stream.value()
                elif key == "annotations":
                    records.tracks.extend(_track_records(stream))
                else:
                    records.head[key] = [value for value, _ in stream.list_items()]
        if stream.peek():
            raise InvalidMask("there is something behind its end")
        return records


def _track_records(stream: JsonStream) -> Iterator[TrackRecord]:
    for _ in stream.list_entries():
        values, spans, size_hw = Json(), None, None
        for key in stream.object_keys():
            if key != "segmentations":
                values[key] = stream.value()
                continue
            spans = array("q")
            for shape, span in stream.list_items():
                spans.extend(span if shape else (0, 0))
                if size_hw is None and isinstance(shape, Mapping):
                    height, width = shape["size"]
                    size_hw = height, width
        if spans is None:
            raise InvalidMask(f"annotation {values.get('id')} has no 'segmentations'")
        yield TrackRecord(values=values, size_hw=size_hw, _spans=spans)


def _videos_of(tracks: list[TrackRecord]) -> dict[Any, Json]:
    """A record for each video of which there are results, as long and as large as they are."""
    videos: dict[Any, Json] = {}
    for track in tracks:
        key = track.values["video_id"]
        height, width = track.size_hw or (0, 0)
        if track.size_hw or key not in videos:
            videos[key] = {"id": key, "length": len(track), "height": height, "width": width}
    return videos
