"""COCO out of and into FiftyOne, against its own exporter and importer: time, memory, pixels."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from benchmarks.fiftyone_samples import (
    found_in_images,
    labels_of,
    new_run,
    start_fiftyone,
    unlabeled,
)
from benchmarks.memory import peak_bytes
from benchmarks.table import Row, ratio_of
from premask.annotations import Annotation
from premask.masks import Mask

Found = list[list[Annotation]]

REPEATS = 3

_MEMORY = """
import sys
import fiftyone as fo
from pathlib import Path
from benchmarks import fiftyone_export
dataset = fo.load_dataset(sys.argv[1])
if sys.argv[2] != "none":
    getattr(fiftyone_export, sys.argv[2])(fo, dataset, Path(sys.argv[3]))
"""


def rows() -> Iterator[Row]:
    fo, folder = start_fiftyone()
    found = found_in_images()
    dataset = unlabeled(fo, folder)
    dataset.set_values("masks", [labels_of(fo, annotations) for annotations in found])
    # FiftyOne writes run lengths of crowds only.
    dataset.set_values("crowds", [labels_of(fo, annotations, iscrowd=1) for annotations in found])
    dataset.persistent = True
    yield from _export_rows(fo, dataset, folder, found)
    yield from _memory_rows(dataset, folder)
    yield from _import_rows(fo, dataset, folder, found)


def ours(fo: Any, dataset: Any, folder: Path) -> Path:
    from operators.work.export import export_masks

    export_masks(dataset, folder, label_fields=["masks"])
    return folder / "coco.json"


def fiftyone_polygons(fo: Any, dataset: Any, folder: Path) -> Path:
    return _exported(fo, dataset, folder / "polygons.json", "masks")


def fiftyone_run_lengths(fo: Any, dataset: Any, folder: Path) -> Path:
    return _exported(fo, dataset, folder / "run_lengths.json", "crowds")


def _exported(fo: Any, dataset: Any, path: Path, field: str) -> Path:
    with contextlib.redirect_stdout(io.StringIO()):
        dataset.export(
            labels_path=str(path),
            dataset_type=fo.types.COCODetectionDataset,
            label_field=field,
            progress=False,
        )
    return path


def _export_rows(fo: Any, dataset: Any, folder: Path, found: Found) -> Iterator[Row]:
    count = sum(map(len, found))
    own = exact_in_file(ours(fo, dataset, folder), found)
    for theirs, goal in ((fiftyone_polygons, 8), (fiftyone_run_lengths, 12)):
        name = _name(theirs.__name__)
        yield Row(
            what=f"COCO export / {name}",
            ratio=ratio_of(
                partial(ours, fo, dataset, folder), partial(theirs, fo, dataset, folder), REPEATS
            ),
            goal=goal,
            note="200 samples x 20 masks, 640x480",
        )
        exact = exact_in_file(folder / f"{theirs.__name__.partition('_')[2]}.json", found)
        yield Row(
            what="exact masks, as a share of all",
            ratio=own / count,
            goal=1,
            note=f"{own:,} of {count:,}; {name}: {exact:,}",
        )


def _name(function: str) -> str:
    return function.replace("fiftyone_", "FiftyOne's ").replace("_", " ")


def exact_in_file(path: Path, found: Found) -> int:
    """How many masks pycocotools reads as they were."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
    exact = 0
    for image in coco.loadImgs(coco.getImgIds()):
        truths = found[int(Path(image["file_name"]).stem)]
        records = coco.loadAnns(coco.getAnnIds([image["id"]]))
        for record, truth in zip(records, truths, strict=True):
            exact += _read(coco, record) == truth.mask
    return exact


def _read(coco: COCO, record: dict[str, Any]) -> Mask | None:
    return Mask.from_array(coco.annToMask(record)) if record["segmentation"] else None


def _memory_rows(dataset: Any, folder: Path) -> Iterator[Row]:
    peaks = {
        name: peak_bytes(_MEMORY, dataset.name, name, str(folder))
        for name in ("none", "ours", "fiftyone_polygons", "fiftyone_run_lengths")
    }
    extra = {name: (peaks[name] - peaks["none"]) / 1e6 for name in list(peaks)[1:]}
    for name in ("fiftyone_polygons", "fiftyone_run_lengths"):
        yield Row(
            what=f"memory of {_name(name)} / of our COCO export",
            ratio=extra[name] / extra["ours"],
            note=f"beyond the {peaks['none'] / 1e6:.0f} MB of FiftyOne itself: "
            f"{extra[name]:.0f} MB, ours {extra['ours']:.0f} MB",
        )


def _import_rows(fo: Any, dataset: Any, folder: Path, found: Found) -> Iterator[Row]:
    from operators.work.coco_import import import_masks

    path, fields = ours(fo, dataset, folder), (f"imported_{n}" for n in itertools.count())
    results: dict[str, tuple[Any, str]] = {}

    def own() -> None:
        field = next(fields)
        import_masks(dataset, path, new_run(dataset, folder), label_field=field)
        results["ours"] = dataset, field

    def theirs() -> None:
        made = fo.Dataset.from_dir(
            dataset_type=fo.types.COCODetectionDataset,
            data_path=str(folder / "images"),
            labels_path=str(path),
            label_types=["segmentations"],
            label_field="imported",
            progress=False,
        )
        results["FiftyOne's"] = made, "imported"

    ratio = ratio_of(own, theirs, REPEATS)
    exact = {name: exact_in_fiftyone(*result, found) for name, result in results.items()}
    yield Row(
        what="COCO import / FiftyOne's, of the file that we exported",
        ratio=ratio,
        note="FiftyOne's makes samples, ours finds them; exact: "
        + ", ".join(f"{name} {count:,}" for name, count in exact.items()),
    )


def exact_in_fiftyone(dataset: Any, field: str, found: Found) -> int:
    """How many masks are in the database as they were."""
    from operators.dataset.reading import read_labels

    exact = 0
    for sample in read_labels(dataset, [field]):
        truths = found[int(Path(sample.filepath).stem)]
        pairs = zip(sample.labeled.annotations, truths, strict=True)
        exact += sum(annotation.mask == truth.mask for annotation, truth in pairs)
    return exact
