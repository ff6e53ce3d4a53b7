"""Keyframes of Label Studio's videos: few, and the editor draws what was tracked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premask.errors import InvalidMask
from premask.labels.label_studio.keyframes import (
    CLOSE,
    Keyframe,
    drawn_at,
    keyframes_of,
    pixel_box_of,
    sequence_of,
)

Json = dict[str, Any]

RATE = 24.0
NAMES = ("x", "y", "width", "height")


def editor_shape(sequence: list[Json], frame: int) -> Json | None:
    """What VideoRectangleRegion of the editor (1.23.2) answers: getShape and isInLifespan."""
    earlier = [item for item in sequence if item["frame"] <= frame]
    if not earlier:
        return None
    last = earlier[-1]
    if not last["enabled"] and last["frame"] != frame:
        return None
    later = [item for item in sequence if item["frame"] > frame]
    if last["frame"] == frame or not later:
        return {name: last[name] for name in (*NAMES, "rotation")}
    share = (frame - last["frame"]) / (later[0]["frame"] - last["frame"])
    shape = {name: last[name] + (later[0][name] - last[name]) * share for name in NAMES}
    turn = normal_angle(later[0]["rotation"] - last["rotation"])
    return shape | {"rotation": normal_angle(last["rotation"] + turn * share)}


def normal_angle(angle: float) -> float:
    while angle > 0:
        angle -= 360
    return float(np.fmod(angle - 180, 360) + 180)


def overlap(one: Json, other: Json) -> float:
    sides = [
        max(
            0.0,
            min(one[start] + one[length], other[start] + other[length])
            - max(one[start], other[start]),
        )
        for start, length in (("x", "width"), ("y", "height"))
    ]
    areas = one["width"] * one["height"] + other["width"] * other["height"]
    shared = sides[0] * sides[1]
    return float(shared / (areas - shared))


def box(x: float, y: float, width: float, height: float) -> Json:
    return {"x": x, "y": y, "width": width, "height": height, "rotation": 0.0}


def person(frame: int, *, enabled: bool = True, rotation: float = 0.0, **place: float) -> Json:
    """A keyframe as the editor sends a person's own."""
    drawn = {"x": 40.0, "y": 40.0, "width": 20.0, "height": 20.0, **place}
    return {"frame": frame, "enabled": enabled, "rotation": rotation, "time": 9.5, **drawn}


@st.composite
def tracks(draw: st.DrawFn) -> dict[int, Json]:
    """Boxes that move and change smoothly or in leaps, with gaps, in a clip of 60 frames."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    roughness = draw(st.sampled_from([0.0, 0.2, 3.0, 30.0]))
    shown = rng.random(60) > draw(st.sampled_from([0.0, 0.1, 0.6]))
    steps = rng.normal(0, roughness, (60, 4)).cumsum(axis=0)
    return {
        frame: box(
            *(30 + 20 * np.sin(frame / 9 + np.arange(2)) + step[:2]),
            *np.clip(20 + step[2:], 0.5, 90),
        )
        for frame, (step, there) in enumerate(zip(steps, shown, strict=True), start=1)
        if there
    }


persons = st.lists(
    st.builds(
        person,
        st.integers(1, 60),
        enabled=st.booleans(),
        rotation=st.sampled_from([0.0, 0.0, 170.0, -170.0]),
    ),
    max_size=4,
    unique_by=lambda item: item["frame"],
)


@given(tracks())
def test_what_the_editor_draws_is_what_was_tracked(boxes: dict[int, Json]) -> None:
    sequence = sequence_of(boxes, rate=RATE, length=60)
    for frame in range(80):
        drawn = editor_shape(sequence, frame)
        assert (drawn is None) == (frame not in boxes)
        assert drawn is None or overlap(drawn, boxes[frame]) >= CLOSE - 1e-3
    assert all(item["time"] == item["frame"] / RATE for item in sequence)


@given(tracks(), persons)
def test_what_a_person_set_stays_and_ends_what_it_ended(
    boxes: dict[int, Json], drawn: list[Json]
) -> None:
    fixed = keyframes_of({"sequence": drawn})
    sequence = sequence_of(boxes, fixed, rate=RATE, length=60)
    assert [item for item in sequence if item in drawn] == sorted(drawn, key=by_frame)
    assert [item["frame"] for item in sequence] == sorted({item["frame"] for item in sequence})
    own = {item["frame"]: item for item in drawn}
    for frame in range(1, 61):
        shown = editor_shape(sequence, frame)
        last = max((item for item in drawn if item["frame"] <= frame), key=by_frame, default=None)
        gone = last is not None and last["frame"] != frame and not last["enabled"]
        # To be seen no more, a box has to be seen once more where the last keyframe is a person's.
        after_own = frame - 1 in own and own[frame - 1]["enabled"]
        if gone:
            assert shown is None
        elif frame in own:
            assert shown is not None
            assert all(shown[name] == own[frame][name] for name in NAMES)
        elif frame in boxes:
            assert shown is not None
            assert shown["rotation"] % 360 == 0
            assert overlap(shown, boxes[frame]) >= CLOSE - 1e-3
        elif not after_own:
            assert shown is None


@given(tracks(), persons)
def test_it_is_read_as_the_editor_reads_it(boxes: dict[int, Json], drawn: list[Json]) -> None:
    sequence = sequence_of(boxes, keyframes_of({"sequence": drawn}), rate=RATE, length=60)
    keyframes = keyframes_of({"sequence": sequence})
    for frame in range(70):
        ours, editors = drawn_at(keyframes, frame), editor_shape(sequence, frame)
        assert (ours is None) == (editors is None)
        if ours is not None and editors is not None:
            assert [ours[name] for name in NAMES] == pytest.approx(
                [editors[name] for name in NAMES]
            )
            assert np.cos(np.radians(ours["rotation"] - editors["rotation"])) == pytest.approx(1)


def by_frame(item: Json) -> int:
    return int(item["frame"])


def test_even_motion_needs_two_keyframes_and_rest_no_more() -> None:
    moving = {frame: box(frame, 10, 20, 20) for frame in range(1, 61)}
    resting = {frame: box(60, 10, 20, 20) for frame in range(61, 5001)}
    sequence = sequence_of(moving | resting, rate=RATE, length=5000)
    assert [item["frame"] for item in sequence] == [1, 60, 5000]
    assert [item["enabled"] for item in sequence] == [True, True, False]


def test_own_keyframes_are_known_again_until_somebody_changes_them() -> None:
    sequence = sequence_of({1: box(1, 2, 3, 4), 2: box(1, 2, 3, 4)}, rate=RATE, length=60)
    # As JavaScript writes numbers, and as a database may order them.
    sent = json.loads(json.dumps(sequence).replace(".0,", ","))
    assert [keyframe.is_own for keyframe in keyframes_of({"sequence": sent})] == [True, True]
    assert not any(keyframe.is_own for keyframe in keyframes_of({"sequence": [person(1)]}))
    for change in ({"x": 1.5}, {"enabled": False}, {"frame": 3}, {"rotation": 5}):
        moved = [{**sent[0], **change}, sent[1]]
        kept = keyframes_of({"sequence": moved})
        assert [keyframe.frame for keyframe in kept if keyframe.is_own] == [2]


def test_a_turned_box_is_read_as_the_upright_one_around_it() -> None:
    (keyframe,) = keyframes_of(
        {"sequence": [person(1, rotation=90.0, x=50.0, y=20.0, width=30.0, height=10.0)]}
    )
    assert pixel_box_of(keyframe, (100, 200)) == pytest.approx((90, 20, 100, 80))


@pytest.mark.parametrize(
    "sequence",
    [
        None,
        {},
        [1],
        [{}],
        [{"frame": 0}],
        [{"frame": 10**30}],
        [{"frame": 1, "x": "wide"}],
        [{"frame": 1, "x": float("nan")}],
    ],
)
def test_other_things_are_no_keyframes(sequence: object) -> None:
    with pytest.raises(InvalidMask, match="can't be read"):
        keyframes_of({"sequence": sequence})


def test_the_last_of_two_keyframes_of_one_frame_counts() -> None:
    first, second = person(5, x=1.0), person(5, x=2.0)
    (keyframe,) = keyframes_of({"sequence": [first, second]})
    assert isinstance(keyframe, Keyframe)
    assert keyframe.numbers[0] == 2.0
