"""Undo a run: remove what it wrote and nobody has changed since, and nothing else."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dataset.annotate_tab import take_back
from ..dataset.bulk_store import Document
from ..dataset.history import Run, all_runs, load, save
from ..dataset.holders import holders_in
from ..dataset.label_files import remove_unused
from ..dataset.provenance import computed_attributes, forgotten, is_made, is_untouched, run_of
from ..dataset.schema import FRAMES, delete_field
from ..dataset.signed_fields import signed_fields
from ..dataset.tracks import work_folder
from ..dataset.writing import Output


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
    for field in run.fields:
        shutil.rmtree(work_folder(run, field), ignore_errors=True)
    run.state = "undone"
    save(dataset, run)
    _drop_unused(dataset, list(dict.fromkeys([*run.fields, *fields])))
    return undone


def _undo_field(dataset: Any, field: str, output: Output, name: str, undone: Undone) -> None:
    """Take the run's labels out of a field."""
    computed, place = computed_attributes(dataset), holders_in(dataset, field, output.member)
    for holders in place.signed(name):
        remaining: dict[str, Document | None] = {}
        for holder_id, holder in holders.items():
            labels = output.labels_of(holder)
            ours = [label for label in labels if run_of(label) == name]
            removed = {label.id for label in ours if is_untouched(label, computed)}
            undone.kept += len(ours) - len(removed)
            undone.removed += len(removed)
            kept = [label for label in labels if label.id not in removed]
            remaining[holder_id] = _with_labels(kept, holder, output, name)
        place.write(remaining)


def _with_labels(kept: list[Any], holder: Any, output: Output, name: str) -> Document | None:
    """Put what is left into the holder; None if there was nothing before the run."""
    if not kept and (output.member is None or is_made(holder)):
        return None
    looked_last = run_of(holder) == name
    remaining = output.holder_of([label.to_dict() for label in kept], holder)
    return forgotten(remaining) if output.member and looked_last else remaining


def _drop_unused(dataset: Any, fields: list[str]) -> None:
    """Remove what undone runs have added to the dataset's schema, once no sample uses it.

    These are fields, mask targets, attributes of labels in fields that were there before, and
    classes in the App's label schemas. A field whose label schema a person has edited stays.
    """
    runs = all_runs(dataset)
    gone = [run for run in runs if run.state == "undone"]
    edited = {field for field in fields if take_back(dataset, field, runs)}
    for field in fields:
        if dataset.has_field(field) and holders_in(dataset, field, None).is_empty():
            _drop_targets(
                dataset, field, {n for run in gone for n in run.new_targets.get(field, ())}
            )
    for path in _paths_of(gone, fields):
        is_kept = path in edited or not dataset.has_field(path)
        if not is_kept and holders_in(dataset, path, None).is_empty():
            delete_field(dataset, path)


def _paths_of(runs: list[Run], fields: list[str]) -> list[str]:
    """Return the fields among these that the runs have made, and the attributes within them."""
    made = {path for run in runs for path in (*run.new_fields, *run.new_attributes)}
    return sorted(path for path in made if _field_of(path) in fields)


def _field_of(path: str) -> str:
    """The field that an attribute is in; those of frames have a dot themselves."""
    prefix = FRAMES if path.startswith(FRAMES) else ""
    return prefix + path.removeprefix(prefix).partition(".")[0]


def _drop_targets(dataset: Any, field: str, numbers: set[str]) -> None:
    targets = dataset.mask_targets.pop(field, {})
    rest = {number: name for number, name in targets.items() if str(number) not in numbers}
    if rest:
        dataset.mask_targets[field] = rest
    if rest != targets:
        dataset.save()
