"""`premask models verify`: what somebody with the model hub pastes into an issue."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import PIL.Image
import pytest

from premask.cli import main
from premask.models.catalog import checkpoint_of
from premask.models.pool import ModelPool
from premask.models.registry import FAMILIES
from premask.models.verification import DRAWN, drawn_image, verify
from tests.tiny import TinyModels


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


def report_of(name: str) -> tuple[dict[str, str], bool]:
    """The report by its first column, and whether all is well."""
    verification = verify(checkpoint_of(name), ModelPool(device="cpu"), drawn_image(), DRAWN)
    return dict(verification.rows), verification.passed


def test_real_weights_pass(u2netp_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "u2netp", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    digest = hashlib.sha256(u2netp_weights.read_bytes()).hexdigest()
    assert f"4,574,861 bytes, sha256 {digest}" in printed
    assert "every weight fits" in printed
    assert "1 objects" in printed
    assert printed.rstrip().endswith("passed")


def test_the_drawn_disc_is_the_subject(u2netp_weights: Path) -> None:
    report, passed = report_of("u2netp")
    assert passed
    assert "alpha from 0 to 255" in report["matte"]


def test_a_photo_of_ones_own(
    u2netp_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "grey.png"
    PIL.Image.new("RGB", (70, 50), "grey").save(photo)
    assert main(["models", "verify", "u2netp", "--image", str(photo), "--device", "cpu"]) == 0
    assert "70 x 50" in capsys.readouterr().out


def test_a_model_without_weights_is_asked_too() -> None:
    report, passed = report_of("grabcut")
    assert passed
    assert report["weights"] == "none needed"
    assert "of the image from a box" in report["outline"]


@pytest.mark.parametrize("family", ["sam2", "grounding-dino", "segformer", "vitmatte", "yolo"])
def test_tiny_checkpoints_pass_in_every_stage(tiny: TinyModels, family: str) -> None:
    name = tiny.tracking(family) if "track" in FAMILIES[family].stages else tiny[family]
    report, passed = report_of(name)
    assert passed, report
    assert set(checkpoint_of(name).stages) <= set(report)


def test_weights_for_images_pass_and_cannot_follow(tiny: TinyModels) -> None:
    report, passed = report_of(tiny["sam2"])
    assert passed
    assert "those of an image model (sam2), which can't follow" in report["track"]


def test_tensors_and_settings_are_counted(tiny: TinyModels) -> None:
    name = tiny["segformer"]
    folder = Path(name.partition(":")[2])
    config = json.loads((folder / "config.json").read_text())
    verification = verify(checkpoint_of(name), ModelPool(device="cpu"), drawn_image(), DRAWN)
    rows = [text for _, text in verification.rows]
    from safetensors.numpy import load_file

    count = len(load_file(folder / "model.safetensors"))
    assert any(text.startswith(f"{count} tensors (") for text in rows)
    assert any(f"transformers_version {config['transformers_version']}" in text for text in rows)


def test_weights_that_do_not_fit_are_a_line_of_the_report(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from safetensors.numpy import load_file, save_file

    name = TinyModels(tmp_path_factory.mktemp("broken"))["segformer"]
    path = Path(name.partition(":")[2]) / "model.safetensors"
    weights = load_file(path)
    weights.pop(sorted(weights)[len(weights) // 2])
    save_file(weights, path, metadata={"format": "pt"})
    report, passed = report_of(name)
    assert not passed
    assert report["loading"].startswith("MissingWeights: ")
    assert "find" not in report
    assert report["result"] == "FAILED"


def test_a_file_that_is_none_is_said_to_be_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    name = TinyModels(tmp_path_factory.mktemp("empty"))["segformer"]
    (Path(name.partition(":")[2]) / "model.safetensors").write_bytes(b"")
    verification = verify(checkpoint_of(name), ModelPool(device="cpu"), drawn_image(), DRAWN)
    assert ("", "no header of safetensors") in verification.rows
    assert not verification.passed


def test_a_failure_ends_with_another_code(tmp_path_factory: pytest.TempPathFactory) -> None:
    name = TinyModels(tmp_path_factory.mktemp("code"))["segformer"]
    (Path(name.partition(":")[2]) / "model.safetensors").write_bytes(b"x" * 64)
    assert main(["models", "verify", name, "--device", "cpu"]) == 1


def test_without_the_hub_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "sam2.1-tiny"]) == 2
    assert "could not be downloaded" in capsys.readouterr().err
