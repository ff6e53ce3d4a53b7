"""Where labels and their files go, and what happens to labels that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo

from ..work.existing import ADD, POLICIES, SKIP, Policy
from .parameters import ParameterForm, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageParameters:
    """Whether masks go to disk, and where files go."""

    masks_on_disk: bool = parameter(
        False,
        "Keep the masks of detections on disk",
        "as PNG files instead of in the database",
    )
    folder: str | None = parameter(
        None, "Folder for files", "Each run makes a folder of its own in it"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParameters(StorageParameters):
    """What to do where the field has labels already (None: it depends), and where files go."""

    existing: str | None = parameter(None, "Where the field has labels already", choices=POLICIES)
    overlap: float = parameter(
        Policy().overlap,
        "Same object",
        "what overlaps by more than this (IoU) is the same object",
        minimum=0,
        maximum=1,
    )

    def policy(self, *, are_chosen: bool) -> Policy:
        """What to do; where labels were chosen, not whole samples, others may be there already."""
        return Policy(name=self.existing or usual_policy(are_chosen), overlap=self.overlap)


def usual_policy(are_chosen: bool) -> str:
    """What to do where nobody says: the boxes of today are outlined beside those of yesterday."""
    return ADD if are_chosen else SKIP


def add_policy(form: ParameterForm, *, are_chosen: bool) -> None:
    """Draw what to do where the field has labels already."""
    usual = usual_policy(are_chosen)
    form.add_radio("existing", default=usual)
    if (form.params.get("existing") or usual) != SKIP:
        form.add("overlap")


def add_storage(form: ParameterForm, dataset: Any, write: Sequence[str]) -> None:
    """Draw whether masks go to disk, and where files go, if these outputs have such files."""
    if "detections" in write:
        form.add("masks_on_disk")
    if form.params.get("masks_on_disk") or {"segmentation", "heatmap"} & set(write):
        # A document of MongoDB holds 16 MB at most: one float map of 2,200 x 2,200 is more.
        form.add("folder", default=str(default_folder(dataset)))


def folder_from_params(ctx: Any) -> Path:
    return Path(ctx.params.get("folder") or default_folder(ctx.dataset))


def default_folder(dataset: Any) -> Path:
    """Below the folder where FiftyOne keeps the files of datasets."""
    return Path(fo.config.default_dataset_dir, dataset.name, "premask")
