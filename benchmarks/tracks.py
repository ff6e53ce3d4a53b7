"""Following by `follow`: how well, against known masks; memory; what a correction costs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from benchmarks.composites import SCENES, SIZE_HW, Scene, backgrounds, composite, cutouts
from benchmarks.memory import peak_bytes
from benchmarks.table import Row, ratio_of
from premask import Hint, Mask, ModelPool, Prompts, track
from premask.evaluation.tracks import track_scores
from premask.images import Image
from premask.models.families.flow.tracker import FlowTracker
from premask.models.options import FlowOptions

GOAL = 0.85
SHORT, LONG = 200, 2000

_TRACK = """
import sys
from premask.cli import main
assert main(["track", sys.argv[1], "--out", sys.argv[2], "--boxes", "20,25,60,65"]) == 0
"""


def rows() -> Iterator[Row]:
    """The mean of J and F of all scenes, and of each; then memory and corrections."""
    each = [(scene, *_scores(scene)) for scene in SCENES]
    mean = float(np.mean([(region + contour) / 2 for _, region, contour in each]))
    yield Row(what="follow: mean of J and F over all scenes", ratio=mean, goal=GOAL)
    for scene, region, contour in each:
        note = f"J {region:.3f}, F {contour:.3f}"
        yield Row(what=f"  {scene.name}", ratio=(region + contour) / 2, note=note)
    yield _memory()
    yield _correction()


def _scores(scene: Scene) -> tuple[float, float]:
    """J and F of a scene with each cut-out, as means."""
    background = backgrounds()["rocket"]
    scores = []
    for cutout in cutouts().values():
        tracking = FlowTracker(weights=None, device="cpu").begin(SIZE_HW, FlowOptions())
        masks: list[Mask] = []
        truths: list[Mask] = []
        for number, (rgb, truth) in enumerate(composite(scene, cutout, background)):
            first = {} if number else {1: Hint(label="thing", mask=truth)}
            outlines = tracking.step(number, Image.from_rgb(rgb, name=str(number)), first)
            masks.append(outlines[1].mask)
            truths.append(truth)
        scores.append(track_scores(masks, truths))
    region, contour = np.mean(scores, axis=0)
    return float(region), float(contour)


def _memory() -> Row:
    """A scene to and fro, as a folder of so many small frames, by the command."""
    shown = [rgb for rgb, _ in composite(SCENES[0], cutouts()["cup"], backgrounds()["rocket"])]
    there_and_back = [*shown, *shown[-2:0:-1]]
    with tempfile.TemporaryDirectory() as temporary:
        peaks = []
        for frames in (SHORT, LONG):
            folder = Path(temporary) / str(frames)
            folder.mkdir()
            for number in range(frames):
                small = there_and_back[number % len(there_and_back)][::3, ::3]
                _save(small, folder / f"{number:05}.png")
            peaks.append(peak_bytes(_TRACK, str(folder), f"{folder}-tracks"))
    short, long = peaks
    return Row(
        what=f"premask track: memory for {SHORT:,} frames against {LONG:,}",
        ratio=short / long,
        goal=0.95,
        note=f"{short / 2**20:.0f} and {long / 2**20:.0f} MiB at most",
    )


def _correction() -> Row:
    """A mask fixed in the middle, the next one three frames on, against following all anew."""
    shown = list(composite(SCENES[0], cutouts()["cup"], backgrounds()["rocket"]))
    with tempfile.TemporaryDirectory() as temporary:
        frames, done, again = (Path(temporary) / name for name in ("frames", "done", "again"))
        frames.mkdir()
        for number, (rgb, _) in enumerate(shown):
            _save(rgb, frames / f"{number:03}.png")
        pool = ModelPool(device="cpu")

        def follow(folder: Path, *fixed: int) -> None:
            prompts = {
                frame: Prompts(objects=(Hint(label="cup", track=1, mask=shown[frame][1]),))
                for frame in (0, 25, *fixed)
            }
            list(track(frames, prompts=prompts, pool=pool, folder=folder))

        follow(done, 30)

        def corrected() -> None:
            shutil.rmtree(again, ignore_errors=True)
            shutil.copytree(done, again)
            follow(again, 30, 27)

        def all_anew() -> None:
            shutil.rmtree(again, ignore_errors=True)
            follow(again, 30, 27)

        ratio = ratio_of(corrected, all_anew, repeats=3)
    what = f"a correction of 3 of {len(shown)} frames, against following all anew"
    return Row(what=what, ratio=ratio, goal=4.0)


def _save(rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], path: Path) -> None:
    PIL.Image.fromarray(rgb).save(path)
