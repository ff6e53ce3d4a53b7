"""Draws the pictures of a clip in one pass over its pixels: a film, and a strip of each track."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import PIL.Image

from premask.annotations import Labeled, LabeledClip
from premask.errors import InvalidMask, PremaskError, UnreadableVideo
from premask.images import Image
from premask.labels.clip_frames import looked_at
from premask.report.close_up import close_up
from premask.report.draw import overlay, preview_size_wh
from premask.report.moving_overlay import MAX_SIDE, FilmKind, film
from premask.report.tracks import ClipSummary, Track
from premask.rle import require_size
from premask.video.frames import Video

STRIP = 8
"""How many frames of a track are in its strip."""

MAX_STRIPS = 60
"""Tracks that have a strip; all have a line in the timeline."""

CELL = 128
"""Sides of a strip's pictures in pixels."""

_GRAY = 96
"""In the place of pixels that can't be found."""


@dataclass(slots=True)
class ClipPictures:
    """The film and its first picture, the strips by the rows of the summary, what went wrong."""

    film: bytes = b""
    media_type: str = ""
    first: PIL.Image.Image | None = None
    strips: dict[int, list[tuple[int, PIL.Image.Image]]] = field(default_factory=dict)
    """Of each row: the number of the track's own frame, and the object in it."""
    error: PremaskError | None = None


def draw_clip(
    clip: LabeledClip, summary: ClipSummary, video: Video | None, kind: FilmKind | None = None
) -> ClipPictures:
    """Draw what is shown of a clip; without its video, masks on gray."""
    try:
        width, height = preview_size_wh(require_size(clip.size_hw), MAX_SIDE)
    except InvalidMask as error:
        return ClipPictures(error=error)
    pictures, moving = ClipPictures(), film((height, width), kind)
    in_film = evenly(len(summary.numbers), moving.max_frames)
    in_strips = _places_of_strips(summary)
    wanted = sorted({*in_film, *in_strips})
    try:
        for place, labeled in _with_pixels(clip, summary, video, wanted):
            for row, own in in_strips.get(place, ()):
                strip = pictures.strips.setdefault(row, [])
                strip.append((own, _crop(labeled, summary.tracks[row])))
            if place in in_film:
                picture = _drawn(summary, labeled)
                pictures.first = pictures.first or picture
                moving.add(summary.seconds(place), np.asarray(picture))
    except UnreadableVideo as error:
        pictures.error = error
    pictures.film, pictures.media_type = moving.finish(), moving.media_type
    return pictures


def evenly(count: int, most: int) -> dict[int, None]:
    """At most so many places of `count`, evenly from the first to the last."""
    places = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    return dict.fromkeys(places.tolist())


def _places_of_strips(summary: ClipSummary) -> Mapping[int, list[tuple[int, int]]]:
    """From the place of a frame to the rows that show it, and its number among their own frames."""
    places: dict[int, list[tuple[int, int]]] = {}
    for row, track in enumerate(summary.tracks[:MAX_STRIPS]):
        for own in track.samples(STRIP):
            places.setdefault(track.places[own], []).append((row, own))
    return places


def _with_pixels(
    clip: LabeledClip, summary: ClipSummary, video: Video | None, places: Sequence[int]
) -> Iterator[tuple[int, Labeled]]:
    """The frames at these places with their pixels, which a broken video has no more."""
    wanted = frozenset(places)
    labels = (pair for pair in enumerate(looked_at(clip)) if pair[0] in wanted)
    if video is None:
        gray = np.full((*clip.size_hw, 3), _GRAY, np.uint8)
        for place, labeled in labels:
            yield place, replace(labeled, image=Image.from_rgb(gray, name=labeled.image.name))
        return
    frames = video.frames_at([summary.numbers[place] for place in places])
    for (place, labeled), frame in zip(labels, frames, strict=False):
        if frame.image.size_hw != clip.size_hw:
            (height, width), (own_height, own_width) = clip.size_hw, frame.image.size_hw
            raise UnreadableVideo(
                video.name,
                f"it has {own_width} x {own_height} pixels, and its masks {width} x {height}. "
                "Is it another one?",
            )
        yield place, replace(labeled, image=frame.image)


def _drawn(summary: ClipSummary, labeled: Labeled) -> PIL.Image.Image:
    """The frame with its objects in the colors of their tracks."""
    rows = {(track.track, track.label): track for track in summary.tracks}
    found = [rows[one.track, one.label] for one in labeled.annotations]
    named = [
        replace(one, label=track.name)
        for one, track in zip(labeled.annotations, found, strict=True)
    ]
    return overlay(
        replace(labeled, annotations=tuple(named)),
        max_side=MAX_SIDE,
        own_colors=[track.color for track in found],
    )


def _crop(labeled: Labeled, track: Track) -> PIL.Image.Image:
    """The object in a frame with a little around it, as a square."""
    (annotation, *_) = (
        one for one in labeled.annotations if (one.track, one.label) == (track.track, track.label)
    )
    return close_up(labeled.image, annotation, track.color, side=CELL)
