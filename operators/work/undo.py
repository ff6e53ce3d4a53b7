"""Undo a run: remove what it wrote and nobody has changed since, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dataset.bulk_store import Document
from ..dataset.chosen_images import all_images
from ..dataset.history import list_runs, load, save
from ..dataset.provenance import attribute, forgotten, is_made, is_untouched, run_of
from ..dataset.writing import OUTPUTS, Output
from .existing import holders_of

_AT_ONCE = 100
"""Samples read and written at once."""

_FILES = ("mask_path", "map_path")
"""Attributes that name a label's file."""


@dataclass(slots=True, kw_only=True)
class Undone:
    """How many labels were removed, and how many stay because a person has changed them."""

    removed: int = 0
    kept: int = 0


def undo(dataset: Any, name: str) -> Undone:
    """Remove the labels, files, mask targets and fields that this run brought.

    What the run replaced does not come back.
    """
    run, undone = load(dataset, name), Undone()
    files: set[Path] = set()
    for field, kind in run.fields.items():
        if dataset.has_field(field):
            files |= _undo_field(dataset, field, OUTPUTS[kind], name, undone)
    # Of a clone of the dataset, the files belong to the original.
    if run.dataset == dataset.name:
        _remove_files(Path(run.folder), files)
    run.state = "undone"
    save(dataset, run)
    _drop_unused(dataset, run.fields)
    return undone


def _undo_field(dataset: Any, field: str, output: Output, name: str, undone: Undone) -> set[Path]:
    """Take the run's labels out of a field; the result is the files that are still in use."""
    used: set[Path] = set()
    for samples in _samples_of(dataset, field, output, name):
        remaining: dict[str, Document | None] = {}
        for sample_id, holder in holders_of(samples, field).items():
            ours = [label for label in output.labels_of(holder) if run_of(label) == name]
            changed = [label for label in ours if not is_untouched(label)]
            paths = (attribute(label, name) for label in changed for name in _FILES)
            used |= {Path(path) for path in paths if path}
            undone.kept += len(changed)
            undone.removed += len(ours) - len(changed)
            remaining[sample_id] = _without(holder, output, name)
        dataset.set_values(field, remaining, key_field="id", validate=False)
    return used


def _samples_of(dataset: Any, field: str, output: Output, name: str) -> Iterator[Any]:
    paths = [field, f"{field}.{output.member}"] if output.member else [field]
    touched = {"$or": [{f"{path}.premask_run": name} for path in paths]}
    samples = all_images(dataset)
    ids = samples.mongo([{"$match": touched}]).values("id")
    for first in range(0, len(ids), _AT_ONCE):
        yield samples.select(ids[first : first + _AT_ONCE])


def _without(holder: Any, output: Output, name: str) -> Document | None:
    """Take the run's labels out of what a sample has; None if there was nothing before the run."""
    kept = [
        label
        for label in output.labels_of(holder)
        if run_of(label) != name or not is_untouched(label)
    ]
    if not kept and (output.member is None or is_made(holder)):
        return None
    looked_last = run_of(holder) == name
    remaining = output.holder_of([label.to_dict() for label in kept], holder)
    return forgotten(remaining) if output.member and looked_last else remaining


def _drop_unused(dataset: Any, fields: Iterable[str]) -> None:
    """Remove fields and mask targets that undone runs brought, once no sample uses them."""
    history = (load(dataset, name) for name in list_runs(dataset))
    gone = [run for run in history if run.state == "undone"]
    for field in fields:
        if dataset.has_field(field) and not all_images(dataset).exists(field).count():
            _drop_targets(
                dataset, field, {n for run in gone for n in run.new_targets.get(field, ())}
            )
            if any(field in run.new_fields for run in gone):
                dataset.delete_sample_field(field)


def _drop_targets(dataset: Any, field: str, numbers: set[str]) -> None:
    targets = dataset.mask_targets.pop(field, {})
    rest = {number: name for number, name in targets.items() if str(number) not in numbers}
    if rest:
        dataset.mask_targets[field] = rest
    if rest != targets:
        dataset.save()


def _remove_files(folder: Path, used: set[Path]) -> None:
    """Remove all files below the run's own folder but those that are in use."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in used:
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
