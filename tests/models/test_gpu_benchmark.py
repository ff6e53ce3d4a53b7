"""The script for a GPU runs where there is none, with small networks."""

from __future__ import annotations

import re

import pytest

from benchmarks import gpu, steps
from benchmarks.gpu_networks import millions_of_parameters


def test_the_script_measures_every_model_and_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "SIZES", {"tiny": (320, 200)})
    monkeypatch.setattr(steps, "REPEATS", 1)
    gpu.main(["--tiny", "--device", "cpu"])
    out = capsys.readouterr().out
    for name in ("SAM 2.1 large", "SAM 3", "RF-DETR seg", "BiRefNet"):
        for batch in gpu.TINY.batches:
            row = re.search(rf"([\d.]+) .*{name}, batches of {batch}: .*, ([\d.]+) ms", out)
            assert row is not None, out
            assert float(row[1]) > 0
            assert float(row[2]) > 0
    for count in gpu.TINY.clip.objects:
        assert re.search(rf"clip, {count} objects: .*[\d.]+ / [\d.]+ frames/s", out), out
    assert "warm clicks a second" in out
    assert "seconds of everything" in out
    for step in ("read", "decode", "send", "prepare", "masks", "write"):
        assert re.search(rf"host milliseconds of .*{step} [\d.]+", out), out


def test_the_real_sizes_are_those_of_the_released_models() -> None:
    """Parameters in millions, without a byte of memory for them."""
    sizes = millions_of_parameters()
    # 224 as published, with the memory that only videos need.
    assert sizes["sam2"] == pytest.approx(217, rel=0.01)
    assert sizes["sam3"] == pytest.approx(840, rel=0.05)
    assert sizes["detr"] > 25
    assert sizes["birefnet"] == pytest.approx(221, rel=0.02)
