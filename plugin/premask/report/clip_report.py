"""A report of clips as one HTML file: each with a film, a timeline, and a strip of each track."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

import PIL.Image

from premask.annotations import LabeledClip
from premask.errors import PremaskError
from premask.files import replacing
from premask.report import clip_page_style
from premask.report.clip_pictures import MAX_STRIPS, ClipPictures, draw_clip
from premask.report.moving_overlay import FilmKind
from premask.report.page_parts import (
    counted,
    data_uri,
    definitions,
    failure_list,
    swatch,
    top,
    uri_of,
    write_parts,
)
from premask.report.page_style import STYLE
from premask.report.strip_sheet import StripSheet
from premask.report.timeline import POINTED_AT, time_text, timeline
from premask.report.tracks import UNKNOWN, ClipSummary, Track
from premask.video.frames import Video

ShownClip = tuple[LabeledClip, Video | PremaskError]
"""A clip with its pixels, or with the reason why they are not there."""


def write_clip_report(
    clips: Iterable[ShownClip],
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    sheet: StripSheet | None = None,
    film: FilmKind | None = None,
) -> Path:
    """Write the page; one clip at a time is in memory, as small pictures, which `sheet` gets."""
    numbers = Counter({"clips": 0, "frames": 0, "tracks": 0})
    failures: list[tuple[str, str]] = []
    # The numbers stand above the clips and are known after them: they wait on the disk.
    with replacing(path) as page, tempfile.TemporaryFile(dir=path.parent) as waiting:
        for clip, video in clips:
            summary = ClipSummary.of(clip)
            pictures = draw_clip(clip, summary, video if isinstance(video, Video) else None, film)
            error = video if isinstance(video, PremaskError) else pictures.error
            if error is not None:
                failures.append((clip.name, str(error)))
            numbers += Counter(
                clips=1, frames=len(summary.numbers), tracks=len(summary.tracks), failed=bool(error)
            )
            write_parts(waiting, *_clip(clip, summary, pictures))
            if sheet is not None:
                sheet.add(clip.name, summary, pictures)
        style = STYLE + clip_page_style.STYLE
        write_parts(page, top(title, facts, script=clip_page_style.SCRIPT, style=style))
        texts = {name: f"{number:,}" for name, number in numbers.items()}
        write_parts(page, definitions("numbers", texts), '<main class="clips">')
        waiting.seek(0)
        shutil.copyfileobj(waiting, page)
        write_parts(page, "</main>", *failure_list(failures))
        write_parts(page, f"<script>{clip_page_style.SCRIPT}</script>", "</body>", "</html>")
    return path


def _clip(clip: LabeledClip, summary: ClipSummary, pictures: ClipPictures) -> Iterator[str]:
    height, width = clip.size_hw
    count = len(summary.numbers)
    length = f", {summary.end - summary.times[0]:.1f} s" if count and summary.is_timed else ""
    found = counted(len(summary.tracks), "track") if summary.tracks else "nothing found"
    yield f'<article class="clip"><h3>{escape(clip.name)}</h3><p class="quiet">'
    yield f"{width} &times; {height} pixels, {counted(count, 'frame')}{length}, {found}</p>"
    yield from _sought(clip, summary)
    yield _film(clip, pictures)
    if summary.tracks:
        yield from timeline(summary)
    for row, strip in sorted(pictures.strips.items()):
        yield from _strip(summary, summary.tracks[row], strip)
    if len(summary.tracks) > MAX_STRIPS:
        more = counted(len(summary.tracks) - MAX_STRIPS, "more track")
        yield f'<p class="quiet">Without a strip: {more}.</p>'
    yield "</article>"


def _sought(clip: LabeledClip, summary: ClipSummary) -> Iterator[str]:
    """The phrases that were looked for, and how many tracks each of them has."""
    if not clip.phrases:
        return
    tracks = Counter(track.label for track in summary.tracks)
    yield '<ul class="sought"><li class="quiet">Looked for:</li>'
    for phrase in dict.fromkeys(clip.phrases):
        answer = counted(tracks[phrase], "track") if tracks[phrase] else "not there"
        yield f'<li>{escape(phrase)} <span class="quiet">{answer}</span></li>'
    yield "</ul>"


def _film(clip: LabeledClip, pictures: ClipPictures) -> str:
    if not pictures.film:
        return ""
    uri = uri_of(pictures.film, pictures.media_type)
    text = escape(f"{clip.name} with what was found drawn on it")
    if pictures.media_type.startswith("image/"):
        return f'<img src="{uri}" alt="{text}">'
    poster = data_uri(pictures.first, "JPEG", quality=80) if pictures.first is not None else ""
    play = 'preload="metadata" controls loop muted playsinline'
    return f'<video src="{uri}" poster="{poster}" aria-label="{text}" {play}></video>'


def _strip(
    summary: ClipSummary, track: Track, strip: list[tuple[int, PIL.Image.Image]]
) -> Iterator[str]:
    yield f'<section class="strip"><h4>{swatch(track.color)} {escape(track.name)}</h4><ol>'
    for own, picture in strip:
        place, score = track.places[own], track.scores[own]
        words = [f"frame {summary.numbers[place]}"]
        if summary.is_timed:
            words.append(time_text(summary.times[place], digits=1))
        lowest = own == track.least_sure and len(track.places) > 1
        sure = "" if score == UNKNOWN else f"<b>{score:.2f}</b>{' lowest' if lowest else ''}"
        key = f"<i>{POINTED_AT}</i>" if place in track.keyframes else ""
        uri = data_uri(picture, "WEBP", quality=80)
        kind = ' class="low"' if lowest else ""
        name = f"{escape(track.name)} in frame {summary.numbers[place]}"
        yield f"""<li{kind} data-at="{summary.seconds(place):.3f}">
<img src="{uri}" alt="{name}"><p>{", ".join(words)}<br>{sure}{key}</p></li>"""
    yield "</ol></section>"
