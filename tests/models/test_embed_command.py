"""`premask embed` looks at images once: neither the next run nor the next click looks again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.cli import main
from premask.models.parts.promptable import PromptableSegmenter
from tests.tiny_models import sam2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sam2")
    sam2.build(folder)
    return f"sam2:{folder}"


@pytest.fixture
def photos(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        PIL.Image.fromarray(astronaut[index * 50 :]).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that the network looked at."""
    seen: list[str] = []
    embed = PromptableSegmenter.embed

    def noted(self: PromptableSegmenter, images: list[object]) -> object:
        seen.extend(Path(getattr(image, "name", "")).name for image in images)
        return embed(self, images)  # type: ignore[arg-type]

    monkeypatch.setattr(PromptableSegmenter, "embed", noted)
    return seen


def embed(photos: Path, model: str, store: Path) -> int:
    return main(["embed", str(photos), "--model", model, "--embeddings", str(store)])


def test_it_looks_once_and_names_what_it_can_not_read(
    photos: Path,
    model: str,
    looks: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert embed(photos, model, tmp_path / "store") == 1
    assert sorted(looks) == ["0.png", "1.png", "2.png"]
    assert "3 images embedded, 0 were already, 1 failed" in capsys.readouterr().out
    assert embed(photos, model, tmp_path / "store") == 1
    assert len(looks) == 3
    assert "0 images embedded, 3 were already, 1 failed" in capsys.readouterr().out


def test_a_run_uses_what_is_there_and_gives_the_same_masks(
    photos: Path, model: str, looks: list[str], tmp_path: Path
) -> None:
    (photos / "broken.png").unlink()
    command = ["annotate", str(photos), "--recipe", "click", "--boxes", "100,60,300,300"]
    command += ["--set", f"outline.model={model}"]
    assert main([*command, "--out", str(tmp_path / "plain")]) == 0
    assert embed(photos, model, tmp_path / "store") == 0
    looks.clear()
    stored = ["--embeddings", str(tmp_path / "store"), "--out", str(tmp_path / "stored")]
    assert main([*command, *stored]) == 0
    assert looks == []
    results = [(tmp_path / name / "coco.json").read_bytes() for name in ("plain", "stored")]
    assert results[0] == results[1]


def test_an_image_that_breaks_the_model_fails_alone(
    photos: Path,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_embed = PromptableSegmenter.embed

    def embed_all_but_one(self: PromptableSegmenter, images: list[object]) -> object:
        if any(getattr(image, "name", "") == "1.png" for image in images):
            raise RuntimeError("a kernel was not found")
        return real_embed(self, images)  # type: ignore[arg-type]

    monkeypatch.setattr(PromptableSegmenter, "embed", embed_all_but_one)
    (photos / "broken.png").unlink()
    assert embed(photos, model, tmp_path / "store") == 1
    printed = capsys.readouterr().out
    assert "2 images embedded, 0 were already, 1 failed" in printed
    assert "failed: 1.png: " in printed
    assert "a kernel was not found" in printed


def test_a_model_that_keeps_nothing_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(photos, "grabcut", tmp_path / "store") == 2
    assert "keeps nothing of an image" in capsys.readouterr().err
