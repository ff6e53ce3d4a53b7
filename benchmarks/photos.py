"""Real photos that ship with scikit-image, as files: for the demo, the tests and the benchmarks."""

from __future__ import annotations

import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path

# All are in the public domain or CC0, see scikit-image's skimage/data/README.txt.
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


def copy_photos(folder: Path) -> list[Path]:
    """Copy the photos into a folder, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in PHOTOS]
    for path in paths:
        if not path.exists():
            with as_file(files("skimage.data") / path.name) as source:
                shutil.copyfile(source, path)
    return paths


if __name__ == "__main__":
    copy_photos(Path(sys.argv[1]))
