"""Long clips: an answer in time with what is done, the rest behind it; corrections in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ml_backend.predict.clip_pass import Pass, Stopped, Wanted
from ml_backend.predict.following import Following
from ml_backend.predict.track_store import TrackFacts, TrackStore
from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, PremaskError, UnreadableVideo
from premask.images import Image
from premask.masks import Mask
from premask.prompts import Prompts
from premask.runs.clips.clip_work import ClipStep
from premask.video.frames import Video, open_video
from tests.clips import painted, write_clip
from tests.ml_backend.label_studio_calls import until

SIZE = (48, 96)
FRAMES = 12
SOON = 10.0

Asked = tuple[tuple[float, ...], ...]


def frame(number: int, *tracks: int) -> Labeled:
    mask = Mask.from_crop(painted(1)[:4, :4, 0] >= 0, (number, 2), SIZE)
    found = (
        Annotation(label="x", box_xyxy=mask.box_xyxy, score=0.5, mask=mask, track=track)
        for track in tracks
    )
    return Labeled(
        image=Image(name=str(number), size_hw=SIZE),
        annotations=tuple(found),
        frame=number,
        time=number / 10,
    )


class HeldWork:
    """Work of which each frame has to be let through."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.done: list[Labeled] = []
        self.error: PremaskError | None = None
        self.fails: Exception | None = None

    def run(self) -> Iterator[ClipStep]:
        for number in range(FRAMES):
            assert self.gate.acquire(timeout=SOON)
            if self.fails is not None:
                raise self.fails
            self.done.append(frame(number, 1))
            yield ClipStep(done=number + 1, total=FRAMES, reused=0)

    @property
    def frames(self) -> list[Labeled]:
        return list(self.done)


class Bench:
    """A following whose works are held, and that remembers what was begun."""

    def __init__(self, folder: Path) -> None:
        self.works: list[HeldWork] = []
        self.folders: list[Path] = []
        self.video = open_video(write_clip(folder / "clip.mp4", [painted(n) for n in range(3)]))
        self.store = TrackStore(folder / "tracks", 10**7)
        self.following = Following(self._follow, self.store, folder / "work")

    def _follow(self, video: Video, prompts: Mapping[int, Prompts], folder: Path) -> HeldWork:
        folder.mkdir(parents=True, exist_ok=True)
        self.folders.append(folder)
        self.works.append(HeldWork())
        return self.works[-1]

    def ask(self, key: str = "a", owner: str = "1 video box", asked: Asked = ((1.0,),)) -> Pass:
        wanted = Wanted(key=key * 32, owner=owner, what="task 1: clip.mp4", prompts={}, asked=asked)
        return self.following.ask(self.video, wanted)

    def begun(self, count: int) -> HeldWork:
        until(lambda: len(self.works) >= count)
        return self.works[count - 1]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.following.close()
    for work in bench.works:
        work.gate.release(100)


def test_an_answer_has_what_is_done_and_the_next_one_the_rest(bench: Bench) -> None:
    asked = bench.ask()
    work = bench.begun(1)
    work.gate.release(5)
    until(lambda: len(work.done) == 5)
    began = time.monotonic()
    # The worker looks between two frames.
    threading.Timer(0.2, work.gate.release).start()
    (track,) = asked.result(0.1)
    assert time.monotonic() - began < SOON / 2
    assert len(track.seen) in (5, 6)
    assert "of about 12" in dict(bench.following.progress())["task 1: clip.mp4"]
    assert bench.ask() is asked
    work.gate.release(3)
    until(lambda: len(work.done) >= 8)
    threading.Timer(0.2, work.gate.release).start()
    (track,) = asked.result(0.1)
    assert len(track.seen) >= 8
    work.gate.release(FRAMES)
    (track,) = bench.ask().result(SOON)
    assert len(track.seen) == FRAMES
    assert track.score == 0.5
    assert bench.following.progress() == []
    # What is done is read from the disk, and no model is asked again.
    (again,) = bench.ask().result(0)
    assert again.seen == track.seen
    assert len(bench.works) == 1


def test_a_correction_takes_the_place_of_what_is_under_way(bench: Bench) -> None:
    first = bench.ask("a")
    bench.begun(1).gate.release(2)
    second = bench.ask("b")
    bench.works[0].gate.release(FRAMES)
    with pytest.raises(Stopped):
        first.result(SOON)
    bench.begun(2).gate.release(FRAMES)
    assert len(second.result(SOON)[0].seen) == FRAMES
    # The same folder: there the engine finds what both have in common.
    assert bench.folders[0] == bench.folders[1]


def test_others_are_left_alone(bench: Bench) -> None:
    one, other = bench.ask("a"), bench.ask("b", owner="1 video other")
    for number in (1, 2):
        bench.begun(number).gate.release(FRAMES)
    assert len(one.result(SOON)) == len(other.result(SOON)) == 1
    assert len(set(bench.folders)) == 2


@pytest.mark.parametrize("error", [UnreadableVideo("clip", "it is broken"), RuntimeError("boom")])
def test_what_fails_is_said_and_tried_again(bench: Bench, error: Exception) -> None:
    asked = bench.ask()
    work = bench.begun(1)
    work.fails = error
    work.gate.release()
    with pytest.raises(PremaskError, match=r"broken|boom"):
        asked.result(SOON)
    again = bench.ask()
    bench.begun(2).gate.release(FRAMES)
    assert len(again.result(SOON)) == 1


def test_whole_tasks_keep_nobody_waiting(bench: Bench) -> None:
    whole = [bench.ask(name, owner=name, asked=()) for name in "abc"]
    bench.begun(1)
    mine = bench.ask("d", owner="mine")
    bench.begun(2).gate.release(FRAMES)
    assert len(mine.result(SOON)) == 1
    assert not any(one.over.is_set() for one in whole)


def test_only_the_last_ones_keep_how_they_were_followed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_backend.predict.following.KEPT_WORK", 2)
    for number, name in enumerate("abcd", start=1):
        asked = bench.ask(name, owner=name)
        bench.begun(number).gate.release(FRAMES)
        asked.result(SOON)
        # Clocks of file systems are coarse.
        for path in bench.folders[0].parent.glob("*.lock"):
            os.utime(path, (0, path.stat().st_mtime - 10))
    until(lambda: len([folder for folder in bench.folders if folder.exists()]) == 2)
    assert bench.folders[-1].exists()


def test_two_processes_follow_the_same_one_after_the_other(bench: Bench, tmp_path: Path) -> None:
    other = Bench(tmp_path)
    mine, theirs = bench.ask(), other.ask("b")
    until(lambda: len(bench.works) + len(other.works) == 1)
    first, second = (bench, other) if bench.works else (other, bench)
    first.begun(1).gate.release(FRAMES)
    second.begun(1).gate.release(FRAMES)
    assert len(mine.result(SOON)) == len(theirs.result(SOON)) == 1
    other.following.close()


def test_close_ends_what_is_under_way_and_what_waits(bench: Bench) -> None:
    asked = [bench.ask(name, owner=name) for name in "abcd"]
    bench.begun(1)
    bench.following.close()
    for one in asked:
        with pytest.raises(Stopped):
            one.result(None)
    assert bench.following.progress() == []


def test_the_store_gives_back_what_was_put(tmp_path: Path) -> None:
    store = TrackStore(tmp_path, 10**7)
    facts = TrackFacts(size_hw=SIZE, fps=12.5, asked=((1.0, 2.5, 3.0, 4.0, 5.0, 0.0, 1.0),))
    frames = [frame(0, 1), frame(1), frame(2, 1, 2)]
    assert store.facts("a" * 32) is None
    store.put("a" * 32, facts, frames)
    assert store.facts("a" * 32) == facts
    read = list(store.frames("a" * 32, SIZE))
    assert [(one.frame, one.time, one.annotations) for one in read] == [
        (one.frame, one.time, one.annotations) for one in frames
    ]


def test_a_full_store_makes_room(tmp_path: Path) -> None:
    facts = TrackFacts(size_hw=SIZE, fps=0)
    for number in range(40):
        TrackStore(tmp_path, 20_000).put(f"{number:032x}", facts, [frame(n, 1) for n in range(9)])
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert 0 < sum(sizes) <= 20_000
    assert TrackStore(tmp_path, 20_000).facts(f"{39:032x}") == facts


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "a" * 31, "a" * 32 + "\n", "A" * 32, "/"])
def test_keys_that_people_made_up_lead_nowhere(tmp_path: Path, key: str) -> None:
    assert TrackStore(tmp_path, 10**7).facts(key) is None


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:60] + b"\0" * 40])
def test_a_damaged_store_is_said(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store, key = TrackStore(tmp_path, 10**7), "b" * 32
    store.put(key, TrackFacts(size_hw=SIZE, fps=0), [frame(0, 1), frame(1, 1)])
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidMask, match="followed again"):
        list(store.frames(key, SIZE))


def test_what_the_disk_has_spoilt_is_followed_again(bench: Bench) -> None:
    for number in (1, 2):
        asked = bench.ask()
        bench.begun(number).gate.release(FRAMES)
        assert len(asked.result(SOON)[0].seen) == FRAMES
        (path,) = (path for path in bench.store.folder.rglob("*") if path.is_file())
        path.write_bytes(path.read_bytes()[:-9])
