"""Which files the labels of all datasets in the database name: masks and maps kept on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fiftyone.core.odm import get_db_conn

_FILES = ("mask_path", "map_path")
"""Attributes that name a label's file."""

_COLLECTIONS = (
    ("sample_collection_name", "sample_fields"),
    ("frame_collection_name", "frame_fields"),
)
"""Where FiftyOne's document of a dataset says what its samples, and its frames, have."""


def remove_unused(folder: Path) -> None:
    """Remove the files below a run's own folder that no label of any dataset names.

    A label keeps its file when its field is renamed or cloned, or the whole dataset is.
    """
    if not folder.is_dir():
        return
    used = set(_files_in_use(folder.name))
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in used:
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _files_in_use(run_folder: str) -> Iterator[str]:
    """Yield the files that labels name below a folder of this name, as paths below it.

    The name of a run's folder is unlike any other. What is above it may be spelled in several ways.
    """
    database, named = get_db_conn(), {"$regex": re.escape(run_folder)}
    for dataset in database["datasets"].find():
        for collection, schema in _COLLECTIONS:
            name = dataset.get(collection)
            for path in _file_fields(dataset.get(schema) or ()) if name else ():
                project = {"$project": {"files": f"${path}"}}
                for document in database[name].aggregate([{"$match": {path: named}}, project]):
                    yield from _below(run_folder, _texts(document.get("files")))


def _file_fields(schema: Iterable[Mapping[str, Any]], above: str = "") -> Iterator[str]:
    """List the paths of all fields that name files of labels, as the database names them."""
    for field in schema:
        path = above + (field.get("db_field") or field["name"])
        if field["name"] in _FILES:
            yield path
        yield from _file_fields(field.get("fields") or (), f"{path}.")


def _below(run_folder: str, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        parts = Path(path).parts
        if run_folder in parts:
            yield Path(*parts[parts.index(run_folder) + 1 :]).as_posix()


def _texts(value: Any) -> Iterator[str]:
    """Flatten what an aggregation yields of a path through lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
