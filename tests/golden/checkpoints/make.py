"""Write the checkpoints of all versions: `python -m tests.golden.checkpoints.make [NAME...]`.

Each version of transformers is installed beside the others in a folder of its own, without its
dependencies; torch, timm and scipy are those of the environment that runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

PACKAGES: dict[str, tuple[str, ...]] = {
    "4.26": (
        "transformers==4.26.1",
        "tokenizers==0.13.3",
        "huggingface-hub==0.36.0",
        "numpy==1.26.4",
    ),
    "4.40": (
        "transformers==4.40.2",
        "tokenizers==0.19.1",
        "huggingface-hub==0.36.0",
        "numpy==1.26.4",
    ),
    "4.57": ("transformers==4.57.6", "tokenizers==0.22.1", "huggingface-hub==0.36.0"),
    "5.0": ("transformers==5.0.0", "tokenizers==0.22.1", "huggingface-hub==1.3.0"),
    "5.24": ("transformers==5.24.0", "tokenizers==0.23.3", "huggingface-hub==2.4.0"),
}


def make(names: list[str]) -> None:
    """All checkpoints, or those of these names (see CASES in write.py), by all versions."""
    for version, packages in PACKAGES.items():
        with tempfile.TemporaryDirectory() as library:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--target", library, *packages], check=True)
            paths = [library, str(ROOT), str(ROOT / "plugin")]
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "HF_HUB_OFFLINE": "1",
                "OMP_NUM_THREADS": "1",
            }
            write = [sys.executable, "-W", "ignore", "-m", "tests.golden.checkpoints.write"]
            subprocess.run([*write, str(HERE / version), *names], env=environment, check=True)


if __name__ == "__main__":
    make(sys.argv[1:])
