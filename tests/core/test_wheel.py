"""The wheel, away from the checkout: all three faces are in it, and FiftyOne finds its plugin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import premask

CHECKOUT = Path(__file__).parents[2]
SOURCES = (
    *("plugin", "operators", "ml_backend", "fiftyone.yml"),
    *("pyproject.toml", "setup.py", "README.md", "LICENSE"),
)

LISTED = """
import fiftyone.operators as foo, fiftyone.plugins as fop
print(foo.get_operator("@premask/premask/label_samples"), [p.name for p in fop.list_plugins()])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs, and nothing else of premask."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # Built from a copy, as building leaves a folder behind.
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, source / name)
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def run(site: Path, cwd: Path, *command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONWARNINGS": "ignore", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_finds_its_own_files(site: Path, tmp_path: Path) -> None:
    where = "import premask; print(premask.__file__); print(len(premask.built_in_recipes()))"
    file, recipes = run(site, tmp_path, "-c", where).split()
    assert Path(file).is_relative_to(site)
    assert int(recipes) == len(premask.built_in_recipes())
    assert "grabcut" in run(site, tmp_path, "-m", "premask", "models")


def test_the_label_studio_face_starts_from_anywhere(site: Path, tmp_path: Path) -> None:
    assert "--recipe" in run(site, tmp_path, "-m", "ml_backend", "serve", "--help")


def test_fiftyone_finds_the_plugin(site: Path, tmp_path: Path, fiftyone_folder: Path) -> None:
    plugins = tmp_path / "plugins"
    told = run(site, tmp_path, "-m", "premask", "fiftyone", FIFTYONE_PLUGINS_DIR=str(plugins))
    assert str(plugins / "premask-plugin") in told
    again = run(site, tmp_path, "-m", "premask", "fiftyone", FIFTYONE_PLUGINS_DIR=str(plugins))
    assert "already" in again
    listed = run(site, tmp_path, "-c", LISTED, FIFTYONE_PLUGINS_DIR=str(plugins))
    assert "@premask/premask" in listed
    assert "LabelSamples" in listed


def test_nothing_of_the_repository_comes_along(site: Path) -> None:
    found = {path.name for path in site.iterdir()}
    assert {name for name in found if "dist-info" not in name and name != "bin"} == {
        "premask",
        "ml_backend",
        "premask_fiftyone",
    }
    assert not (site / "premask_fiftyone" / "setup.py").exists()
