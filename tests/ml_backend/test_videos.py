"""Videos in Label Studio: what a person drew is followed, and pulled with its masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.predict.clip_predictor import ClipPredictors
from ml_backend.project.label_config import parse_label_config
from ml_backend.settings import BackendSettings
from premask.labels.label_studio.keyframes import drawn_at, keyframes_of
from premask.models.pool import ModelPool
from premask.recipes.recipe import recipe_of
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import results, until
from tests.ml_backend.label_studio_videos import (
    FRAMES,
    HEIGHT,
    VIDEO_CONFIG,
    WIDTH,
    ClipSource,
    ball_box,
    ball_clip,
    keyframe,
    moving_box,
    video_call,
)

if TYPE_CHECKING:
    from starlette.testclient import TestClient

Json = dict[str, Any]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    ball_clip(folder / "ball.mp4")
    return folder


@pytest.fixture
def source(clips: Path, monkeypatch: pytest.MonkeyPatch) -> ClipSource:
    source = ClipSource(clips)
    monkeypatch.setattr("ml_backend.predict.clip_predictor.VideoFetcher", lambda settings: source)
    return source


@pytest.fixture
def client(connect: Connect, source: ClipSource, tmp_path: Path) -> TestClient:
    return connect(recipe="click", cache_folder=str(tmp_path / "images"))


def answered(client: TestClient, *regions: Json, **call: Any) -> list[Json]:
    (item,) = results(client, video_call(*regions, **call))
    answer: list[Json] = item["result"]
    return answer


def overlap(region: Json, frame: int) -> float:
    """The IoU of what the editor draws in a frame of the file and the ball."""
    drawn = drawn_at(keyframes_of(region["value"]), frame + 1)
    if drawn is None:
        return 0.0
    x0, y0 = drawn["x"] * WIDTH / 100, drawn["y"] * HEIGHT / 100
    x1, y1 = x0 + drawn["width"] * WIDTH / 100, y0 + drawn["height"] * HEIGHT / 100
    ball = ball_box(frame, 0)
    width = max(0.0, min(x1, ball[2]) - max(x0, ball[0]))
    height = max(0.0, min(y1, ball[3]) - max(y0, ball[1]))
    areas = (x1 - x0) * (y1 - y0) + (ball[2] - ball[0]) * (ball[3] - ball[1])
    return float(width * height / (areas - width * height))


def test_a_box_is_followed_under_its_own_id(client: TestClient) -> None:
    drawn = keyframe(5, ball_box(4))
    (region,) = answered(client, moving_box(drawn))
    assert (region["id"], region["type"]) == ("vB1xQ3", "videorectangle")
    assert (region["from_name"], region["to_name"]) == ("box", "video")
    assert region["value"]["labels"] == ["Ball"]
    assert drawn in region["value"]["sequence"]
    assert (region["value"]["framesCount"], region["value"]["duration"]) == (FRAMES, 2.0)
    # Before and behind the frame that was drawn on.
    assert min(overlap(region, frame) for frame in range(FRAMES)) > 0.7
    assert len(region["value"]["sequence"]) < FRAMES


def test_a_correction_keeps_what_a_person_set_and_follows_from_there(client: TestClient) -> None:
    first = keyframe(1, ball_box(0))
    (region,) = answered(client, moving_box(first))
    moved = keyframe(13, ball_box(12, margin=4))
    sequence = [item for item in region["value"]["sequence"] if item["frame"] != 13]
    corrected = {**region, "value": {**region["value"], "sequence": [*sequence, moved]}}
    (again,) = answered(client, corrected)
    assert [item for item in again["value"]["sequence"] if "premask" not in item] == [first, moved]
    assert again["id"] == region["id"]
    before, after = keyframes_of(region["value"]), keyframes_of(again["value"])
    # The editor moves the box evenly up to the one that was drawn, so the last frame may differ.
    for frame in range(1, 12):
        assert drawn_at(after, frame) == pytest.approx(drawn_at(before, frame), abs=1.5)
    assert min(overlap(again, frame) for frame in range(13, FRAMES)) > 0.7
    # Pressed again, nothing is done anew.
    assert answered(client, again) == [again]


def test_a_keyframe_that_ends_an_object_ends_it(client: TestClient) -> None:
    begin, gone = keyframe(1, ball_box(0)), keyframe(8, ball_box(7), enabled=False)
    (region,) = answered(client, moving_box(begin, gone))
    shown = keyframes_of(region["value"])
    assert [drawn_at(shown, frame) is None for frame in range(1, FRAMES + 1)] == [
        frame > 8 for frame in range(1, FRAMES + 1)
    ]


def test_several_objects_are_followed_each_under_its_own_id(client: TestClient) -> None:
    ball = moving_box(keyframe(1, ball_box(0)), id="ball")
    other = moving_box(keyframe(3, (100, 5, 130, 25)), id="patch", label="Car")
    first, second = answered(client, ball, other)
    assert (first["id"], second["id"]) == ("ball", "patch")
    assert (first["value"]["labels"], second["value"]["labels"]) == (["Ball"], ["Car"])
    assert first["meta"]["premask"]["track"] != second["meta"]["premask"]["track"]
    # Alone, it is the same.
    assert answered(client, ball) == [first]


def test_labels_that_are_buttons_are_no_labels_of_objects(client: TestClient) -> None:
    buttons = VIDEO_CONFIG.replace(
        "</View>",
        '<Labels name="again" toName="video" choice="multiple" model_skip="true">'
        '<Label value="Follow"/></Labels></View>',
    )
    drawn = moving_box(keyframe(1, ball_box(0)))
    drawn["value"]["labels"] = ["Follow", "Car"]
    (region,) = answered(client, drawn, config=buttons)
    assert region["value"]["labels"] == ["Car"]


def test_a_persons_own_notes_stay_in_the_region(client: TestClient) -> None:
    (region,) = answered(client, moving_box(keyframe(1, ball_box(0)), meta={"text": ["blurred"]}))
    assert region["meta"]["text"] == ["blurred"]
    assert region["meta"]["premask"]["number"] == 1


def test_a_clip_of_another_rate_is_placed_by_time(client: TestClient) -> None:
    config = VIDEO_CONFIG.replace('frameRate="12"', 'frameRate="$fps"')
    drawn = moving_box(keyframe(1, ball_box(0)))
    drawn["value"] |= {"framesCount": 50, "duration": 2.0}
    call = video_call(drawn, config=config)
    call["tasks"][0]["data"]["fps"] = 25
    (item,) = results(client, call)
    (region,) = item["result"]
    assert region["value"]["framesCount"] == 50
    shown = keyframes_of(region["value"])
    for frame in range(FRAMES):
        # The editor shows the picture of the file from the next of its own frames on.
        box = drawn_at(shown, -(-frame * 25 // 12) + 1)
        assert box is not None
        x0, y0, x1, y1 = ball_box(frame, 0)
        assert box["x"] + box["width"] / 2 == pytest.approx(100 * (x0 + x1) / 2 / WIDTH, abs=2)
        assert box["y"] + box["height"] / 2 == pytest.approx(100 * (y0 + y1) / 2 / HEIGHT, abs=3)


@pytest.mark.parametrize(
    "region",
    [
        moving_box(),
        moving_box({"frame": "one"}),
        moving_box({"frame": 1, "x": [1]}),
        {**moving_box(keyframe(1, ball_box(0))), "value": {"sequence": {"0": 1}}},
    ],
)
def test_regions_that_mean_nothing_are_refused_or_come_back(
    client: TestClient, region: Json
) -> None:
    response = client.post("/predict", json=video_call(region))
    if response.status_code == 200:
        assert response.json()["results"][0]["result"] == [region]
    else:
        assert response.status_code == 422
        assert "keyframes" in response.json()["error"]


def test_a_video_that_can_not_be_had_is_said(client: TestClient) -> None:
    drawn = moving_box(keyframe(1, ball_box(0)))
    response = client.post("/predict", json=video_call(drawn, video="/gone.mp4"))
    assert response.status_code == 422
    assert "404" in response.json()["error"]


ONE_LABEL = VIDEO_CONFIG.replace('<Label value="Car"/>', "").replace(
    "</View>",
    '<TimelineLabels name="when" toName="video"><Label value="Ball"/></TimelineLabels></View>',
)


def test_whole_tasks_get_what_the_recipe_finds(client: TestClient) -> None:
    (item,) = results(client, video_call(config=ONE_LABEL))
    boxes, *spans = item["result"]
    assert boxes["type"] == "videorectangle"
    assert boxes["value"]["labels"] == ["Ball"]
    assert (boxes["value"]["framesCount"], boxes["value"]["duration"]) == (FRAMES, 2.0)
    assert boxes["value"]["sequence"][-1]["enabled"] is False
    assert {span["type"] for span in spans} == {"timelinelabels"}
    assert [span["value"]["timelinelabels"] for span in spans] == [["Ball"]] * len(spans)
    assert spans[0]["value"]["ranges"][0]["start"] == boxes["value"]["sequence"][0]["frame"]
    assert item["model_version"].startswith("premask-follow-")
    setup = {"project": "1.1", "schema": ONE_LABEL}
    report = client.post("/setup", json=setup).json()
    assert report["model_version"] == item["model_version"]


def test_labels_are_looked_for_once_each(source: ClipSource, tmp_path: Path) -> None:
    settings = BackendSettings(cache_folder=str(tmp_path / "images"))
    clips = ClipPredictors(settings, ModelPool(device="cpu"), source).of(
        recipe_of("follow-dino-sam2")
    )
    spans = (
        '<TimelineLabels name="when" toName="video"><Label value="There" model_phrases="Ball"/>'
        '<Label value="Rain"/></TimelineLabels></View>'
    )
    config = parse_label_config(VIDEO_CONFIG.replace("</View>", spans))
    assert clips.finds_something(config)
    said = {
        phrase.text: phrase.label for phrase in clips.prompts_for(config.videos["video"]).phrases
    }
    assert said == {"Ball": "Ball", "Car": "Car", "Rain": "Rain"}


def test_what_has_no_label_is_said_and_not_remembered_as_nothing(client: TestClient) -> None:
    (item,) = results(client, video_call())
    assert "result" not in item
    assert "model_phrases" in item["error"]


def test_setup_says_how_videos_are_served(client: TestClient) -> None:
    def report(config: str) -> str:
        answer = client.post("/setup", json={"project": "1.1", "schema": config})
        return " ".join(answer.json()["report"])

    said = report(VIDEO_CONFIG)
    assert "Ball, Car" in said
    assert "frameRate 12" in said
    assert "placed by time" in said
    assert "pull writes them" in said
    assert 'add smart="true"' in report(VIDEO_CONFIG.replace(' smart="true"', ""))
    assert "Left to people: <Choices" in report(
        VIDEO_CONFIG.replace("</View>", '<Choices name="c" toName="video"/></View>')
    )
    bare = '<View><Video name="v" value="$v"/></View>'
    assert client.post("/setup", json={"project": "1.1", "schema": bare}).status_code == 422


def test_an_early_answer_has_what_is_done_and_the_last_one_all(
    connect: Connect, source: ClipSource, tmp_path: Path
) -> None:
    client = connect(recipe="click", cache_folder=str(tmp_path / "images"), deadline_seconds=1.0)
    drawn = keyframe(1, ball_box(0))
    lengths: list[int] = []

    def is_whole() -> bool:
        response = client.post("/predict", json=video_call(moving_box(drawn)))
        if response.status_code == 504:
            return False  # the models were loading
        (region,) = response.json()["results"][0]["result"]
        assert drawn in region["value"]["sequence"]
        shown = keyframes_of(region["value"])
        lengths.append(sum(drawn_at(shown, frame) is not None for frame in range(1, FRAMES + 1)))
        return lengths[-1] == FRAMES

    until(is_whole)
    assert lengths == sorted(lengths)


@pytest.mark.parametrize(
    "box_xyxy",
    [(-50, -50, 500, 500), (500, 500, 600, 600), (40, 40, 40, 40), (80, 60, 20, 10), (1, 1, 2, 2)],
)
def test_boxes_of_any_kind_come_back(client: TestClient, box_xyxy: tuple[float, ...]) -> None:
    drawn = keyframe(4, box_xyxy)
    response = client.post("/predict", json=video_call(moving_box(drawn)))
    assert response.status_code in (200, 422), response.text
    if response.status_code == 200:
        (region,) = response.json()["results"][0]["result"]
        assert drawn in region["value"]["sequence"]


def test_what_no_browser_has_measured_is_measured_here(client: TestClient) -> None:
    drawn = moving_box(keyframe(1, ball_box(0)))
    drawn["value"] |= {"framesCount": 1, "duration": 0}
    (region,) = answered(client, drawn)
    assert (region["value"]["framesCount"], region["value"]["duration"]) == (FRAMES, 2.0)


def test_a_keyframe_behind_the_end_is_about_the_last_picture(client: TestClient) -> None:
    drawn = keyframe(FRAMES + 5, ball_box(FRAMES - 1))
    (region,) = answered(client, moving_box(drawn))
    assert drawn in region["value"]["sequence"]
    assert overlap(region, FRAMES - 2) > 0.7
