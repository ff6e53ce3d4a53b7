"""Undo a run: remove what it wrote and nobody has changed since, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dataset.bulk_store import Document
from ..dataset.chosen_images import all_images
from ..dataset.history import Run, all_runs, load, save
from ..dataset.label_files import remove_unused
from ..dataset.provenance import computed_attributes, forgotten, is_made, is_untouched, run_of
from ..dataset.signed_fields import signed_fields
from ..dataset.writing import Output
from .existing import holders_of

_AT_ONCE = 100
"""Samples read and written at once."""


@dataclass(slots=True, kw_only=True)
class Undone:
    """How many labels were removed, and how many stay because a person has changed them."""

    removed: int = 0
    kept: int = 0


def undo(dataset: Any, name: str) -> Undone:
    """Remove the labels, files, mask targets and fields that this run brought.

    Labels are found by their stamp, in whatever field they are by now. What the run replaced does
    not come back.
    """
    run, undone = load(dataset, name), Undone()
    fields = signed_fields(dataset, name)
    for field, output in fields.items():
        _undo_field(dataset, field, output, name, undone)
    remove_unused(Path(run.folder))
    run.state = "undone"
    save(dataset, run)
    _drop_unused(dataset, list(dict.fromkeys([*run.fields, *fields])))
    return undone


def _undo_field(dataset: Any, field: str, output: Output, name: str, undone: Undone) -> None:
    """Take the run's labels out of a field."""
    computed = computed_attributes(dataset)
    for samples in _samples_of(dataset, field, output, name):
        remaining: dict[str, Document | None] = {}
        for sample_id, holder in holders_of(samples, field).items():
            labels = output.labels_of(holder)
            ours = [label for label in labels if run_of(label) == name]
            removed = {label.id for label in ours if is_untouched(label, computed)}
            undone.kept += len(ours) - len(removed)
            undone.removed += len(removed)
            kept = [label for label in labels if label.id not in removed]
            remaining[sample_id] = _with_labels(kept, holder, output, name)
        dataset.set_values(field, remaining, key_field="id", validate=False)


def _samples_of(dataset: Any, field: str, output: Output, name: str) -> Iterator[Any]:
    paths = [field, f"{field}.{output.member}"] if output.member else [field]
    touched = {"$or": [{f"{path}.premask_run": name} for path in paths]}
    samples = all_images(dataset)
    ids = samples.mongo([{"$match": touched}]).values("id")
    for first in range(0, len(ids), _AT_ONCE):
        yield samples.select(ids[first : first + _AT_ONCE])


def _with_labels(kept: list[Any], holder: Any, output: Output, name: str) -> Document | None:
    """Put what is left into the sample's holder; None if there was nothing before the run."""
    if not kept and (output.member is None or is_made(holder)):
        return None
    looked_last = run_of(holder) == name
    remaining = output.holder_of([label.to_dict() for label in kept], holder)
    return forgotten(remaining) if output.member and looked_last else remaining


def _drop_unused(dataset: Any, fields: list[str]) -> None:
    """Remove what undone runs have added to the dataset's schema, once no sample uses it.

    These are fields, mask targets, and attributes of labels in fields that were there before.
    """
    gone = [run for run in all_runs(dataset) if run.state == "undone"]
    images = all_images(dataset)
    for field in fields:
        if dataset.has_field(field) and not images.exists(field).count():
            _drop_targets(
                dataset, field, {n for run in gone for n in run.new_targets.get(field, ())}
            )
    for path in _paths_of(gone, fields):
        if dataset.has_field(path) and not images.count(path):
            dataset.delete_sample_field(path)


def _paths_of(runs: list[Run], fields: list[str]) -> list[str]:
    """Return the fields among these that the runs have made, and the attributes within them."""
    made = {path for run in runs for path in (*run.new_fields, *run.new_attributes)}
    return sorted(path for path in made if path.partition(".")[0] in fields)


def _drop_targets(dataset: Any, field: str, numbers: set[str]) -> None:
    targets = dataset.mask_targets.pop(field, {})
    rest = {number: name for number, name in targets.items() if str(number) not in numbers}
    if rest:
        dataset.mask_targets[field] = rest
    if rest != targets:
        dataset.save()
