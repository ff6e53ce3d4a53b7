"""What an operator follows objects through: videos, parts of them, or images in an order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fiftyone.core.clips import ClipsView
from fiftyone.core.patches import PatchesView
from fiftyone.core.stages import GroupBy
from fiftyone.core.video import FramesView

from .chosen_images import UnusableTarget
from .clips import Clip, ImageSequence, VideoClip
from .schema import FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenClips:
    """The samples that were chosen. Their frames are `in_videos`, or samples of their own."""

    dataset: Any
    samples: Any
    in_videos: bool

    def path(self, field: str) -> str:
        """The path by which FiftyOne knows a field of the frames."""
        return f"{FRAMES}{field}" if self.in_videos else field

    def schema(self) -> dict[str, Any]:
        """The fields of the frames."""
        in_videos = self.in_videos
        fields = self.dataset.get_frame_field_schema if in_videos else self.dataset.get_field_schema
        return dict(fields() or {})

    def clips(self) -> Sequence[Clip]:
        """Each clip, in the order of the samples."""
        if not self.in_videos:
            return list(self._sequences())
        if isinstance(self.samples, ClipsView):
            return list(self._parts())
        if isinstance(self.samples, FramesView):
            return list(self._frames())
        return list(self._videos())

    def _videos(self) -> Iterator[Clip]:
        ids, paths = self.samples.values(["id", "filepath"])
        for sample_id, path in zip(ids, paths, strict=True):
            yield VideoClip(
                dataset=self.dataset,
                view=self.samples.select(sample_id),
                sample_id=sample_id,
                name=path,
            )

    def _parts(self) -> Iterator[Clip]:
        rows = zip(*self.samples.values(["id", "sample_id", "filepath", "support"]), strict=True)
        for clip_id, sample_id, path, (first, last) in rows:
            yield VideoClip(
                dataset=self.dataset,
                view=self.samples.select(clip_id),
                sample_id=sample_id,
                name=path,
                support=(first, last),
            )

    def _frames(self) -> Iterator[Clip]:
        """The videos of which frames are samples, each with its own of them."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        columns = self.samples.values(["id", "sample_id", "frame_number"])
        for frame_id, sample_id, number in zip(*columns, strict=True):
            found[sample_id][frame_id] = number
        videos = self.dataset.select(list(found))
        paths = dict(zip(*videos.values(["id", "filepath"]), strict=True))
        for sample_id, numbers in found.items():
            yield VideoClip(
                dataset=self.dataset,
                view=self.samples.select(list(numbers)),
                sample_id=sample_id,
                name=paths[sample_id],
                support=(min(numbers.values()), max(numbers.values())),
                chosen=frozenset(numbers.values()),
            )

    def _sequences(self) -> Iterator[Clip]:
        for group in self.samples.iter_dynamic_groups():
            ids, paths = group.values(["id", "filepath"])
            yield ImageSequence(
                dataset=self.dataset,
                view=group,
                name=paths[0],
                sample_ids=tuple(ids),
                paths=tuple(paths),
            )


def clips_of(ctx: Any) -> ChosenClips:
    """The clips that were chosen; raise if these are none."""
    if ctx.dataset is None:
        raise UnusableTarget("No dataset is open. Open one, or pass one.")
    samples = ctx.target_view()
    if isinstance(samples, PatchesView):
        raise UnusableTarget(
            "This view shows patches, not clips. Go back to the videos, or to the images."
        )
    if samples.media_type == "group" and not _is_ordered(samples):
        samples = _of_slice(samples, ctx)
    is_of_video = samples.media_type == "video" or isinstance(samples, FramesView)
    if not is_of_video and not _is_ordered(samples):
        raise UnusableTarget(
            f"These samples are of the media type '{samples.media_type}', and have no order, so "
            "there is no way to follow anything through them. Choose videos, or group images and "
            "say in which order they come: dataset.group_by('scene', order_by='frame_number')."
        )
    return ChosenClips(dataset=ctx.dataset, samples=samples, in_videos=is_of_video)


def _is_ordered(samples: Any) -> bool:
    """Whether these are groups of images in an order."""
    stages = getattr(samples, "_all_stages", ())
    return samples._is_dynamic_groups and any(
        isinstance(stage, GroupBy) and stage.order_by is not None for stage in stages
    )


def _of_slice(samples: Any, ctx: Any) -> Any:
    """Of groups, the videos that are shown."""
    if samples._is_dynamic_groups:
        return samples
    shown = ctx.group_slice or samples.group_slice
    return samples.select_group_slices([shown])
