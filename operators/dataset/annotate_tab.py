"""The App's *Annotate* tab: which fields of runs can be corrected there, and with which classes.

FiftyOne 1.22 shows a field in it once the dataset has a label schema of the field. What a person
made of a schema stays: premask only adds classes to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from .chosen_images import all_images
from .schema import FRAMES, schema_of

if TYPE_CHECKING:
    from .history import Run

Schema = dict[str, Any]

_FIXED = {"confidence", "id", "premask_recipe", "premask_run", "source"}
"""Shown, but not to be changed there: what a model said, and who made the label."""

_LEFT_OUT = {"index", "mask_path"}
"""What the App keeps itself when somebody edits a mask or a track."""

_MOST_RADIO_BUTTONS, _MOST_CLASSES = 5, 1000
"""FiftyOne's own limits, see fiftyone/core/annotation/constants.py."""


def offer(dataset: Any, run: Run, others: Sequence[Run]) -> None:
    """Register the fields of a run, or add its classes; note in the run what is new."""
    if not run.labeled:
        return
    # A person may have edited the schemas in the App while the run was at work.
    dataset.reload()
    for field in run.fields:
        plain = _plain_schema(dataset, field)
        if plain is None:
            continue
        stored, classes = dataset.label_schemas.get(field), _classes_in(dataset, field)
        if stored is None:
            if not _was_removed(field, others):
                run.new_classes[field] = classes
                _write(dataset, run, field, _with_classes(plain, classes))
                dataset.activate_label_schemas(field)
            continue
        new = [name for name in classes if name not in _chosen_from(stored)]
        if _is_ours(stored, field, others):
            # Labels may have attributes by now that they did not have.
            _write(dataset, run, field, _with_classes(plain, [*_chosen_from(stored), *new]))
        elif _has_list(stored) and new:
            everything = [*_chosen_from(stored), *new][:_MOST_CLASSES]
            dataset.update_label_schema(field, stored | {"classes": everything})
        else:
            continue
        run.new_classes[field] = new


def take_back(dataset: Any, field: str, runs: Sequence[Run]) -> bool:
    """Remove what undone runs have put into a field's schema, and nobody uses.

    Return whether the field has a schema that a person made or edited.
    """
    stored = dataset.label_schemas.get(field)
    if stored is None:
        return False
    ours, used = _is_ours(stored, field, runs), set(_classes_in(dataset, field))
    staying = _added(field, (run for run in runs if run.state != "undone")) | used
    gone = _added(field, (run for run in runs if run.state == "undone")) - staying
    if ours and not used:
        dataset.delete_label_schemas(field)
        return False
    if gone & set(_chosen_from(stored)):
        rest = [name for name in _chosen_from(stored) if name not in gone]
        changed = _with_classes(stored, rest) if ours else stored | {"classes": rest}
        dataset.update_label_schema(field, changed)
    return not ours


def forget(dataset: Any, run: Run, field: str) -> None:
    """Remove the schema of a field that goes away, or gets another name."""
    run.schemas.pop(field, None)
    run.new_classes.pop(field, None)
    if field in dataset.label_schemas:
        dataset.delete_label_schemas(field)


def _plain_schema(dataset: Any, field: str) -> Schema | None:
    """A schema without classes; None for what can't be edited in the App, such as class maps."""
    name = field.removeprefix(FRAMES)
    kind = getattr(schema_of(dataset, field).get(name), "document_type", None)
    if kind is None or not issubclass(kind, (fo.Detections, fo.Polylines)):
        return None
    try:
        schema: Schema = dataset.generate_label_schemas(fields=field, scan_samples=False)
    except ValueError:  # of another kind of media
        return None
    attributes = [
        attribute | {"read_only": True} if attribute["name"] in _FIXED else attribute
        for attribute in schema["attributes"]
        if attribute["name"] not in _LEFT_OUT
    ]
    return schema | {"attributes": attributes}


def _with_classes(schema: Schema, classes: list[str]) -> Schema:
    """The schema with these classes to choose from; text where there are none, or very many."""
    rest = {name: value for name, value in schema.items() if name != "classes"}
    if not classes or len(classes) > _MOST_CLASSES:
        return rest | {"component": "text"}
    component = "radio" if len(classes) <= _MOST_RADIO_BUTTONS else "dropdown"
    return rest | {"component": component, "classes": classes}


def _classes_in(dataset: Any, field: str) -> list[str]:
    """The classes of the labels in a field, those first that the dataset lists for it."""
    images = dataset if field.startswith(FRAMES) else all_images(dataset)
    member = images.get_field(field).document_type._LABEL_LIST_FIELD
    found = images.distinct(f"{field}.{member}.label")
    listed = dataset.classes.get(field) or dataset.default_classes or []
    return [*(name for name in listed if name in found), *(n for n in found if n not in listed)]


def _write(dataset: Any, run: Run, field: str, schema: Schema) -> None:
    dataset.update_label_schema(field, schema)
    run.schemas[field] = _fingerprint(schema)


def _is_ours(schema: Schema, field: str, runs: Sequence[Run]) -> bool:
    """Whether the schema is as runs have left it, but for classes that are no more in it."""
    classes, mark = _chosen_from(schema), _fingerprint(schema)
    is_known = any(run.schemas.get(field) == mark for run in runs)
    return (
        is_known
        and set(classes) <= _added(field, runs)
        and schema == _with_classes(schema, classes)
    )


def _was_removed(field: str, runs: Iterable[Run]) -> bool:
    """Whether a run that was not undone had made a schema of this field, which is there no more."""
    return any(field in run.schemas and run.state != "undone" for run in runs)


def _added(field: str, runs: Iterable[Run]) -> set[str]:
    return {name for run in runs for name in run.new_classes.get(field, ())}


def _has_list(schema: Mapping[str, Any]) -> bool:
    """Whether a class is chosen from a list of the schema's own; else it is typed, or ontology."""
    return schema.get("component") in ("radio", "dropdown") and "applied_ontology" not in schema


def _chosen_from(schema: Mapping[str, Any]) -> list[str]:
    return list(schema.get("classes") or ())


def _fingerprint(schema: Schema) -> str:
    """A hash of all but the classes, of which each run knows those that it added."""
    rest = {name: schema[name] for name in schema if name not in ("classes", "component")}
    return hashlib.blake2b(json.dumps(rest, sort_keys=True).encode(), digest_size=8).hexdigest()
