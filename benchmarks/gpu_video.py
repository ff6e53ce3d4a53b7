"""Objects through clips on a GPU: frames a second, against transformers' own streaming loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.table import Row, things_a_second
from benchmarks.video import bare_loop, boxes, follow, frames, tracker_of, video_model
from premask.models.parts.torch_runtime import device_of, dtype_on


@dataclass(frozen=True, kw_only=True)
class Clip:
    """How long the clip is, what the network sees of a frame, and how many objects there are."""

    frames: int = 24
    side: int = 1024
    objects: tuple[int, ...] = (1, 8, 32)


TINY = Clip(frames=2, side=128, objects=(1, 2))


def rows(device_name: str, clip: Clip, seconds: float) -> Iterator[Row]:
    """Passes from decoded frames to run lengths; the loop is in halves, as its manual has it."""
    device = device_of(device_name)
    theirs = video_model(clip.side).to(device, dtype_on(device))
    tracker = tracker_of(video_model(clip.side).to(device))
    images = frames(clip.frames)

    def frames_a_second(follow_all: Callable[[], object]) -> float:
        def work() -> int:
            with torch.inference_mode():
                follow_all()
            wait_for(device_name)
            return clip.frames

        return things_a_second(work, seconds)

    for count in clip.objects:
        hints = boxes(count)
        bare = frames_a_second(bare_loop(theirs, images, hints))
        ours = frames_a_second(partial(follow, tracker, images, hints))
        yield Row(
            what=f"SAM 2.1 tiny through a clip, {count} objects: a pass / transformers' bare loop",
            ratio=ours / bare,
            goal=0.95,
            note=f"{ours:.1f} / {bare:.1f} frames/s, encoding included",
        )


def wait_for(device: str) -> None:
    """Until the GPU has done all that it was asked."""
    if device != "cpu" and torch.cuda.is_available():
        torch.cuda.synchronize()
