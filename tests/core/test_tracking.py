"""Objects through clips: exact where a person fixed them, undisturbed elsewhere, resumed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.composites import SCENES, backgrounds, composite, cutouts
from premask import (
    Annotation,
    BoxPrompt,
    Hint,
    Labeled,
    Mask,
    ModelPool,
    Phrase,
    Point,
    Prompts,
    track,
)
from premask.cli import main
from premask.errors import (
    Cancelled,
    MissingWeights,
    PremaskError,
    UnreadableVideo,
    UnsupportedPrompt,
)
from premask.images import Image
from premask.labels.formats import clip_formats_of
from premask.labels.ytvis import read_ytvis
from premask.recipes.recipe import recipe_of
from premask.runs.clips.clip_job import ClipJob, track_into_folder
from premask.runs.clips.clip_task import ClipTask
from premask.runs.progress import Progress
from premask.video.frames import open_video
from tests.clips import Rgb, write_clip

SIZE_HW = (96, 128)
COUNT = 12


def scene(number: int) -> tuple[Rgb, Mask, Mask]:
    """Two speckled squares, one going right and one going down, over a speckled ground."""
    ground = _speckled(1, SIZE_HW, 90, 30)
    masks = []
    for seed, (y, x) in ((2, (20, 12 + 4 * number)), (3, (8 + 3 * number, 90))):
        pixels = np.zeros(SIZE_HW, np.bool_)
        pixels[y : y + 28, x : x + 28] = True
        ground[y : y + 28, x : x + 28] = _speckled(seed, (28, 28), 200 if seed == 2 else 20, 40)
        masks.append(Mask.from_array(pixels))
    return ground, masks[0], masks[1]


def _speckled(seed: int, size_hw: tuple[int, int], middle: int, spread: int) -> Rgb:
    rough = np.random.default_rng(seed).normal(
        middle, spread, (*(side // 4 + 1 for side in size_hw), 3)
    )
    fine = np.repeat(np.repeat(rough, 4, axis=0), 4, axis=1)[: size_hw[0], : size_hw[1]]
    return np.clip(fine, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [scene(number)[0] for number in range(COUNT)]
    return write_clip(tmp_path_factory.mktemp("clips") / "squares.mp4", frames, crf=4)


class CountingPool(ModelPool):
    """Notes which frames the model looked at."""

    def __init__(self) -> None:
        super().__init__(device="cpu")
        self.looked_at: list[str] = []

    def embed(
        self, name: str, images: Sequence[Image], *, must_be_stored: bool = False
    ) -> list[Any]:
        self.looked_at += [Path(image.name).stem[-2:] for image in images]
        return super().embed(name, images, must_be_stored=must_be_stored)


def at(first: int, second: int | None = None, **hint: Any) -> dict[int, Prompts]:
    """The first square as a mask in one frame, and both as they are in another one."""
    prompts = {first: Prompts(mask=scene(first)[1], mask_label="right")}
    if second is not None:
        prompts[second] = Prompts(objects=(Hint(label="down", mask=scene(second)[2], **hint),))
    return prompts


def followed(clip: Path, prompts: dict[int, Prompts], **options: Any) -> list[Labeled]:
    return list(track(clip, prompts=prompts, **options))


def found_in(frames: list[Labeled]) -> list[tuple[Annotation, ...]]:
    return [labeled.annotations for labeled in frames]


def masks_of(frames: list[Labeled], number: int) -> list[Mask | None]:
    return [
        next((found.mask for found in labeled.annotations if found.track == number), None)
        for labeled in frames
    ]


def test_each_frame_has_the_object_under_its_number(clip: Path) -> None:
    frames = followed(clip, at(0))
    assert [labeled.frame for labeled in frames] == list(range(COUNT))
    assert [labeled.time for labeled in frames] == pytest.approx([n / 10 for n in range(COUNT)])
    for number, labeled in enumerate(frames):
        (found,) = labeled.annotations
        assert found.mask is not None
        assert found.mask.iou(scene(number)[1]) > 0.85
        assert (found.label, found.track, found.source) == ("right", 1, ("flow",))
        assert found.keyframe == (number == 0)
        assert (found.score is None) == (number == 0)
    assert frames[0].annotations[0].mask == scene(0)[1]


def test_what_a_person_drew_is_kept_bit_by_bit(clip: Path) -> None:
    """Also what no model would draw, and though the recipe smooths masks."""
    drawn = Mask.from_array(np.random.default_rng(0).random(SIZE_HW) > 0.7)
    prompts = {
        0: Prompts(mask=scene(0)[1]),
        5: Prompts(objects=(Hint(label="", track=1, mask=drawn),)),
    }
    frames = followed(clip, prompts, settings={"refine.smooth": 3, "refine.grow": 2})
    assert masks_of(frames, 1)[5] == drawn
    assert [labeled.annotations[0].keyframe for labeled in frames[4:7] if labeled.annotations][
        :2
    ] == [
        False,
        True,
    ]


def test_where_somebody_points_at_nothing_nothing_is_followed(clip: Path) -> None:
    nothing = Hint(label="right", mask=Mask.empty(SIZE_HW), track=1)
    assert not any(found_in(followed(clip, {0: Prompts(objects=(nothing,))})))
    left = {**at(0), 2: Prompts(objects=(nothing,))}
    assert [bool(found) for found in found_in(followed(clip, left))][:3] == [True, True, False]


def test_objects_are_followed_backwards_too(clip: Path) -> None:
    frames = followed(clip, at(6))
    masks = masks_of(frames, 1)
    for number, mask in enumerate(masks):
        assert mask is not None
        assert mask.iou(scene(number)[1]) > 0.8
    only_ahead = followed(clip, at(6), settings={"track.both_ways": False})
    assert [bool(labeled.annotations) for labeled in only_ahead] == [False] * 6 + [True] * 6
    assert masks_of(only_ahead, 1)[6:] == masks[6:]


def test_a_late_object_disturbs_nobody(clip: Path) -> None:
    alone, both = followed(clip, at(0)), followed(clip, at(0, 5))
    assert masks_of(both, 1) == masks_of(alone, 1)
    for number, mask in enumerate(masks_of(both, 2)):
        assert mask is not None
        assert mask.iou(scene(number)[2]) > 0.7


def test_a_correction_follows_only_to_the_next_fixed_frame(clip: Path, tmp_path: Path) -> None:
    fixed = {**at(0), 9: Prompts(objects=(Hint(label="", track=1, mask=scene(9)[1]),))}
    before = followed(clip, fixed, folder=tmp_path)
    other = Mask.from_crop(np.ones((20, 20), np.bool_), (40, 30), SIZE_HW)
    corrected = {**fixed, 4: Prompts(objects=(Hint(label="", track=1, mask=other),))}
    pool = CountingPool()
    after = followed(clip, corrected, folder=tmp_path, pool=pool)
    assert pool.looked_at == [f"{number:02}" for number in range(4, 9)]
    assert found_in(after)[:4] == found_in(before)[:4]
    assert found_in(after)[9:] == found_in(before)[9:]
    assert after[4].annotations[0].mask == other
    assert found_in(after) == found_in(followed(clip, corrected))
    # And without the correction everything is as it was.
    assert found_in(followed(clip, fixed, folder=tmp_path)) == found_in(before)


def test_the_subject_is_found_where_nobody_points_and_newcomers_are_joined(
    tmp_path: Path, u2netp_weights: object
) -> None:
    """A dark first second, and then a cup: it is looked for until it is there."""
    moving = composite(SCENES[0], cutouts()["cup"], backgrounds()["rocket"])
    frames = [rgb for rgb, _ in islice(moving, 0, 12, 2)]
    clip = write_clip(tmp_path / "cup.mp4", [np.zeros_like(frames[0])] * 5 + frames, fps=5)
    once = followed(clip, {})
    assert [bool(labeled.annotations) for labeled in once] == [False] * 5 + [True] * 6
    assert {found.track for labeled in once for found in labeled.annotations} == {1}
    assert {found.label for labeled in once for found in labeled.annotations} == {"subject"}
    assert not any(found.keyframe for labeled in once for found in labeled.annotations)
    again = followed(clip, {}, settings={"track.every": 0.5, "track.join": 0.3})
    # It was found a frame later, and followed back to where it is new.
    assert not again[4].annotations
    assert all({1} == {found.track for found in labeled.annotations} for labeled in again[5:])


def test_mattes_are_soft_at_the_edge_only(clip: Path, u2netp_weights: object) -> None:
    frames = list(track(clip, "follow-matte", prompts=at(0), span=(0.0, 0.5)))
    for labeled in frames:
        (found,) = labeled.annotations
        assert found.matte is not None
        assert found.mask is not None
        alpha = found.matte.to_array()
        inner = scene(labeled.frame or 0)[1].to_array()
        assert (alpha[30:38, 24 + 4 * (labeled.frame or 0)] == 255).all()
        assert alpha[:8, :8].max() == 0
        assert inner.any()
        assert found.matte.mask() == found.mask
    assert frames[0].annotations[0].mask == scene(0)[1]


def test_pointing_needs_no_weights_of_the_finder(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path))
    assert len(followed(clip, at(0), span=(0.0, 0.3))) == 3
    with pytest.raises(MissingWeights, match="u2netp"):
        followed(clip, {}, span=(0.0, 0.3))


def test_a_range_at_a_lower_rate(clip: Path) -> None:
    frames = list(track(clip, prompts=at(4), span=(0.2, 1.0), fps=5))
    assert [labeled.frame for labeled in frames] == [2, 4, 6, 8]
    assert all(labeled.annotations for labeled in frames)


@pytest.mark.parametrize(
    ("prompts", "reason"),
    [
        ({99: Prompts(boxes=(BoxPrompt(box_xyxy=(1, 1, 9, 9)),))}, "has no frame 99"),
        ({-1: Prompts(boxes=(BoxPrompt(box_xyxy=(1, 1, 9, 9)),))}, "counted from 0"),
        ({0: Prompts(mask=Mask.empty((5, 5)))}, "the upright frames"),
        (
            {
                0: Prompts(
                    objects=(Hint(label="", track=1, points=(Point(x=1, y=1, positive=False),)),)
                )
            },
            "negative",
        ),
        (
            {
                0: Prompts(
                    objects=tuple(Hint(label="", track=7, box_xyxy=(1, 1, 9, 9)) for _ in "ab")
                )
            },
            "Object 7 is pointed at twice in frame 0",
        ),
        ({0: Prompts(phrases=(Phrase(text="a square"),))}, "can't use phrases"),
    ],
)
def test_prompts_that_can_not_be_used(clip: Path, prompts: dict[int, Prompts], reason: str) -> None:
    with pytest.raises(UnsupportedPrompt, match=reason):
        followed(clip, prompts)


def test_recipes_for_images_and_for_clips_are_told_apart(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedPrompt, match="no track stage"):
        followed(clip, {}, recipe="subject")
    Path(tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(PremaskError, match="premask track"):
        list(premask_label(tmp_path / "photo.png"))


def premask_label(path: Path) -> list[Labeled]:
    from premask import label

    return list(label(path, "follow"))


def test_frames_come_while_others_are_still_to_be_followed(clip: Path, tmp_path: Path) -> None:
    pool, whole = CountingPool(), followed(clip, at(0))
    stream = track(clip, prompts=at(0), pool=pool, folder=tmp_path)
    first = [next(stream) for _ in range(4)]
    assert pool.looked_at == ["00", "01", "02", "03"]
    stream.close()
    # The next call has them from the folder, and goes on behind them.
    again = list(track(clip, prompts=at(0), pool=pool, folder=tmp_path))
    assert pool.looked_at == [f"{number:02}" for number in range(COUNT)]
    assert found_in(again) == found_in(whole)
    assert found_in(first) == found_in(whole)[:4]
    assert found_in(followed(clip, at(0), folder=tmp_path)) == found_in(whole)


# --- The command


def run(*arguments: object) -> int:
    return main(["track", *map(str, arguments)])


def test_many_clips_of_which_one_is_cut_off(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [scene(number % COUNT)[0] for number in range(60)]
    (tmp_path / "in").mkdir()
    cut = write_clip(tmp_path / "in" / "cut.mp4", frames, faststart=True)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 3])
    (tmp_path / "in" / "none.mp4").write_text("no video at all")
    (tmp_path / "in" / "whole.mp4").write_bytes(clip.read_bytes())
    out = tmp_path / "out"
    boxes = "12,20,40,48"
    assert (
        run(tmp_path / "in", "--out", out, "--boxes", boxes, "--format", "ytvis,png-objects,coco")
        == 1
    )
    shown = capsys.readouterr().out
    assert "cut.mp4" in shown
    assert "from frame" in shown
    assert "none.mp4" in shown
    clips = {read.name: list(read.frames) for read in read_ytvis(out / "ytvis.json")}
    assert sorted(clips) == ["cut.mp4", "whole.mp4"]
    assert len(clips["whole.mp4"]) == COUNT
    assert 5 < len(clips["cut.mp4"]) < 50
    assert len(list((out / "objects").rglob("*.png"))) == sum(map(len, clips.values()))
    coco = json.loads((out / "coco.json").read_text())
    assert {"track_id"} <= set(coco["annotations"][0])
    # A second run looks at nothing again.
    before = files_of(out)
    assert (
        run(tmp_path / "in", "--out", out, "--boxes", boxes, "--format", "ytvis,png-objects,coco")
        == 1
    )
    assert files_of(out) == before


def test_prompts_from_a_file_and_in_a_folder_of_frames(tmp_path: Path) -> None:
    import PIL.Image

    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(6):
        PIL.Image.fromarray(scene(number)[0]).save(folder / f"{number}.png")
    asked = {
        "0": [{"track": 4, "label": "right", "box": [12, 20, 40, 48]}],
        "3": [{"track": 9, "label": "down", "mask": scene(3)[2].rle}],
    }
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    out = tmp_path / "out"
    assert run(folder, "--out", out, "--prompts", tmp_path / "asked.json") == 0
    (read,) = read_ytvis(out / "ytvis.json")
    last = list(read.frames)[-1]
    assert sorted((found.track, found.label) for found in last.annotations) == [
        (4, "right"),
        (9, "down"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "can't be read"),
        ('{"0": [{"boxx": 1}]}', "no 'boxx'"),
        ('{"zero": []}', "can't be read"),
        ('{"0": [{"box": [9, 9, 1, 1]}]}', "is empty"),
        ("not json", "can't be read"),
    ],
)
def test_prompt_files_that_can_not_be_read(
    clip: Path, tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asked.json").write_text(text)
    assert run(clip, "--out", tmp_path / "out", "--prompts", tmp_path / "asked.json") == 2
    assert reason in capsys.readouterr().err


def test_an_unusable_wish_takes_no_results_away(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clip, "--out", tmp_path, "--boxes", "12,20,40,48", "--to", "300ms") == 0
    before = files_of(tmp_path)
    assert run(clip, "--out", tmp_path, "--at", "500", "--boxes", "12,20,40,48") == 1
    assert "has no frame 500" in capsys.readouterr().out
    assert files_of(tmp_path) == before
    assert run(clip, "--out", tmp_path, "--from", "soon") == 2
    assert run(clip, "--out", tmp_path, "--from", "3s", "--to", "2s") == 2
    assert run(clip, "--out", tmp_path, "--format", "ytviss") == 2


def test_a_run_that_was_cancelled_goes_on_inside_the_clip(clip: Path, tmp_path: Path) -> None:
    cancel, told = threading.Event(), list[Progress]()

    def watch(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 5:
            cancel.set()

    job = ClipJob(
        tasks=[ClipTask(video=open_video(clip), recipe=recipe_of("follow"), prompts=at(0))],
        folder=tmp_path,
        formats=clip_formats_of(["ytvis"]),
    )
    with pytest.raises(Cancelled, match="after 5 frames"):
        track_into_folder(job, ModelPool(device="cpu"), watch, cancel)
    assert told[-1].total == COUNT
    assert not (tmp_path / "ytvis.json").exists()
    pool = CountingPool()
    outcome = track_into_folder(job, pool)
    assert pool.looked_at == [f"{number:02}" for number in range(5, COUNT)]
    assert [(row.frames, row.tracks) for row in outcome.rows] == [(COUNT, 1)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".premask" not in file.parts
    }


def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_files(
    clip: Path, tmp_path: Path
) -> None:
    """What is remembered is saved after each frame here, so that a kill can fall behind any."""
    asked = ["--at", "7", "--boxes", "40,20,68,48", "--format", "ytvis,davis"]
    assert run(clip, "--out", tmp_path / "whole", *asked) == 0
    code = (
        "import sys; import premask.runs.clips.clip_work as work; work.SAVE_SECONDS = 0; "
        "from premask.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "track",
        str(clip),
        "--out",
        str(tmp_path / "killed"),
        *asked,
    ]
    sure, kills = random.Random(4), 0
    state = tmp_path / "killed" / ".premask"
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and not list(state.rglob("*.state")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(sure.uniform(0.0, 0.4) + 0.3 * kills)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1
    last = subprocess.run(command, check=False, capture_output=True, text=True)
    assert last.returncode == 0, last.stdout + last.stderr
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_a_broken_clip_gives_what_came_before_and_then_its_error(tmp_path: Path) -> None:
    frames = [scene(number % COUNT)[0] for number in range(60)]
    cut = write_clip(tmp_path / "cut.mp4", frames, faststart=True)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 3])
    stream, got = track(cut, prompts=at(0)), list[Labeled]()
    with pytest.raises(UnreadableVideo, match="from frame"):
        got.extend(stream)
    assert 5 < len(got) < 50
    assert [labeled.frame for labeled in got] == list(range(len(got)))
