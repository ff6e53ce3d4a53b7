"""Videos are fetched into files: bounded, checked, with the token where it belongs, and once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ml_backend.studio import video_fetch
from ml_backend.studio.video_fetch import VideoFetcher
from premask.errors import UnreadableImage
from tests.clips import painted, read_number, write_clip
from tests.ml_backend.fake_label_studio import KEY, settings_for
from tests.ml_backend.local_server import Asked, LocalServer, Route, serving

PATH = "/data/upload/1/clip.mp4"

Fetch = Callable[..., VideoFetcher]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(path, [painted(number) for number in range(5)]).read_bytes()


@pytest.fixture
def serve() -> Iterator[Callable[[Route], LocalServer]]:
    with ExitStack() as stack:
        yield lambda route: stack.enter_context(serving({PATH: route}))


@pytest.fixture
def fetcher(tmp_path: Path) -> Callable[..., VideoFetcher]:
    def make(server: LocalServer, **fields: Any) -> VideoFetcher:
        return VideoFetcher(settings_for(server.url, str(tmp_path / "images"), **fields))

    return make


def test_a_video_is_fetched_once_and_asked_about_later(
    clip: bytes, serve: Callable[[Route], LocalServer], fetcher: Fetch, tmp_path: Path
) -> None:
    def route(asked: Asked) -> None:
        if asked.headers.get("if-none-match") == '"1"':
            asked.answer(status=304)
        else:
            asked.answer(clip, headers={"ETag": '"1"'})

    server = serve(route)
    fetch = fetcher(server)
    video = fetch.video(PATH, task_id=1)
    assert video.name == "clip.mp4"
    assert [read_number(frame.image.rgb) for frame in video.frames()] == list(range(5))
    assert fetch.video(PATH).digest == video.digest
    assert server.authorizations() == [f"Token {KEY}"]
    for path in tmp_path.rglob("*.json"):
        os.utime(path, (0, time.time() - 1000))
    assert fetch.video(PATH).digest == video.digest
    assert fetch.video(PATH).digest == video.digest
    assert [asked.headers.get("if-none-match") for asked in server.asked] == [None, '"1"']


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda asked, clip: asked.answer(b"<html>" * 300), "no video"),
        (lambda asked, clip: asked.answer(b"#EXTM3U\nfile:///etc/passwd\n"), "no video"),
        (lambda asked, clip: asked.answer(b""), "no video"),
        (lambda asked, clip: asked.answer(status=404), "404"),
        (lambda asked, clip: asked.answer(status=401), "refuses the token"),
        (
            lambda asked, clip: asked.answer(clip, headers={"Content-Length": "999999"}),
            "before the end",
        ),
        (lambda asked, clip: asked.answer(clip + b"\0" * 2_000_000), "larger than 1 MB"),
        (
            lambda asked, clip: (asked.begin(), asked.send(clip + b"\0" * 2_000_000)),
            "larger than 1 MB",
        ),
        # Without a length, only the video itself can tell that it was cut off.
        (lambda asked, clip: (asked.begin(), asked.send(clip[:1000])), "no video"),
        (
            lambda asked, clip: asked.answer(
                status=302, headers={"Location": "http://169.254.169.254/latest"}
            ),
            "169.254.169.254",
        ),
    ],
)
def test_what_is_no_video_is_refused_and_leaves_nothing(
    clip: bytes,
    serve: Callable[[Route], LocalServer],
    fetcher: Fetch,
    tmp_path: Path,
    answer: Callable[[Asked, bytes], object],
    reason: str,
) -> None:
    def route(asked: Asked) -> None:
        answer(asked, clip)

    server = serve(route)
    with pytest.raises(UnreadableImage, match=reason):
        fetcher(server, max_video_megabytes=1).video(PATH, task_id=1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_old_videos_make_room(
    clip: bytes,
    serve: Callable[[Route], LocalServer],
    fetcher: Fetch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(lambda asked: asked.answer(clip))
    monkeypatch.setattr(video_fetch, "MEGABYTE", 4 * len(clip))
    fetch = fetcher(server, video_megabytes=1)
    for number in range(9):
        fetch.video(f"{PATH}?{number}")
    kept = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert len(clip) <= sum(kept) <= 4 * len(clip)
