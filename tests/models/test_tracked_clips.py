"""Recipes for clips with torch trackers: frame by frame, what the trackers say comes out."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from premask.annotations import Labeled
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.families.sam3_video.tracker import Sam3VideoTracker
from premask.models.parts.promptable_tracker import PromptableTracker
from premask.models.pool import ModelPool
from premask.prompts import Hint, Phrase, Prompts
from premask.runs.tracking import track
from tests.models.test_sam3_video import OPTIONS, PHRASES, sightings
from tests.models.tracker_library import clip, followed
from tests.tiny import TinyModels

FRAMES = 12
POINTED = 5
BOX = Hint(label="toy", box_xyxy=(20, 30, 60, 80))
OTHER = (5.0, 5.0, 40.0, 50.0)
RECIPES = {"follow-sam2": "sam2", "follow-edgetam": "edgetam"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool(device="cpu")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, which is a clip."""
    folder = tmp_path_factory.mktemp("frames")
    for index, image in enumerate(clip(FRAMES)):
        PillowImage.fromarray(image.rgb).save(folder / f"{index:03}.png")
    return folder


def masks_of(labeled: list[Labeled], number: int) -> list[Mask | None]:
    """One object frame by frame; None where it is not."""
    return [
        next((found.mask for found in frame.annotations if found.track == number), None)
        for frame in labeled
    ]


def seen(steps: list[Mapping[int, Outline]]) -> list[Mask | None]:
    masks = [step[1].mask for step in steps]
    return [mask if mask.area else None for mask in masks]


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_object_is_followed_both_ways_from_where_it_was_pointed_at(
    tiny: TinyModels, pool: ModelPool, frames: Path, recipe: str
) -> None:
    name = tiny.tracking(RECIPES[recipe])
    labeled = list(
        track(
            frames,
            recipe,
            settings={"track.model": name},
            prompts={POINTED: Prompts(objects=(BOX,))},
            pool=pool,
        )
    )
    tracker, images = pool.tracker(name), clip(FRAMES)
    assert isinstance(tracker, PromptableTracker)
    forward = followed(tracker, images[POINTED:], {0: {1: BOX}})
    backward = followed(tracker, images[POINTED::-1], {0: {1: BOX}})
    expected = [*seen(backward)[:0:-1], *seen(forward)]
    (number,) = {found.track for frame in labeled for found in frame.annotations}
    assert number is not None
    assert masks_of(labeled, number) == expected
    assert any(expected[:POINTED])
    assert any(expected[POINTED + 1 :])


def test_a_correction_changes_nothing_before_it(
    tiny: TinyModels, pool: ModelPool, frames: Path
) -> None:
    settings = {"track.model": tiny.tracking("sam2")}
    first = {0: Prompts(objects=(BOX,))}
    before = list(track(frames, "follow-sam2", settings=settings, prompts=first, pool=pool))
    number = before[0].annotations[0].track if before[0].annotations else 1
    corrected = Hint(label="toy", box_xyxy=OTHER, track=number)
    prompts = {**first, 8: Prompts(objects=(corrected,))}
    after = list(track(frames, "follow-sam2", settings=settings, prompts=prompts, pool=pool))
    assert [frame.annotations for frame in after[:8]] == [frame.annotations for frame in before[:8]]
    assert [frame.annotations for frame in after[8:]] != [frame.annotations for frame in before[8:]]


def test_what_dino_finds_sam2_follows(tiny: TinyModels, pool: ModelPool, frames: Path) -> None:
    labeled = list(
        track(
            frames,
            "follow-dino-sam2",
            settings={
                "find.model": tiny["grounding-dino"],
                "find.threshold": 0.0,
                "select.top": 2,
                "track.model": tiny.tracking("sam2"),
            },
            prompts=Prompts(phrases=(Phrase(text="a face"),)),
            pool=pool,
        )
    )
    assert len(labeled) == FRAMES
    tracks = {found.track for frame in labeled for found in frame.annotations}
    assert tracks
    assert all(
        found.label == "a face" and found.mask for frame in labeled for found in frame.annotations
    )


@pytest.mark.parametrize("done", [2, 5])
def test_phrases_are_gone_on_with_where_a_run_was_stopped(
    tiny: TinyModels, pool: ModelPool, frames: Path, tmp_path: Path, done: int
) -> None:
    """Frames that the model held back come several at once; stopping between two loses none."""
    settings = {
        "track.model": tiny["sam3-video"],
        "track.threshold": OPTIONS.threshold,
        "track.new_threshold": OPTIONS.new_threshold,
        "track.most_objects": OPTIONS.most_objects,
    }
    prompts = Prompts(phrases=tuple(PHRASES))

    def run(folder: Path | None) -> Generator[Labeled, None, None]:
        return track(
            frames, "sam3-video", settings=settings, prompts=prompts, pool=pool, folder=folder
        )

    stopped = run(tmp_path)
    assert len(list(islice(stopped, done))) == done
    stopped.close()
    again, whole = list(run(tmp_path)), list(run(None))
    assert [frame.frame for frame in again] == list(range(FRAMES))
    assert [frame.annotations for frame in again] == [frame.annotations for frame in whole]


def test_sam3_looks_for_phrases_in_every_frame(
    tiny: TinyModels, pool: ModelPool, frames: Path
) -> None:
    name = tiny["sam3-video"]
    labeled = list(
        track(
            frames,
            "sam3-video",
            settings={
                "track.model": name,
                "track.threshold": OPTIONS.threshold,
                "track.new_threshold": OPTIONS.new_threshold,
                "track.most_objects": OPTIONS.most_objects,
            },
            prompts=Prompts(phrases=tuple(PHRASES)),
            pool=pool,
        )
    )
    tracker = pool.tracker(name)
    assert isinstance(tracker, Sam3VideoTracker)
    expected = [
        {
            number: (hint.label, hint.mask)
            for number, hint in found.items()
            if hint.mask and hint.mask.area
        }
        for _, found in sightings(tracker, clip(FRAMES))
    ]
    assert [
        {found.track: (found.label, found.mask) for found in frame.annotations} for frame in labeled
    ] == expected
    assert any(expected)
