"""24 images of COCO's val2014 with crowds, and the invented results that COCO's API comes with."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

_SAMPLE = Path(__file__).parents[1] / "golden" / "coco_val2014.zip"


def unpack(folder: Path) -> tuple[Path, Path, Path]:
    """The truth, and found masks and boxes, as files."""
    with zipfile.ZipFile(_SAMPLE) as sample:
        sample.extractall(folder)
    return folder / "true.json", folder / "masks.json", folder / "boxes.json"


def evaluated_by_pycocotools(true: Path, found: Path, kind: str) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(true))
        theirs = COCOeval(truth, truth.loadRes(str(found)), kind)
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    return theirs
