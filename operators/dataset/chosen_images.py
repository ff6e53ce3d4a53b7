"""What an operator works on: the images of the dataset, of the view or of the selection."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
from fiftyone.core.clips import ClipsView
from fiftyone.core.patches import EvaluationPatchesView, PatchesView
from fiftyone.core.video import FramesView

from premask.errors import PremaskError

IN_VIDEOS = (
    "In videos, use 'Track objects', which labels their frames; or make a dataset of images with "
    "dataset.to_frames(sample_frames=True).clone()."
)
"""What to do instead."""


class UnusableTarget(PremaskError):
    """The chosen samples are not what the operator works on, such as videos or 3D scenes."""


def images_of(ctx: Any) -> Any:
    """The samples that were chosen, as a flat collection of images.

    Of groups these are the samples of the slice that is shown, or of all slices with images if the
    whole dataset was chosen.
    """
    if ctx.dataset is None:
        raise UnusableTarget("No dataset is open. Open one, or pass one.")
    samples = ctx.target_view()
    _require_samples(samples)
    _require_no_groups(samples)
    if samples.media_type == "group":
        samples = _ungrouped(samples, ctx)
    return _only_images(samples)


def whole_images(samples: Any) -> Any:
    """The samples of a dataset or a view; of groups, all of their images."""
    _require_samples(samples)
    _require_no_groups(samples)
    if samples.media_type == "group":
        samples = samples.select_group_slices(_image_slices(samples))
    return _only_images(samples)


def _require_no_groups(samples: Any) -> None:
    if samples._is_dynamic_groups:
        raise UnusableTarget(
            "This view groups images, and shows one of each group. Choose a view without groups, "
            "such as that of the whole dataset."
        )


def _only_images(samples: Any) -> Any:
    if samples.media_type not in ("image", None):
        raise UnusableTarget(
            f"These samples are of the media type '{samples.media_type}', but this works on "
            f"images. {IN_VIDEOS}"
        )
    return samples


def dataset_of(samples: Any) -> fo.Dataset:
    """The dataset itself, or the one that a view is of."""
    return samples if isinstance(samples, fo.Dataset) else fo.load_dataset(samples.dataset_name)


def all_images(dataset: Any) -> Any:
    """Return every image of the dataset.

    In a dataset of groups, selecting by ids finds only samples of the slice that is active.
    """
    if dataset.media_type != "group":
        return dataset
    return dataset.select_group_slices(_image_slices(dataset))


def _image_slices(dataset: Any) -> list[str]:
    return [name for name, media in dataset.group_media_types.items() if media == "image"]


def _require_samples(samples: Any) -> None:
    if isinstance(samples, (PatchesView, EvaluationPatchesView)):
        raise UnusableTarget(
            "This view shows patches, but this works on whole samples. Go back to the samples, or "
            "save it as a dataset of its own with view.clone()."
        )
    for kind, word in ((ClipsView, "clips"), (FramesView, "frames")):
        if isinstance(samples, kind):
            raise UnusableTarget(f"This view shows {word}, not whole images. {IN_VIDEOS}")


def _ungrouped(samples: Any, ctx: Any) -> Any:
    whole = samples == ctx.dataset
    media, images = ctx.dataset.group_media_types, _image_slices(ctx.dataset)
    shown = ctx.group_slice or samples.group_slice
    slices = images if whole else [shown]
    if not set(slices) <= set(images) or not slices:
        raise UnusableTarget(
            f"The slice '{shown}' has the media type '{media[shown]}', but premask works on "
            f"images. Show one of the slices with images: {', '.join(images) or 'there is none'}."
        )
    return samples.select_group_slices(slices)
