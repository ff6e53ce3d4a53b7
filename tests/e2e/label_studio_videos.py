"""The video page of Label Studio's editor as a person uses it, and a clip for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from tests.clips import Rgb, write_clip
from tests.e2e.label_studio_editor import SOON, Editor, Point
from tests.e2e.programs import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

Json = dict[str, Any]
Pixels = NDArray[np.bool_]

WIDTH, HEIGHT, FRAMES, FPS = 320, 240, 24, 12
RADIUS = 40


def cup_center(frame: int) -> Point:
    return 60 + 8 * frame, round(120 + 40 * np.sin(frame / 4))


def cup_pixels(frame: int) -> Pixels:
    """Where the cup is, (height, width)."""
    x, y = cup_center(frame)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 < RADIUS**2)


def cup_clip(path: Path, cup: Path, ground: Path) -> Path:
    """A round piece of one photo that moves over another one."""
    with PIL.Image.open(cup) as photo:
        # What is round in scikit-image's photo of a cup of coffee.
        piece = photo.convert("RGB").crop((165, 12, 415, 262)).resize((2 * RADIUS, 2 * RADIUS))
    with PIL.Image.open(ground) as photo:
        still = np.asarray(photo.convert("RGB").resize((WIDTH, HEIGHT)))
    frames: list[Rgb] = []
    for frame in range(FRAMES):
        x, y = cup_center(frame)
        with PIL.Image.new("RGB", (WIDTH, HEIGHT)) as moved:
            moved.paste(piece, (x - RADIUS, y - RADIUS))
            there = cup_pixels(frame)[..., np.newaxis]
            frames.append(np.ascontiguousarray(np.where(there, np.asarray(moved), still)))
    return write_clip(path, frames, fps=FPS)


class VideoEditor:
    """The editor of a task with a video, which is shown pixel by pixel."""

    def __init__(self, editor: Editor) -> None:
        self.editor, self.page = editor, editor.page

    def open(self, project: int, task: int) -> None:
        """Open a task, begin an empty annotation, and switch Auto-Annotation on."""
        self.editor._go(f"/projects/{project}/data?task={task}")
        self._stage.wait_for()
        self.page.get_by_text(f"of {FRAMES}").wait_for()
        self.page.get_by_label("Create an annotation").click()
        self.page.get_by_text("Labeled regions will appear here").wait_for()
        self.page.get_by_text(f"of {FRAMES}").wait_for()
        self.page.locator(".lsf-dynamic-preannotations label").get_by_text(
            "Auto-Annotation", exact=True
        ).click()

    def draw(self, label: str, start_xy: Point, end_xy: Point) -> None:
        """Draw a box in the frame that is shown."""
        self._label(label).click()
        self._drag(start_xy, end_xy)
        assert until(lambda: self._regions.count() > 0, SOON)

    def select(self) -> None:
        """Select the last box that was drawn."""
        self._regions.last.click()

    def move(self, start_xy: Point, end_xy: Point) -> None:
        """Move the selected box in the frame that is shown."""
        self._drag(start_xy, end_xy)

    def follow(self) -> list[Json]:
        """Press the button that has the selected box followed; returns what was asked."""
        return self.editor._asked(self._label("Follow").click)

    def go_to(self, frame: int) -> None:
        """Show another frame, counted from 1."""
        shown = self.page.locator(".lsf-frames-control")
        shown.click()
        shown.locator("input").fill(str(frame))
        shown.locator("input").press("Enter")
        self.page.get_by_text(f"of {FRAMES}").wait_for()
        assert until(lambda: shown.inner_text().split()[0] == str(frame), SOON)

    def _label(self, name: str) -> Locator:
        return self.page.locator(".lsf-label").get_by_text(name, exact=True)

    def _drag(self, start_xy: Point, end_xy: Point) -> None:
        box = self._stage.bounding_box()
        assert box is not None
        left, top = box["x"] + (box["width"] - WIDTH) / 2, box["y"] + (box["height"] - HEIGHT) / 2
        mouse = self.page.mouse
        mouse.move(left + start_xy[0], top + start_xy[1])
        mouse.down()
        for share in (0.5, 1):
            x, y = (
                one + (other - one) * share for one, other in zip(start_xy, end_xy, strict=True)
            )
            mouse.move(left + x, top + y)
        mouse.up()

    @property
    def _stage(self) -> Locator:
        return self.page.locator(".konvajs-content").first

    @property
    def _regions(self) -> Locator:
        return self.page.locator(".lsf-outliner-item")
