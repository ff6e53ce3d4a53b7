"""What U2-Net holds: no more from the second image on, and no doubles of a large one."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import PIL.Image

from premask.models.families.u2net import _resized

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


def test_a_large_alpha_is_rounded_in_strips_and_to_the_same_values() -> None:
    activation = np.random.default_rng(0).random((32, 32), np.float32) * 1.2 - 0.1
    tracemalloc.start()
    try:
        alpha = _resized(activation, (1001, 2000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    enlarged = PIL.Image.fromarray(activation).resize((2000, 1001), PIL.Image.Resampling.BICUBIC)
    assert np.array_equal(alpha, np.rint(np.asarray(enlarged, np.float64).clip(0, 1) * 255))
    # Some 10 MB are floats and bytes of the whole image; its doubles alone would be 16.
    assert peak < 8 * alpha.size * 2
