"""Following by `follow`: how well, against known masks; how much memory; what a correction costs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.composites import FRAMES, SCENES, SIZE_HW, Scene, backgrounds, composite, cutouts
from benchmarks.memory import peak_bytes
from benchmarks.table import Row, ratio_of
from premask import Hint, Mask, ModelPool, Prompts, track
from premask.evaluation.tracks import track_scores
from premask.images import Image
from premask.models.families.flow.tracker import FlowTracker
from premask.models.options import FlowOptions

GOAL = 0.85
SHORT, LONG = 200, 2000

_GROWTH = """
import sys
from premask.images import Image
from benchmarks.tracks import endless
for _ in endless(int(sys.argv[1])):
    pass
"""


def rows() -> Iterator[Row]:
    """The mean of J and F of all scenes, and of each; then memory and corrections."""
    each = [(scene, *_scores(scene)) for scene in SCENES]
    mean = float(np.mean([(region + contour) / 2 for _, region, contour in each]))
    yield Row(what="follow: mean of J and F over all scenes", ratio=mean, goal=GOAL)
    for scene, region, contour in each:
        note = f"J {region:.3f}, F {contour:.3f}"
        yield Row(what=f"  {scene.name}", ratio=(region + contour) / 2, note=note)
    short, long = (peak_bytes(_GROWTH, str(frames)) for frames in (SHORT, LONG))
    yield Row(
        what=f"follow: memory after {SHORT:,} frames against {LONG:,}",
        ratio=short / long,
        goal=0.95,
        note=f"{short / 2**20:.0f} and {long / 2**20:.0f} MiB at most",
    )
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


def endless(frames: int) -> Iterator[Mask]:
    """A scene to and fro, for as long as it takes."""
    shown = list(composite(SCENES[0], cutouts()["cup"], backgrounds()["rocket"]))
    small = [
        (rgb[::3, ::3].copy(), Mask.from_array(mask.to_array()[::3, ::3])) for rgb, mask in shown
    ]
    size_hw = small[0][1].size_hw
    tracking = FlowTracker(weights=None, device="cpu").begin(size_hw, FlowOptions())
    for number in range(frames):
        place = number % (2 * FRAMES - 2)
        rgb, truth = small[min(place, 2 * FRAMES - 2 - place)]
        first = {} if number else {1: Hint(label="thing", mask=truth)}
        yield tracking.step(number, Image.from_rgb(rgb, name=str(number)), first)[1].mask


def _correction() -> Row:
    """A mask fixed in the middle, with the next one fixed five frames on, against doing all anew."""
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
    import PIL.Image

    PIL.Image.fromarray(rgb).save(path)
