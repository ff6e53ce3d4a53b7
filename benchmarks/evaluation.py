"""Our evaluation against that of pycocotools: 5,000 images with seven masks each."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.table import Row, ratio_of
from premask.datasets.evaluation import evaluate
from premask.masks import Mask

IMAGES, OBJECTS, CLASSES = 5_000, 7, 20
SIZE_HW = (480, 640)
SHAPES = 200


def rows() -> Iterator[Row]:
    """Everything that `premask evaluate` says, against masks' evaluation in pycocotools alone."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        true, found = _write_labels(Path(folder))
        truth = COCO(str(true))
        results = truth.loadRes(str(found))

        def theirs() -> None:
            evaluation = COCOeval(truth, results, "segm")
            evaluation.evaluate()
            evaluation.accumulate()

        ratio = ratio_of(lambda: evaluate(found, true), theirs, 1)
    yield Row(
        what="premask.evaluate, files read / COCOeval of masks, files read before",
        ratio=ratio,
        goal=1.0,
        note=f"{IMAGES:,} images x {OBJECTS}; ours measures boxes, confusion and images, too",
    )


def _write_labels(folder: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(1)
    shapes = [_ellipse(random) for _ in range(SHAPES)]
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in range(1, IMAGES + 1):
        for _ in range(OBJECTS):
            true, moved = shapes[random.integers(SHAPES)]
            record = {"image_id": image, "category_id": int(random.integers(1, CLASSES + 1))}
            x0, y0, x1, y1 = true.box_xyxy
            box = [x0, y0, x1 - x0, y1 - y0]
            own = {"id": len(truth) + 1, "bbox": box, "area": true.area, "iscrowd": 0}
            truth.append({**record, **own, "segmentation": true.rle})
            score = float(random.random())
            results.append({**record, "segmentation": moved.rle, "score": score})
    height, width = SIZE_HW
    data = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "height": height, "width": width}
            for n in range(1, IMAGES + 1)
        ],
        "annotations": truth,
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, CLASSES + 1)],
    }
    (folder / "true.json").write_text(json.dumps(data))
    (folder / "found.json").write_text(json.dumps(results))
    return folder / "true.json", folder / "found.json"


def _ellipse(random: np.random.Generator) -> tuple[Mask, Mask]:
    """A mask, and the same a few pixels further."""
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    y, x = random.integers(60, 400), random.integers(60, 560)
    high, wide = random.integers(8, 60, 2)
    pixels = ((rows - y) / high) ** 2 + ((columns - x) / wide) ** 2 < 1
    return Mask.from_array(pixels), Mask.from_array(np.roll(pixels, (2, 3), (0, 1)))
