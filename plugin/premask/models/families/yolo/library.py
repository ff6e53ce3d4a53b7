"""Ultralytics, imported so that it writes to no home folder, uses no network and runs no pip."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import PIL.Image
import torch  # before ultralytics, which would set it to one thread

from premask.models.weights.paths import home

_SETTINGS = {
    # Otherwise it looks names up on the internet, and may send statistics.
    "YOLO_OFFLINE": "true",
    # Otherwise it runs pip for packages that are missing.
    "YOLO_AUTOINSTALL": "false",
}

# Ultralytics replaces these functions by its own; its `open` runs pip where an image can't be read.
_REPLACED = ((PIL.Image, "open"), (torch, "save"))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Import under our settings, and undo what the import changes in the rest of the process."""
    environment, threads = dict(os.environ), cv2.getNumThreads()
    quiet_below = logging.root.manager.disable
    originals = [(module, name, getattr(module, name)) for module, name in _REPLACED]
    os.environ.update(_SETTINGS)
    # Otherwise it writes its settings into the user's home folder.
    os.environ.setdefault("YOLO_CONFIG_DIR", str(home() / "ultralytics"))
    logging.disable(logging.INFO)
    try:
        with np.printoptions(), warnings.catch_warnings():
            yield
    finally:
        logging.disable(quiet_below)
        cv2.setNumThreads(threads)
        for module, name, original in originals:
            setattr(module, name, original)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


with _undisturbed():
    from ultralytics.data.augment import LetterBox
    from ultralytics.models.yolo.detect import DetectionPredictor
    from ultralytics.models.yolo.segment import SegmentationPredictor
    from ultralytics.models.yolo.yoloe import YOLOEVPDetectPredictor, YOLOEVPSegPredictor
    from ultralytics.nn import tasks
    from ultralytics.nn.modules import activation, block, conv, head, transformer, utils
    from ultralytics.utils import DEFAULT_CFG_DICT, loss, tal
    from ultralytics.utils.checks import check_imgsz

__all__ = [
    "DEFAULT_CFG_DICT",
    "DetectionPredictor",
    "LetterBox",
    "SegmentationPredictor",
    "YOLOEVPDetectPredictor",
    "YOLOEVPSegPredictor",
    "activation",
    "block",
    "check_imgsz",
    "conv",
    "head",
    "loss",
    "tal",
    "tasks",
    "transformer",
    "utils",
]
