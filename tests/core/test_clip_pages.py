"""What people look at of clips: the film, the timeline, the strips; and `premask preview`."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask import read_clips, write_clips
from premask.annotations import Annotation, Labeled, LabeledClip
from premask.cli import main
from premask.errors import InvalidMask, UnknownFormat
from premask.images import Image
from premask.labels.clip_formats import CLIP_FORMATS
from premask.masks import Mask
from premask.report.clip_report import ShownClip, write_clip_report
from premask.report.timeline import timeline
from premask.report.tracks import ClipSummary
from premask.video.frames import Video, frame_name, open_video
from tests.clips import write_clip
from tests.core.test_preview import HOSTILE, Page
from tests.golden.clips import GOLDEN_CLIPS

SIZE_HW = (48, 96)
COUNT = 20


def square(frame: int, track: int | None = 1, *, score: float | None = 0.5) -> Annotation:
    """A square that moves to the right."""
    pixels = np.zeros(SIZE_HW, np.bool_)
    pixels[10:30, 2 + 3 * frame : 22 + 3 * frame] = True
    mask = Mask.from_array(pixels)
    return Annotation(
        label="square",
        box_xyxy=mask.box_xyxy,
        mask=mask,
        track=track,
        score=score,
        keyframe=frame in (0, 10),
    )


def rgb(frame: int) -> NDArray[np.uint8]:
    pixels = np.full((*SIZE_HW, 3), 128, np.uint8)
    mask = square(frame).mask
    assert mask is not None
    pixels[mask.to_array()] = (20, 20, 200)
    return pixels


def clip_of(name: str = "a.mp4", *, timed: bool = True, away: range = range(0)) -> LabeledClip:
    frames = []
    for frame in range(COUNT):
        score = 0.25 if frame == 12 else 0.75
        there = () if frame in away else (square(frame, score=score),)
        image = Image(name=frame_name(name, frame), size_hw=SIZE_HW)
        time = frame / 10 if timed else None
        frames.append(Labeled(image=image, annotations=there, frame=frame, time=time))
    return LabeledClip(name=name, size_hw=SIZE_HW, frames=tuple(frames), fps=10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_clip(folder / "a.mp4", [rgb(frame) for frame in range(COUNT)])
    return folder


@pytest.fixture(scope="module")
def video(folder: Path) -> Video:
    return open_video(folder / "a.mp4")


def page_of(tmp_path: Path, *clips: ShownClip, title: str = "tracks") -> Page:
    return Page(write_clip_report(clips, tmp_path / "report.html", title=title, facts={}))


def data_of(uri: object) -> bytes:
    return base64.b64decode(str(uri).split(",", 1)[1])


def test_the_film_shows_each_frame_at_its_time_with_the_mask(tmp_path: Path, video: Video) -> None:
    (film,) = page_of(tmp_path, (clip_of(), video)).all("video")
    assert str(film["src"]).startswith("data:video/webm;base64,")
    (tmp_path / "film.webm").write_bytes(data_of(film["src"]))
    frames = list(open_video(tmp_path / "film.webm").frames())
    assert [round(frame.time, 3) for frame in frames] == [frame / 10 for frame in range(COUNT)]
    for frame in frames:
        plain = rgb(frame.index).astype(int)
        seen = frame.image.rgb.astype(int)
        inside = seen[14:26, 8 + 3 * frame.index : 16 + 3 * frame.index]
        assert np.abs(inside - (20, 20, 200)).mean() > 15, "the mask's color is not on the square"
        assert np.abs(seen[35:] - plain[35:]).mean() < 8, "the rest is not as it was"


def test_without_pyav_the_film_is_an_animation(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("premask.report.moving_overlay.find_spec", lambda name: None)
    page = page_of(tmp_path, (clip_of(), video))
    assert page.all("video") == []
    film = page.all("img")[0]
    with PIL.Image.open(io.BytesIO(data_of(film["src"]))) as picture:
        assert (picture.format, picture.size) == ("WEBP", SIZE_HW[::-1])
        assert getattr(picture, "n_frames", 1) == COUNT
        picture.seek(COUNT - 1)
        picture.load()
        assert picture.info["duration"] == 100


def test_slides_and_phones_get_mp4(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_clips([clip_of()], "ytvis", tmp_path / "ytvis.json")
    command = ["preview", str(path.parent), "--root", str(folder), "--film", "mp4"]

    def film() -> bytes:
        assert main(command) == 0
        (shown,) = Page(tmp_path / "report.html").all("video")
        head, _, data = str(shown["src"]).partition(";base64,")
        (tmp_path / head.replace("data:video/", "film.")).write_bytes(base64.b64decode(data))
        return base64.b64decode(data)

    whole = film()
    assert whole[4:8] == b"ftyp"
    assert b"avc1" in whole
    frames = list(open_video(tmp_path / "film.mp4").frames())
    expected = [frame / 10 for frame in range(COUNT)]
    assert [frame.time for frame in frames] == pytest.approx(expected, abs=0.001)
    assert frames[3].image.size_hw == SIZE_HW
    # A build without the encoder, as it is free of GPL.
    monkeypatch.setattr("av.codecs_available", {"libvpx-vp9"})
    film()
    assert (tmp_path / "film.webm").exists()
    monkeypatch.setattr("premask.report.moving_overlay.find_spec", lambda name: None)
    assert main(command) == 2


def test_the_timeline_says_when_a_track_is_there_and_how_sure(tmp_path: Path, video: Video) -> None:
    page = page_of(tmp_path, (clip_of(away=range(5, 10)), video))
    first, second = (str(path["d"]) for path in page.all("path"))
    # Frames are 50 of 1000 wide, and as high as their score above a fifth of 100.
    assert first.startswith("M0.0 100L0.0 20H50.0")
    assert first.endswith("H250.0V100Z")
    assert second.startswith("M500.0 100L500.0 20H550.0")
    assert "L600.0 60H650.0" in second
    keys = [str(key["style"]) for key in page.all("b") if "style" in key]
    assert keys == ["left:0.00%", "left:50.00%"]
    (lane,) = [lane for lane in page.all("div") if lane.get("role") == "img"]
    assert lane["aria-label"] == "square #1: in 15 frames, score 0.25 to 0.75"


def test_long_clips_have_timelines_of_a_bounded_size() -> None:
    """Even of an object that somebody pointed at in every second frame, and that is in no other."""
    image, there = Image(name="a", size_hw=SIZE_HW), (square(0),)
    frames = [
        Labeled(image=image, annotations=there[: frame % 2], frame=frame, time=frame / 30)
        for frame in range(20_000)
    ]
    clip = LabeledClip(name="a", size_hw=SIZE_HW, frames=frames)
    assert len("".join(timeline(ClipSummary.of(clip)))) < 50_000


def test_a_strip_shows_the_first_the_last_and_the_least_sure_frame(
    tmp_path: Path, video: Video
) -> None:
    page = page_of(tmp_path, (clip_of(), video))
    strip = [str(image["alt"]) for image in page.all("img")]
    numbers = [int(re.findall(r"\d+", alt)[-1]) for alt in strip]
    assert len(numbers) == 8
    assert (numbers[0], numbers[-1]) == (0, COUNT - 1)
    assert numbers == sorted(numbers)
    assert 12 in numbers
    low = next(item for item in page.all("li") if item.get("class") == "low")
    assert low["data-at"] == "1.200"
    for image in page.all("img"):
        with PIL.Image.open(io.BytesIO(data_of(image["src"]))) as picture:
            middle = np.asarray(picture.convert("RGB"))[64, 64].astype(int)
            assert picture.size == (128, 128)
        # Each is about the square, wherever it is: blue below the mask's color.
        assert np.abs(middle - 128).max() > 30


def test_a_short_track_is_shown_in_all_of_its_frames(tmp_path: Path, video: Video) -> None:
    """Also where the least sure frame is one of those that are shown anyway."""
    page = page_of(tmp_path, (clip_of(away=range(7, COUNT)), video))
    assert len(page.all("img")) == 7


def test_tracks_of_one_label_are_told_apart(tmp_path: Path) -> None:
    tracks = [square(0, track) for track in range(1, 7)]
    frame = Labeled(image=Image(name="a", size_hw=SIZE_HW), annotations=tuple(tracks), frame=0)
    clip = LabeledClip(name="a", size_hw=SIZE_HW, frames=(frame,))
    colors = np.array([track.color for track in ClipSummary.of(clip).tracks], float)
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=2)
    assert apart[~np.eye(6, dtype=bool)].min() > 60


def test_a_page_escapes_every_string_and_needs_no_network(tmp_path: Path, video: Video) -> None:
    clip = replace(clip_of(HOSTILE), phrases=(HOSTILE, "square"))
    frames = [
        replace(one, annotations=tuple(replace(found, label=HOSTILE) for found in one.annotations))
        for one in clip.frames
    ]
    page = page_of(
        tmp_path,
        (replace(clip, frames=frames), video),
        (clip, InvalidMask(HOSTILE)),
        title=HOSTILE,
    )
    assert len(page.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert page.words.count(HOSTILE) >= 6
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "http" not in page.source.replace("http-equiv", "")
    assert "default-src 'none'" in str(page.all("meta")[2]["content"])
    assert "not there" in page.words


def test_what_is_wrong_with_a_video_is_said_and_the_rest_is_drawn(
    tmp_path: Path, video: Video
) -> None:
    wider = replace(clip_of(), size_hw=(48, 100))
    page = page_of(tmp_path, (wider, video), (clip_of("gone.mp4"), InvalidMask("moved")))
    assert "moved" in page.words
    assert any("96 x 48 pixels, and its masks 100 x 48" in words for words in page.words)
    assert len(page.all("article")) == 2
    assert len(page.all("video")) == 1  # of the second: masks on gray


def test_a_clip_of_nothing_and_one_without_times(tmp_path: Path, video: Video) -> None:
    nothing = LabeledClip(name="empty", size_hw=SIZE_HW, frames=())
    page = page_of(tmp_path, (nothing, video), (clip_of(timed=False), video))
    assert any("0 frames, nothing found" in words for words in page.words)
    (timeline,) = [part for part in page.all("div") if part.get("class") == "timeline"]
    assert timeline["data-seconds"] == "0.000000"
    assert any(words.startswith("frame 19") and ":" not in words for words in page.words)


@pytest.mark.parametrize("size_hw", [(0, 0), (2**40, 2**40)])
def test_a_clip_of_an_impossible_size_has_no_film(
    size_hw: tuple[int, int], tmp_path: Path, video: Video
) -> None:
    page = page_of(tmp_path, (replace(clip_of(), size_hw=size_hw), video), (clip_of(), video))
    assert len(page.all("video")) == 1
    assert any("the size must be at least" in words for words in page.words)


def test_times_that_go_back_are_not_believed(tmp_path: Path, video: Video) -> None:
    frames = [replace(one, time=1e300 - (one.frame or 0)) for one in clip_of().frames]
    page = page_of(tmp_path, (replace(clip_of(), frames=frames), video))
    (tmp_path / "film.webm").write_bytes(data_of(page.all("video")[0]["src"]))
    times = [frame.time for frame in open_video(tmp_path / "film.webm").frames()]
    assert times == pytest.approx([number / 24 for number in range(COUNT)], abs=0.002)


@pytest.mark.parametrize("name", CLIP_FORMATS)
def test_preview_shows_the_clips_in_a_folder(
    name: str, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = write_clips([clip_of()], name, tmp_path / CLIP_FORMATS[name].file_name)
    assert path.exists()
    assert main(["preview", str(tmp_path), "--root", str(folder)]) == 0
    report, sheet = capsys.readouterr().out.split()
    assert "square #1" in Page(Path(report)).words
    with PIL.Image.open(sheet) as picture:
        assert picture.width > 8 * 128


@pytest.mark.parametrize("formats", ["ytvis", "png-masks", "cutout,yolo"])
def test_preview_shows_what_a_run_followed_whatever_it_wrote(
    formats: str, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It knows where the videos are."""
    words = ["track", str(folder / "a.mp4"), "--recipe", "follow", "--at", "0"]
    words += ["--boxes", "2,10,22,30", "--label", "square", "--out", str(tmp_path)]
    assert main([*words, "--format", formats]) == 0
    assert main(["preview", str(tmp_path)]) == 0
    page = Page(tmp_path / "report.html")
    assert "square #1" in page.words
    assert "b" in [name for name, _ in page.elements], "where somebody pointed is not marked"
    capsys.readouterr()


def test_preview_without_the_videos_says_where_to_name_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips([replace(clip_of(), name="../../a.mp4")], "ytvis", tmp_path)
    assert main(["preview", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "1 video could not be found, such as ../../a.mp4. --root DIR says" in output.err
    assert len(Page(tmp_path / "report.html").all("video")) == 1


@pytest.mark.parametrize("name", CLIP_FORMATS)
def test_the_format_of_clips_is_found_by_looking(name: str, tmp_path: Path) -> None:
    path = GOLDEN_CLIPS / CLIP_FORMATS[name].file_name
    assert [clip.name for clip in read_clips(path)] == ["day 1/street.mp4", "empty"]
    assert list(read_clips(path, format=name))
    write_clips(read_clips(path), name, tmp_path / path.name)
    assert [clip.name for clip in read_clips(tmp_path)] == ["day 1/street.mp4", "empty"]


def test_clips_are_written_by_the_formats_of_images_too(tmp_path: Path) -> None:
    assert len(write_clips([clip_of()], "png-masks", tmp_path)) == COUNT
    assert (tmp_path / "a.mp4" / "000019_0.png").is_file()


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [{"id": 1}], "annotations": []}')
    with pytest.raises(InvalidMask, match=r"in no format that premask knows \(ytvis.*images"):
        read_clips(tmp_path / "a.json")
    with pytest.raises(UnknownFormat, match="Did you mean 'mots'"):
        read_clips(tmp_path, format="mot")
