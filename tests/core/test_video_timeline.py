"""Pictures of a file in the frames that Label Studio counts, whatever rate either of them has."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from premask.labels.label_studio.video_regions import Seen, Timeline, frame_rate, spans_of

SIZE = (100, 100)

rates = st.sampled_from([5.0, 10.0, 12.0, 23.976, 24.0, 25.0, 29.97, 30.0, 60.0])


def editor_time(frame: int, rate: float) -> float:
    """Where VideoCanvas of the editor (1.23.2) seeks to for a frame: goToFrame."""
    exact = (frame - 1) / rate
    return math.floor(exact / 0.002 + 0.5) * 0.002 + 0.002


def at(picture: int) -> Seen:
    return Seen(time=0.0, box_xyxy=(picture % 50, 0, picture % 50 + 10, 10))


@given(rates, rates, st.lists(st.floats(0.0, 0.3), min_size=30, max_size=30))
def test_a_box_is_in_the_frames_that_show_its_picture(
    rate: float, fps: float, jitter: list[float]
) -> None:
    times = [(number + shift) / fps if number else 0.0 for number, shift in enumerate(jitter)]
    timeline = Timeline(rate=rate, duration=len(times) / fps)
    seen = [Seen(time=time, box_xyxy=at(number).box_xyxy) for number, time in enumerate(times)]
    boxes = timeline.boxes(seen, len(times) / fps, SIZE)
    assert sorted(boxes) == list(range(1, timeline.length + 1))
    for frame, box in boxes.items():
        shown_at = editor_time(frame, rate)
        # What browsers show a millisecond beside the beginning of a picture nobody knows.
        if min(abs(shown_at - time) for time in times) > 0.0021:
            picture = bisect_right(times, shown_at) - 1
            assert box["x"] == picture % 50


@given(rates, st.integers(1, 5000))
def test_of_a_clip_with_the_rate_of_the_tag_each_frame_is_one_picture(
    rate: float, frame: int
) -> None:
    timeline = Timeline(rate=rate, duration=5000 / rate)
    time = (frame - 1) / rate
    assert timeline.first_frame(time) == frame
    assert timeline.position(time, frame / rate) == frame
    assert (frame - 1) / rate <= timeline.time_of(frame) < frame / rate


def test_pictures_that_the_editor_leaves_out_lie_between_its_frames() -> None:
    timeline = Timeline(rate=12, duration=2)
    assert timeline.position(0.0, 1 / 24) == 1
    assert timeline.position(1 / 24, 2 / 24) == pytest.approx(1.5)
    assert timeline.position(2 / 24, 3 / 24) == 2
    assert timeline.position(47 / 24, 2) == timeline.length == 24


def test_frames_behind_what_was_looked_at_have_no_box() -> None:
    timeline = Timeline(rate=10, duration=2)
    seen = [Seen(time=0.0, box_xyxy=(1, 1, 2, 2)), Seen(time=0.1, box_xyxy=None)]
    assert list(timeline.boxes(seen, 0.2, SIZE)) == [1]
    assert list(timeline.boxes(seen[:1], 0.1, SIZE)) == [1]
    assert timeline.boxes([], 0.0, SIZE) == {}


@pytest.mark.parametrize(
    ("said", "rate"),
    [("29.97", 29.97), ("", 24), ("nan", 24), ("inf", 24), ("-5", 24), ("0.04", 25), (30, 30)],
)
def test_the_rate_of_a_tag_is_what_the_editor_makes_of_it(said: object, rate: float) -> None:
    assert frame_rate(said) == rate


@given(st.sets(st.integers(1, 60)))
def test_spans_hold_the_frames_and_no_others(frames: set[int]) -> None:
    spans = list(spans_of(frames))
    held = [frame for span in spans for frame in range(span["start"], span["end"] + 1)]
    assert held == sorted(frames)
    assert all(one["end"] + 1 < other["start"] for one, other in itertools.pairwise(spans))
