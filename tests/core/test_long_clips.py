"""A clip of ten hours: its first frames come at once, any part is near, and the end is told."""

from __future__ import annotations

import math
import re
import threading
import tracemalloc
from itertools import islice
from pathlib import Path

import av
import pytest

from premask import BoxPrompt, Labeled, ModelPool, Prompts, track
from premask.errors import Cancelled
from premask.labels.formats import clip_formats_of
from premask.recipes.recipe import recipe_of
from premask.runs.clips.clip_job import ClipJob, track_into_folder
from premask.runs.clips.clip_task import ClipTask
from premask.runs.progress import Progress
from premask.terminal.screen import progress_words
from premask.video import pyav_decoder
from premask.video.decoders import Clock
from premask.video.frames import Span, open_video
from tests.clips import painted, read_number, write_clip

GROUP, GROUPS = 10, 3_600
FRAMES = GROUP * GROUPS
BOX = {0: Prompts(boxes=(BoxPrompt(box_xyxy=(10, 8, 50, 40)),))}


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame a second: ten of them are encoded, and written again and again."""
    folder = tmp_path_factory.mktemp("long")
    frames = [painted(number) for number in range(GROUP)]
    with (
        av.open(write_clip(folder / "ten.mp4", frames, fps=1)) as ten,
        av.open(folder / "long.mp4", "w") as container,
    ):
        source = ten.streams.video[0]
        stream = container.add_stream_from_template(source)
        packets = [packet for packet in ten.demux(source) if packet.size]
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
        length = GROUP * round(1 / packets[0].time_base)
        for group in range(GROUPS):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + group * length, packet.dts + group * length
                again.time_base, again.is_keyframe = packet.time_base, packet.is_keyframe
                again.stream = stream
                container.mux(again)
    return folder / "long.mp4"


def test_the_first_frames_come_at_once_and_nothing_piles_up(long_clip: Path) -> None:
    stream = track(long_clip, prompts=BOX)
    first = list(islice(stream, 3))
    assert [labeled.frame for labeled in first] == [0, 1, 2]
    held = []
    tracemalloc.start()
    for _ in range(2):
        assert sum(1 for _ in islice(stream, 10)) == 10
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    stream.close()
    assert held[1] - held[0] < 60_000, "ten frames have 138,240 bytes"


def test_how_long_it_will_take_is_told(long_clip: Path, tmp_path: Path) -> None:
    cancel, told = threading.Event(), list[Progress]()

    def watch(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 20:
            cancel.set()

    task = ClipTask(video=open_video(long_clip), recipe=recipe_of("follow"), prompts=BOX)
    job = ClipJob(tasks=[task], folder=tmp_path, formats=clip_formats_of(["ytvis"]))
    with pytest.raises(Cancelled, match="after 20 frames"):
        track_into_folder(job, ModelPool(device="cpu"), watch, cancel)
    words = progress_words(told[-1])
    assert re.fullmatch(r"20/36000 frames, [\d.]+ a second, (\d+h|\d+m)\d\d[ms] left", words)


def test_the_ninth_hour_needs_none_of_those_before(
    long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[float | None] = []

    class Counted(Clock):
        def time(self, stamp: float | None) -> float:
            decoded.append(stamp)
            return super().time(stamp)

    monkeypatch.setattr(pyav_decoder, "Clock", Counted)
    video, hour = open_video(long_clip), 3600
    for span in (Span(start=9 * hour + 4, end=9 * hour + 8), Span(start=9 * hour + 4, fps=0.5)):
        seen = list(islice(video.frames(span), 2))
        step = 1 if not span.fps else 2
        assert [frame.index for frame in seen] == [9 * hour + 4, 9 * hour + 4 + step]
        assert [frame.time for frame in seen] == [frame.index for frame in seen]
        assert [read_number(frame.image.rgb) for frame in seen] == [4, 4 + step]
    assert video.indices(Span(start=9 * hour), 9 * hour + 2) == [9 * hour + n for n in range(3)]
    assert len(decoded) < 10 * GROUP


def test_a_part_of_it_is_followed(long_clip: Path) -> None:
    asked = {FRAMES - 3: BOX[0]}
    found: list[Labeled] = list(track(long_clip, prompts=asked, span=(FRAMES - 5, math.inf)))
    assert [labeled.frame for labeled in found] == list(range(FRAMES - 5, FRAMES))
