"""Fields of samples, and of the frames of videos, by one path for both."""

from __future__ import annotations

from typing import Any

FRAMES = "frames."
"""How the path of a field of a video's frames begins in FiftyOne, where frames count from 1."""


def schema_of(dataset: Any, path: str) -> dict[str, Any]:
    """The fields that there are beside this one."""
    is_of_frames = path.startswith(FRAMES)
    schema = dataset.get_frame_field_schema() if is_of_frames else dataset.get_field_schema()
    return dict(schema or {})


def add_field(dataset: Any, path: str, ftype: Any, **kind: Any) -> None:
    """Declare a field; what is declared already is left alone."""
    is_of_frames = path.startswith(FRAMES)
    add = dataset.add_frame_field if is_of_frames else dataset.add_sample_field
    add(path.removeprefix(FRAMES), ftype, **kind)


def delete_field(dataset: Any, path: str) -> None:
    """Remove a field from all samples, or from all frames; its label schema must be gone before."""
    if not path.startswith(FRAMES):
        dataset.delete_sample_field(path)
        return
    # FiftyOne 1.22 takes the label schema of the samples' field of that name along.
    schemas, active = dataset.label_schemas, dataset.active_label_schemas
    dataset.delete_frame_field(path.removeprefix(FRAMES))
    if schemas:
        dataset.set_label_schemas(schemas)
        dataset.active_label_schemas = active
