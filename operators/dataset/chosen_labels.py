"""Labels that somebody chose: the patches of a view, or what is selected in the App."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fiftyone.core.patches import EvaluationPatchesView, PatchesView

from premask.errors import PremaskError
from premask.geometry import IntBox
from premask.images import Image
from premask.runs.crops import with_margin

from .chosen_images import IN_VIDEOS, UnusableTarget, all_images, images_of
from .reading import label_kind, member_path, read_labels

_SELECTED = "SELECTED_LABELS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenLabels:
    """The images of the chosen labels, in a view that shows no other labels of these fields.

    Each patch is of one of the labels in `leading`; a patch of an evaluation may show another one,
    which was matched with it. So many of `leading` were `asked` for; some may be deleted by now.
    """

    images: Any
    fields: tuple[str, ...]
    leading: frozenset[str]

    @property
    def asked(self) -> int:
        return len(self.leading)

    def count(self) -> int:
        """How many of them there still are."""
        paths = [member_path(self.images, field) for field in self.fields]
        ids = {found for path in paths for found in _flat(self.images.values(f"{path}.id"))}
        return len(ids & self.leading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one image to look at, or why they are not known."""

    image: Image
    boxes: tuple[IntBox, ...]
    error: PremaskError | None = None


def labels_of(ctx: Any) -> ChosenLabels | None:
    """The labels that were chosen; None where whole samples were."""
    if ctx.dataset is None:
        return None
    if _target(ctx) == _SELECTED:
        return _of_selection(ctx.dataset, ctx.selected_labels or ())
    samples = ctx.target_view()
    if are_patches(samples):
        return labels_of_patches(ctx.dataset, samples)
    return None


def are_patches(samples: Any) -> bool:
    """Whether this view shows a patch for each label, or each pair of an evaluation."""
    return isinstance(samples, (PatchesView, EvaluationPatchesView))


def images_to_label(ctx: Any) -> Any:
    """The images that were chosen, or those of the chosen labels, showing nothing but these."""
    chosen = labels_of(ctx)
    return images_of(ctx) if chosen is None else chosen.images


def parts_of(chosen: ChosenLabels, ids: Sequence[str], margin: float) -> dict[str, Parts]:
    """Of each of these images, the boxes around the chosen labels as they are now."""
    samples = chosen.images.select(ids, ordered=True)
    parts = {}
    for read in read_labels(samples, chosen.fields):
        labels = zip(read.label_ids, read.labeled.annotations, strict=True)
        image = read.labeled.image
        boxes = [
            with_margin(annotation.box_xyxy, margin, image.size_hw)
            for label_id, annotation in labels
            if label_id in chosen.leading
        ]
        seen = tuple(box for box in dict.fromkeys(boxes) if box[0] < box[2] and box[1] < box[3])
        parts[read.sample_id] = Parts(image=image, boxes=seen, error=read.labeled.error)
    return parts


def require_extent(chosen: ChosenLabels) -> None:
    """Refuse labels that no crop can be made of."""
    for field in chosen.fields:
        kind = label_kind(chosen.images, field)
        if kind.startswith(("Keypoint", "Segmentation", "Heatmap")):
            raise UnusableTarget(
                f"The labels in '{field}' are {kind}, which have no box to look into. Choose "
                "detections or polylines, or whole samples; 'Outline labels' takes keypoints."
            )


def labels_of_patches(dataset: Any, patches: Any) -> ChosenLabels:
    """The labels that these patches show."""
    if patches._is_frames:
        raise UnusableTarget(f"These are patches of frames. {IN_VIDEOS}")
    fields = tuple(patches._label_fields)
    shown = [
        label_id
        for field in fields
        for label_id in _flat(patches.values(f"{member_path(patches, field)}.id"))
    ]
    # The id of a patch is that of its label: of an evaluation, of the one that was to be found.
    return _chosen(dataset, fields, shown, patches.values("id"))


def _of_selection(dataset: Any, selected: Sequence[Any]) -> ChosenLabels:
    if any(label.get("frame_number") is not None for label in selected):
        raise UnusableTarget(f"These are labels of frames. {IN_VIDEOS}")
    fields = tuple(dict.fromkeys(label["field"] for label in selected))
    ids = [label["label_id"] for label in selected]
    return _chosen(dataset, fields, ids, ids)


def _chosen(
    dataset: Any, fields: tuple[str, ...], shown: Sequence[str], leading: Sequence[str]
) -> ChosenLabels:
    images = all_images(dataset).select_labels(ids=list(shown), fields=list(fields))
    return ChosenLabels(images=images, fields=fields, leading=frozenset(leading))


def _target(ctx: Any) -> str | None:
    # FiftyOne 1.22 takes it out of the parameters.
    asked = ctx.params.get("view_target") or ctx.request_params.get("view_target")
    return None if asked is None else str(asked)


def _flat(values: Any) -> Iterator[str]:
    for value in values or ():
        if isinstance(value, list):
            yield from _flat(value)
        elif value is not None:
            yield value
