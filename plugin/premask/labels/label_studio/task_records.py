"""What Label Studio's exports say of a task: its image and its regions, in each of their forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from premask.images import Image
from premask.json_stream import JsonStream
from premask.labels.glimpse import Glimpse
from premask.labels.image_names import ImageNames
from premask.labels.label_studio.shapes import Json
from premask.labels.label_studio.short_form import short_regions
from premask.labels.label_studio.task_images import images_of_task

_LOCAL_FILES = "/data/local-files/?d="
_UPLOADS = "/data/upload/"
_ADDRESSES = ("http://", "https://", "s3://", "gs://", "azure-blob://")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""Label Studio puts it before the names of files that somebody uploads."""

_SHORT_FORM = frozenset({"annotation_id", "annotator", "lead_time"})
"""Keys that a record of JSON_MIN has beside those of the task's data and of its control tags."""


def is_label_studio(glimpse: Glimpse) -> bool:
    """Whether a file is a list of tasks, or of what JSON_MIN makes of them."""
    keys = glimpse.item_keys
    is_task = "data" in keys and bool({"annotations", "predictions", "completions"} & keys)
    return is_task or keys >= _SHORT_FORM


def read_records(path: Path) -> Iterator[tuple[str, Sequence[Json]]]:
    """The address and the regions of each image at which somebody looked, one at a time.

    What counts is a person's annotation of its task, of several the one that is marked as ground
    truth, or else the last; and where there is none, the last prediction.
    """
    with path.open("rb") as file:
        last: Json | None = None
        for task, _ in JsonStream(file).list_items():
            if not isinstance(task, dict):
                raise TypeError(f"a task is no object: {str(task)[:40]}")
            if "data" in task:
                regions = last_regions(task)
                if regions is not None:
                    yield from images_of_task(task["data"], regions)
                continue
            if "annotation_id" not in task:
                raise KeyError("data")
            # JSON_MIN has a record for each annotation, and those of a task follow each other. Its
            # data and its regions stand beside each other.
            if last is not None and last.get("id") != task.get("id"):
                yield from images_of_task(last, short_regions(last))
            last = task if task["annotation_id"] is not None else None
        if last is not None:
            yield from images_of_task(last, short_regions(last))


class KnownImages:
    """Images by the addresses that tasks have for them."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._by_name = {image.name: image for image in images}
        self._names = ImageNames.of(self._by_name)

    def image(self, address: str, regions: Sequence[Json]) -> Image:
        """The image that is meant, or else one of the name and size that the task tells."""
        name = name_of_address(address)
        if name in self._by_name:
            return self._by_name[name]
        for part in file_names(name):
            found = self._names.find(part)
            if found is not None:
                return self._by_name[found]
        # Regions that are no shapes (choices, texts) may tell no size: then it stays unknown.
        sized = next((region for region in regions if "original_width" in region), None)
        size_hw = (sized["original_height"], sized["original_width"]) if sized else (0, 0)
        return Image(name=name, size_hw=size_hw)


def file_names(name: str) -> tuple[str, ...]:
    """What the file may be called on a disk: as its address says, or as before its upload."""
    last = PurePosixPath(urlsplit(name).path if "://" in name else name).name
    return last, unquote(last), _UPLOAD_PREFIX.sub("", last)


def local_file_url(name: str) -> str:
    """Where Label Studio's local files storage serves an image of this relative name.

    A name that is an address, of a web server or of a storage that Label Studio knows, is kept.
    """
    if name.startswith(_ADDRESSES):
        return name
    return _LOCAL_FILES + quote(name, errors="surrogateescape")


def name_of_address(address: str) -> str:
    """The name of a local or an uploaded file; anything else keeps its address.

    >>> name_of_address("/data/local-files/?d=a%20b/c.jpg")
    'a b/c.jpg'
    """
    if address.startswith(_LOCAL_FILES):
        return unquote(address.removeprefix(_LOCAL_FILES), errors="surrogateescape")
    if address.startswith(_UPLOADS):
        return PurePosixPath(unquote(address)).name
    return address


def last_regions(task: Mapping[str, Any]) -> Sequence[Json] | None:
    """What counts of a task; None where nobody looked at it."""
    # Label Studio called annotations completions until 1.0.
    given = task.get("annotations") or task.get("completions") or ()
    people = [said for said in given if not said.get("was_cancelled")]
    marked = [said for said in people if said.get("ground_truth")]
    said = marked or people or task.get("predictions") or ()
    regions: Sequence[Json] | None = said[-1]["result"] if said else None
    return regions
