"""Annotations <-> Label Studio's tasks, with predictions to import or annotations to export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from premask.annotations import Labeled
from premask.errors import InvalidMask
from premask.files import replacing, write_atomically
from premask.images import Image
from premask.labels.label_studio.label_config import DEFAULT_NAMES, TOOLS, TagNames, label_config
from premask.labels.label_studio.prediction_scores import prediction_score
from premask.labels.label_studio.regions import (
    annotations_from_regions,
    regions_from_annotation,
)
from premask.labels.label_studio.shapes import Json
from premask.labels.label_studio.task_records import KnownImages, local_file_url, read_records

CONFIG_NAME = "label_config.xml"


def write_label_studio(
    labeled: Iterable[Labeled],
    path: Path,
    categories: Sequence[str] | None = None,
    *,
    image_url: Callable[[str], str] | None = None,
    controls: Sequence[str] | None = None,
    painted_with: str = "BrushLabels",
    config_name: str = CONFIG_NAME,
    tools: Sequence[str] = TOOLS,
) -> tuple[Path, ...]:
    """Write tasks with predictions in one pass, and beside them the configuration for them."""
    labels = dict.fromkeys(categories or ())
    with replacing(path) as file:
        file.write(b"[")
        looked_at = (one for one in labeled if one.error is None)
        for place, one in enumerate(looked_at):
            labels |= dict.fromkeys(annotation.label for annotation in one.annotations)
            url = (image_url or local_file_url)(one.image.name)
            file.write(b",\n" if place else b"\n")
            task = task_from_labeled(
                one, image_url=url, controls=controls, painted_with=painted_with
            )
            file.write(json.dumps(task).encode())
        file.write(b"\n]\n")
    config_xml = label_config(tuple(labels), tools=tools)
    config = write_atomically(path.with_name(config_name), config_xml.encode())
    return path, config


def read_tasks(path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read an export, as JSON or as JSON_MIN: what a person said last, or the last prediction.

    A task that has neither is left out: nobody looked at its image. The images are found among the
    `images` by the URL that `write_label_studio` gives them, or by the last part of their names;
    others are called by their URL, and have the size that their regions tell.
    """
    known = KnownImages(images)
    try:
        for address, regions in read_records(path):
            yield Labeled(
                image=known.image(address, regions),
                annotations=annotations_from_regions(regions),
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidMask(
            f"'{path}' can't be read as tasks of Label Studio: {type(error).__name__}: {error}. It "
            "must be JSON, as Label Studio exports it: a list of tasks with their 'data', "
            "'annotations' and 'predictions'."
        ) from error


def task_from_labeled(
    labeled: Labeled,
    *,
    image_url: str,
    model_version: str = "premask",
    controls: Sequence[str] | None = None,
    painted_with: str = "BrushLabels",
    names: TagNames = DEFAULT_NAMES,
) -> Json:
    """One task to import, with one prediction; nothing found is a prediction without regions."""
    regions = [
        region
        for index, annotation in enumerate(labeled.annotations)
        for region in regions_from_annotation(
            annotation,
            labeled.image.size_hw,
            index=index,
            controls=controls,
            painted_with=painted_with,
            names=names,
        )
    ]
    prediction = prediction_from_regions(regions, model_version=model_version)
    return {"data": {"image": image_url}, "predictions": [prediction]}


def prediction_from_regions(regions: Sequence[Json], *, model_version: str) -> Json:
    """One prediction, with the score that orders its task among the others."""
    return {
        "model_version": model_version,
        "result": list(regions),
        "score": prediction_score(regions),
    }
