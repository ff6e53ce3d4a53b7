"""What TrackEval reads in the golden clips: `python -m tests.golden.trackeval.make` writes it down.

It wants another OpenCV than premask, so it is installed in an environment of its own, with
`pip install trackeval==1.3.0 opencv-python-headless pycocotools`. What it read, and how well clips
match themselves by its measures, is in read.json, with which our own readers are compared.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

GOLDEN = Path(__file__).parents[1] / "clips"
CLIPS = {"day_1-street": 5}
"""Those of which TrackEval has to know the length: the number of the last frame, and one."""


def youtube_vis(folder: Path) -> tuple[Any, str]:
    from trackeval.datasets import YouTubeVIS

    truth, results = (
        folder / "truth_youtube_vis_a",
        folder / "results_youtube_vis_a" / "own" / "data",
    )
    truth.mkdir()
    results.mkdir(parents=True)
    # As truth it takes lists of run lengths, as in YouTube-VIS's own files; as results, texts.
    shutil.copy(GOLDEN / "ytvis_uncompressed.json", truth)
    tracks = json.loads((GOLDEN / "ytvis.json").read_text())["annotations"]
    (results / "results.json").write_text(json.dumps(tracks))
    places = {"GT_FOLDER": f"{folder}/truth_", "TRACKERS_FOLDER": f"{folder}/results_"}
    return YouTubeVIS({**places, "SPLIT_TO_EVAL": "a", "PRINT_CONFIG": False}), "day 1"


def davis(folder: Path) -> tuple[Any, str]:
    from trackeval.datasets import DAVIS

    shutil.copytree(GOLDEN / "davis" / "Annotations", folder / "davis" / "own" / "data")
    places = {
        "GT_FOLDER": str(GOLDEN / "davis" / "Annotations"),
        "TRACKERS_FOLDER": str(folder / "davis"),
    }
    return DAVIS({**places, "PRINT_CONFIG": False, "MAX_DETECTIONS": 0}), "day_1-street"


def mots(folder: Path) -> tuple[Any, str]:
    from trackeval.datasets import KittiMOTS

    shutil.copytree(GOLDEN / "mots", folder / "mots" / "own" / "data")
    places = {
        "GT_FOLDER": str(GOLDEN / "mots"),
        "GT_LOC_FORMAT": "{gt_folder}/{seq}.txt",
        "TRACKERS_FOLDER": str(folder / "mots"),
        "SEQ_INFO": CLIPS,
    }
    return KittiMOTS({**places, "PRINT_CONFIG": False, "INPUT_AS_ZIP": False}), "day_1-street"


def read(dataset: Any, clip: str) -> dict[str, Any]:
    """The areas of the objects of each frame by their ids, and how well they match themselves."""
    from trackeval.metrics import HOTA

    raw = dataset.get_raw_seq_data("own", clip)
    frames = [
        {str(own): int(coco_mask.area(mask)) for own, mask in zip(ids, masks, strict=True)}
        for ids, masks in zip(raw["gt_ids"], raw["gt_dets"], strict=True)
    ]
    first = dataset.class_list[0]
    matched = HOTA().eval_sequence(dataset.get_preprocessed_seq_data(raw, first))
    return {"frames": frames, "hota": float(matched["HOTA"].mean())}


if __name__ == "__main__":
    seen = {}
    for make in (youtube_vis, davis, mots):
        with tempfile.TemporaryDirectory() as folder:
            seen[make.__name__] = read(*make(Path(folder)))
    Path(__file__).with_name("read.json").write_text(json.dumps(seen, indent=1) + "\n")
