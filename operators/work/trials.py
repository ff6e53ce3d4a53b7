"""Trials: a run on one sample, into fields of its own, until somebody keeps or discards it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from premask.annotations import Labeled
from premask.errors import InvalidSetting, PremaskError

from ..dataset.annotate_tab import forget as forget_schema
from ..dataset.annotate_tab import offer
from ..dataset.bulk_store import Document, store
from ..dataset.chosen_images import all_images
from ..dataset.history import Run, all_runs, forget, runs_of, save
from ..dataset.holders import holders_of
from ..dataset.provenance import Stamp, look_at
from ..dataset.reading import read_labels
from ..dataset.schema import delete_field
from ..dataset.writing import (
    OUTPUTS,
    MapTargets,
    Output,
    Place,
    outputs_of,
    prepare_fields,
    require_fitting,
)
from .existing import Existing, Policy
from .undo import Undone, undo

TRY = "@premask/premask/try_on_sample"
"""The operator whose runs are trials, as long as nobody keeps them."""

_FIELD = "premask_trial"


def open_trials(dataset: Any) -> list[Run]:
    """Those that are neither kept nor thrown away, the newest one first."""
    return [run for run in runs_of(dataset, TRY) if run.state != "undone"]


def free_field(dataset: Any, write: Sequence[str]) -> str:
    """A field for a trial that nobody has, and that goes with what is written."""
    number, field = 1, _FIELD
    while any(dataset.has_field(name) for name in outputs_of(write, field)):
        number, field = number + 1, f"{_FIELD}_{number + 1}"
    return field


def number_alike(dataset: Any, trial: Sequence[str], real: Sequence[str]) -> None:
    """Let classes have the same numbers in the maps of a trial as in the fields that it is for."""
    for field, original in zip(trial, real, strict=True):
        if known := dataset.mask_targets.get(original):
            dataset.mask_targets[field] = dict(known)
            dataset.save()


def throw_away(dataset: Any, run: Run) -> Undone:
    """Remove all that the trial brought, and the trial itself.

    Labels in it that a person has changed stay, and with them the field and the run.
    """
    if run.state == "running":
        raise PremaskError("A trial is under way in this dataset. Wait until it is done.")
    undone = undo(dataset, run.name)
    if not undone.kept:
        for field in run.fields:
            _drop(dataset, field)
        forget(dataset, run)
        _drop_folder(Path(run.folder).parent)
    return undone


def keep(dataset: Any, run: Run, field: str, policy: Policy) -> Run:
    """Make the trial's labels those of a run into `field`, as if it had been none."""
    targets = outputs_of(list(run.fields.values()), field)
    require_fitting(dataset, targets)
    for trial, real in zip(list(run.fields), targets, strict=True):
        forget_schema(dataset, run, trial)
        if dataset.has_field(real):
            _merge(dataset, run, trial, real, policy)
        else:
            _rename(dataset, run, trial, real)
    run.fields = {name: output.name for name, output in targets.items()}
    run.operator, run.params["label_field"] = TRY.replace("try_on_sample", "label_samples"), field
    offer(dataset, run, all_runs(dataset))
    save(dataset, run)
    return run


def _rename(dataset: Any, run: Run, trial: str, real: str) -> None:
    dataset.rename_sample_field(trial, real)
    if numbers := dataset.mask_targets.pop(trial, None):
        dataset.mask_targets[real] = numbers
        dataset.save()
    run.new_fields = [real if name == trial else name for name in run.new_fields]
    if trial in run.new_targets:
        run.new_targets[real] = run.new_targets.pop(trial)


def _merge(dataset: Any, run: Run, trial: str, real: str, policy: Policy) -> None:
    """Put the labels beside those that the samples have in the field already."""
    numbers = _united(dataset, trial, real)
    output = OUTPUTS[run.fields[trial]]
    images = all_images(dataset)
    ids = images.exists(trial).values("id")
    samples = images.select(ids)
    tried, read = holders_of(samples, trial), read_labels(samples, [trial])
    existing = Existing.read(samples, real, output, policy, is_own=False)
    written: dict[str, Document | None] = {}
    count = 0
    for labels in read:
        holder = tried[labels.sample_id]
        if labels.labeled.error is not None:
            raise labels.labeled.error
        mover = replace(existing, output=_moving(output, holder))
        stamp = Stamp(run=run.name, recipe=run.recipe)
        place = Place(
            field=real,
            folder=Path(run.folder) / trial,
            stem=labels.sample_id,
            on_disk=False,
            targets=MapTargets(dataset),
            stamp=stamp,
        )
        merged = mover.merged(labels.sample_id, _numbered(labels.labeled), place, look_at(holder))
        if merged is None:
            raise InvalidSetting(
                f"This sample has labels in '{real}' already. Choose another field, or what to do "
                "with them."
            )
        written[labels.sample_id] = merged.holder
        count += merged.count
    new_fields, new_attributes = prepare_fields(dataset, {real: output})
    for error in store(dataset, real, written).values():
        raise error
    if numbers:
        dataset.mask_targets[real] = numbers
        dataset.save()
    run.new_fields = [*(name for name in run.new_fields if name != trial), *new_fields]
    run.new_attributes = [*run.new_attributes, *new_attributes]
    run.annotations = count
    if trial in run.new_targets:
        run.new_targets[real] = run.new_targets.pop(trial)
    _drop(dataset, trial)


def _moving(output: Output, holder: Any) -> Output:
    """Write the labels that the trial has, with all that somebody has done to them."""
    documents = [label.to_dict() for label in output.labels_of(holder)]

    def chosen(labeled: Labeled, place: Place) -> list[Document]:
        if output.member is None:
            return documents
        return [documents[one.track] for one in labeled.annotations if one.track is not None]

    return replace(output, labels=chosen)


def _numbered(labeled: Labeled) -> Labeled:
    annotations = (replace(one, track=number) for number, one in enumerate(labeled.annotations))
    return replace(labeled, annotations=tuple(annotations))


def _united(dataset: Any, trial: str, real: str) -> Mapping[Any, str]:
    """The numbers of classes in both fields; refuse those that mean two classes."""
    tried = dataset.mask_targets.get(trial) or {}
    known = dataset.mask_targets.get(real) or {}
    clash = [name for number, name in tried.items() if known.get(number, name) != name]
    if clash:
        raise InvalidSetting(
            f"Since the trial, '{real}' has other numbers for {', '.join(clash)}. Try again."
        )
    return {**known, **tried}


def _drop_folder(folder: Path) -> None:
    """Remove premask's own folder in that of the dataset, if they are empty, but nobody else's."""
    if folder.name == "premask":
        for empty in (folder, folder.parent):
            with suppress(OSError):  # it has other files, or was never there
                empty.rmdir()


def _drop(dataset: Any, field: str) -> None:
    if dataset.has_field(field):
        delete_field(dataset, field)
    if dataset.mask_targets.pop(field, None):
        dataset.save()
