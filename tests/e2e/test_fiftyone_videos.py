"""A person opens a tracked clip in FiftyOne's App: masks over the video, tracks in the timeline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.labels.fiftyone import annotation_from_detection
from premask.video.frames import open_video
from tests.clips import write_clip
from tests.e2e.fiftyone_app import App, pixels

if TYPE_CHECKING:
    from playwright.sync_api import Page

CLIP = Path(sys.prefix) / "clips" / "bigbuckbunny.mp4"
COUNT, FPS, SIZE = 24, 12, (180, 320)
POINTED = 5
"""The frame in which somebody drew a box, from 1 on."""


@pytest.fixture
def tracked(fo: Any, operator: Any, tmp_path: Path) -> Iterator[Any]:
    """Two seconds of a film with a rabbit, followed from a box that is drawn around it.

    Where a browser is driven from Python already, FiftyOne's operators can't be waited for.
    """
    frames = []
    for frame in open_video(CLIP).frames():
        if frame.index == COUNT:
            break
        frames.append(np.ascontiguousarray(frame.image.rgb[::4, ::4]))
    sample = fo.Sample(filepath=str(write_clip(tmp_path / "rabbit.mp4", frames, fps=FPS)))
    # What FiftyOne would ask ffprobe for, which is not on every machine.
    sample.metadata = fo.VideoMetadata(
        frame_width=SIZE[1], frame_height=SIZE[0], frame_rate=FPS, total_frame_count=COUNT
    )
    box = fo.Detection(label="rabbit", bounding_box=[0.04, 0.32, 0.38, 0.46])
    sample.frames[POINTED] = fo.Frame(drawn=fo.Detections(detections=[box]))
    dataset = fo.Dataset(persistent=True)
    dataset.add_sample(sample)
    track = operator("track_objects")
    run = track(dataset, prompt_field="drawn", label_field="tracks").result
    assert (run["state"], run["annotations"]) == ("finished", COUNT)
    dataset.reload()
    # The App's timeline shows the fields that have a schema.
    schema = dataset.generate_label_schemas(fields="frames.tracks")
    dataset.update_label_schema("frames.tracks", schema)
    dataset.activate_label_schemas("frames.tracks")
    yield dataset
    dataset.delete()


def test_a_person_sees_tracks_over_the_video_and_in_the_timeline(
    tracked: Any, page: Page, app_address: str
) -> None:
    app = App(page)
    app.open(f"{app_address}/datasets/{tracked.name}")
    app.photo(0).click()
    app.modal.wait_for()
    looker = app.modal.locator('[data-cy="modal-looker-container"]')
    app.look("video")
    shown, field = pixels(looker), app.modal.locator('[data-cy="checkbox-frames.tracks"]')
    field.click()
    app.look("video-without-tracks")
    assert_drawn((np.abs(shown - pixels(looker)) > 8).any(axis=2), tracked.first().frames[1])
    field.click()

    app.modal.locator('[data-cy="annotate"]').click()
    app.modal.get_by_label("Show tracks").click()
    app.modal.get_by_text("rabbit 1").first.wait_for()
    # One track from the first frame to the last; it is a keyframe where somebody pointed at it.
    assert titles(app, "in frame") == [f"(0.00-{COUNT / FPS:.2f}s)"]
    assert titles(app, "Keyframe") == [f"@ {(POINTED - 1) / FPS:.3f}s"]
    for _ in range(POINTED - 1):
        app.modal.get_by_label("Step forward").click()
    app.look("timeline")


def titles(app: App, begin: str) -> list[str]:
    """What the timeline says of its parts when the mouse is on them."""
    parts = app.modal.locator(f'[title^="{begin}"]').all()
    return [(part.get_attribute("title") or "").removeprefix(begin).strip() for part in parts]


def assert_drawn(changed: NDArray[np.bool_], frame: Any) -> None:
    """What changed in the view is the mask of the frame, as wide as the view and in its middle."""
    (label,) = frame.tracks.detections
    fields = {"label": label.label, "bounding_box": label.bounding_box, "mask": label.mask}
    mask = annotation_from_detection(fields, SIZE).mask
    assert mask is not None
    width = changed.shape[1]
    height = width * SIZE[0] // SIZE[1]
    rows, columns = np.arange(height) * SIZE[0] // height, np.arange(width) * SIZE[1] // width
    wanted, top = np.zeros_like(changed), (changed.shape[0] - height) // 2
    wanted[top : top + height] = mask.to_array()[np.ix_(rows, columns)]
    assert (changed & wanted).sum() > 0.9 * wanted.sum()
    # Outside, there are the box and the name of the class.
    assert (changed & ~wanted).sum() < 0.2 * wanted.sum()
