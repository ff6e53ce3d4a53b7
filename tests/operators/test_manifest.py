"""fiftyone.yml is true to the code, and a plugin without its core says how to get it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import premask

CHECKOUT = Path(__file__).parents[2]


class Recorder:
    """What FiftyOne gives to `register`: it keeps everything, listed or not."""

    def __init__(self, manifest: Any) -> None:
        self.plugin_definition = manifest
        self.instances: list[Any] = []

    def register(self, make: Any) -> None:
        self.instances.append(make(_builtin=False))


@pytest.fixture
def manifest(plugin: Any) -> Any:
    """fiftyone.yml as FiftyOne reads it; its operators include the panels."""
    from fiftyone.plugins import get_plugin

    return get_plugin("@premask/premask")


@pytest.fixture
def registered(manifest: Any) -> list[Any]:
    import operators

    recorder = Recorder(manifest)
    operators.register(recorder)
    return recorder.instances


def test_what_registers_is_what_is_listed(manifest: Any, registered: list[Any]) -> None:
    """FiftyOne drops an operator that is not listed, without a word."""
    assert sorted(operator.config.name for operator in registered) == sorted(manifest.operators), (
        "operators/__init__.py and fiftyone.yml must list the same operators and panels."
    )


def test_files_import_each_other_relatively() -> None:
    """FiftyOne loads them under another name, so `operators` is there in a checkout only."""
    absolute = [
        str(file.relative_to(CHECKOUT))
        for file in (CHECKOUT / "operators").rglob("*.py")
        if re.search(r"^\s*(from|import) operators\b", file.read_text(encoding="utf-8"), re.M)
    ]
    assert absolute == []


def test_fiftyone_finds_all_of_it(plugin: Any, manifest: Any) -> None:
    registry = plugin.OperatorRegistry()
    found = {operator.uri for operator in registry.list_operators(builtin=False)}
    assert registry.list_errors() == []
    assert found == {f"{manifest.name}/{name}" for name in manifest.operators}


def test_the_version_is_the_core_s(manifest: Any) -> None:
    assert manifest.version == premask.__version__


def test_icons_are_there(registered: list[Any]) -> None:
    icons = {operator.config.icon for operator in registered}
    assert None not in icons
    icons |= {one.config.light_icon for one in registered if hasattr(one, "own_name")}
    files = [icon for icon in icons if icon.startswith("/")]  # others are names of FiftyOne's own
    assert all((CHECKOUT / icon.lstrip("/")).is_file() for icon in files)


def test_operators_stand_together_in_the_list_of_all(registered: list[Any]) -> None:
    labels = [one.config.label for one in registered if hasattr(one, "own_name")]
    assert labels
    assert [label for label in labels if not label.startswith("premask: ")] == []


def test_registering_loads_no_model_library(plugin: Any) -> None:
    code = """
import sys
import fiftyone.operators as foo
before = set(sys.modules)
assert foo.operator_exists("@premask/premask/label_samples")
heavy = {"torch", "transformers", "ultralytics", "onnxruntime", "cv2"}
print(sorted(heavy & (set(sys.modules) - before)))
"""
    assert _python(code).splitlines()[-1] == "[]"


def test_without_the_core_each_operator_says_how_to_install_it(manifest: Any) -> None:
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "premask":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
import fiftyone as fo, fiftyone.operators as foo
registry = foo.OperatorRegistry()
print(sorted(each.name for each in registry.list_operators(builtin=False)))
try:
    foo.execute_operator("@premask/premask/label_samples", dataset=fo.Dataset())
except Exception as error:
    print(error)
"""
    *_, names, message = _python(code).splitlines()
    assert names == str(sorted(manifest.operators))
    assert f"-m pip install -e '{CHECKOUT}[offline,fiftyone]'" in message


def _python(code: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def test_a_call_without_the_core_says_what_to_install(fo: Any) -> None:
    """As the README calls an operator from Python."""
    stand_in = importlib.import_module("operators.missing_core").stand_ins(
        ["label_samples"], "gone"
    )
    with pytest.raises(RuntimeError, match=r"core is not installed \(gone\). Install it with: "):
        stand_in[0]()("a dataset", recipe="faces")
