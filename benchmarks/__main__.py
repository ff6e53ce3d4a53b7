"""All ratios in one table: `make bench`, or `python -m benchmarks NAME...` for some."""

from __future__ import annotations

import importlib
import sys

from benchmarks.table import print_table

MODULES = (
    "codecs",
    "refine",
    "coco_writer",
    "annotate",
    "plans",
    "steps",
    "clicks",
    "phrases",
    "sam2_recipe",
    "parsers",
    "mattes",
    "tracks",
    "video",
    "fiftyone_write",
    "fiftyone_export",
    "label_studio",
    "evaluation",
    "conversion",
)


def main(names: list[str]) -> None:
    for name in names or MODULES:
        print_table(importlib.import_module(f"benchmarks.{name}").rows())


if __name__ == "__main__":
    main(sys.argv[1:])
