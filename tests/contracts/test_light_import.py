"""`import premask` is light, and needs none of the packages that only one model needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import premask

SOURCES = Path(premask.__file__).parents[1]
HEAVY = (
    "av",
    "cv2",
    "fiftyone",
    "fsspec",
    "huggingface_hub",
    "hydra",
    "label_studio_sdk",
    "omegaconf",
    "onnxruntime",
    "pyarrow",
    "ray",
    "safetensors",
    "sam2",
    "skimage",
    "timm",
    "torch",
    "torchvision",
    "transformers",
    "ultralytics",
)


@pytest.mark.parametrize("module", ["premask", "premask.cli"])
def test_importing_loads_no_model_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    assert python(code) == ""


def test_it_works_where_none_of_them_is_installed() -> None:
    """An import hook refuses them: recipes can still be read, and forms drawn."""
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
import premask, premask.cli
print(*sorted(premask.built_in_recipes()["faces"].settings())[:1])
try:
    premask.ModelPool().load("grabcut")
except premask.PremaskError as error:
    print(error)
"""
    printed = python(code)
    assert printed.startswith("find.label\n")
    assert "pip install 'premask[offline]'" in printed


def python(code: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=SOURCES
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()
