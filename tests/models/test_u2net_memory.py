"""What U2-Net's session holds between images does not grow with the second one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from premask.images import read_image
from premask.models.families.u2net import U2netMatter
from premask.models.options import NoOptions

def megabytes():
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096 // 2**20

matter = U2netMatter(weights=Path(sys.argv[1]), device="cpu")
image = read_image(np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8))
matter.matte([image], [None], NoOptions())
before = megabytes()
for _ in range(2):
    matter.matte([image], [None], NoOptions())
print(megabytes() - before)
"""


def test_the_second_image_takes_no_more_memory_than_the_first(u2netp_weights: Path) -> None:
    if not Path("/proc/self/statm").exists():  # only Linux tells in this way
        return
    command = [sys.executable, "-c", SCRIPT, str(u2netp_weights)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(finished.stdout) < 80
