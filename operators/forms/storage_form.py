"""Where labels and their files go, and what happens to labels that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo

from ..work.existing import POLICIES, SKIP, Policy
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
    """What to do where the field has labels already, and where files go."""

    existing: str = parameter(SKIP, "Where the field has labels already", choices=POLICIES)
    overlap: float = parameter(
        Policy().overlap,
        "Same object",
        "what overlaps by more than this (IoU) is the same object",
        minimum=0,
        maximum=1,
    )

    @property
    def policy(self) -> Policy:
        return Policy(name=self.existing, overlap=self.overlap)


def add_policy(form: ParameterForm) -> None:
    """Draw what to do where the field has labels already."""
    form.add_radio("existing")
    if form.params.get("existing", SKIP) != SKIP:
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
