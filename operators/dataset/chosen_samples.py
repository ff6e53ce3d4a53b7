"""What an operator works on that takes clips as well as images."""

from __future__ import annotations

from typing import Any

from fiftyone.core.video import FramesView

from .chosen_clips import ChosenClips, clips_of
from .chosen_images import UnusableTarget, images_of


def samples_of(ctx: Any) -> Any | ChosenClips:
    """The images that were chosen, or the clips: videos, or images that are grouped in an order."""
    if ctx.dataset is None:
        raise UnusableTarget("No dataset is open. Open one, or pass one.")
    return clips_of(ctx) if _are_clips(ctx) else images_of(ctx)


def count_images(samples: Any | ChosenClips) -> int:
    """How many images these are; of videos, how many frames are known."""
    if not isinstance(samples, ChosenClips):
        return int(samples.count())
    return int(samples.samples.count("frames" if samples.in_videos else None))


def _are_clips(ctx: Any) -> bool:
    samples = ctx.target_view()
    if samples.media_type == "group" and not samples._is_dynamic_groups:
        shown = ctx.group_slice or samples.group_slice
        return bool(ctx.dataset.group_media_types.get(shown) == "video")
    is_of_frames = samples.media_type == "video" or isinstance(samples, FramesView)
    return bool(is_of_frames or samples._is_dynamic_groups)
