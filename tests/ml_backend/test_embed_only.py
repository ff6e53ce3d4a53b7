"""push --embed-only with a real SAM 2: the first click on an image finds its embedding."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from ml_backend.commands import push
from ml_backend.predict.predictors import Predictors
from ml_backend.project.extra_params import ExtraParams
from ml_backend.project.label_config import parse_label_config
from ml_backend.project.region_prompts import regions_by_image
from ml_backend.studio.protocol import Task
from tests.ml_backend.fake_label_studio import CONFIG, FakeLabelStudio, settings_for
from tests.ml_backend.label_studio_calls import clicked, keypoint
from tests.ml_backend.local_server import LocalServer
from tests.tiny import TinyModels

pytestmark = pytest.mark.usefixtures("own_home")

ROOT = Path(__file__).parents[2]
PHOTOS = 6


def photo(seed: int) -> bytes:
    file = io.BytesIO()
    rgb = np.random.default_rng(seed).integers(0, 255, (64, 96, 3)).astype(np.uint8)
    PIL.Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def fake() -> FakeLabelStudio:
    made = FakeLabelStudio()
    for number in range(PHOTOS):
        made.add_upload(f"{number}.png", photo(number))
    return made


@pytest.fixture
def model(tmp_path: Path) -> str:
    return TinyModels(tmp_path)["sam2"]


def settings(url: str, model: str) -> Any:
    return settings_for(
        url, recipe="click", recipe_settings=(f"outline.model={model}",), device="cpu"
    )


def embed_only(url: str, model: str) -> int:
    parser = argparse.ArgumentParser()
    push.add_arguments(parser)
    options = parser.parse_args(["--project", "1", "--embed-only"])
    return push.run(options, settings(url, model))


def count_looks() -> list[int]:
    """Count the images of each call of the network from now on; the list grows with each call."""
    from premask.models.families.sam2 import Sam2Network

    looks: list[int] = []
    look = Sam2Network.encode

    def counted(network: Sam2Network, pixels: Any) -> Any:
        looks.append(len(pixels))
        return look(network, pixels)

    setattr(Sam2Network, "encode", counted)  # noqa: B010 - mypy lets nobody assign to a method
    return looks


def click_in_this_process(url: str, model: str, *images: str) -> None:
    """Answer a click on each of these images as a new server would; print the looks so far."""
    looks, config = count_looks(), parse_label_config(CONFIG)
    predictor = Predictors.from_settings(settings(url, model)).of(ExtraParams(), config)
    asked = regions_by_image(clicked(keypoint(30, 20, label="face")), config)
    for number, image in enumerate(images):
        predictor.answer_click(Task(id=number, data={"image": image}), asked, config)
        print(sum(looks))


def looks_after_clicks(url: str, model: str, *images: str) -> list[str]:
    """How many images a new process has looked at after each of these clicks."""
    module = f"tests.ml_backend.{Path(__file__).stem}"
    call = f"click_in_this_process(*{(url, model, *images)!r})"
    finished = subprocess.run(
        [sys.executable, "-c", f"from {module} import *; {call}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"plugin{os.pathsep}."},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.split()


def test_the_first_click_of_a_new_process_looks_at_no_image_that_was_embedded(
    fake: FakeLabelStudio, server: LocalServer, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from premask.models.families.sam2 import Sam2Network

    monkeypatch.setattr(Sam2Network, "encode", Sam2Network.encode)
    looks = count_looks()
    assert embed_only(server.url, model) == 0
    assert sum(looks) == PHOTOS
    fake.add_upload("new.png", photo(PHOTOS))
    paths = ["/data/upload/1/0.png", "/data/upload/1/5.png", "/data/upload/1/new.png"]
    assert looks_after_clicks(server.url, model, *paths) == ["0", "0", "1"]


def test_images_are_embedded_several_at_a_time(
    server: LocalServer, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from premask.models.embeddings import EmbeddingCache

    sizes: list[int] = []
    embed = EmbeddingCache.embed

    def counted(
        cache: EmbeddingCache, key: str, model: Any, images: Any, *, must_be_stored: bool
    ) -> Any:
        sizes.append(len(images))
        return embed(cache, key, model, images, must_be_stored=must_be_stored)

    monkeypatch.setattr(EmbeddingCache, "embed", counted)
    assert embed_only(server.url, model) == 0
    assert sum(sizes) == PHOTOS
    assert max(sizes) > 1


def test_a_model_that_breaks_on_images_is_reported_for_each_of_them(
    server: LocalServer,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from premask.models.families.sam2 import Sam2Network

    def broken(network: Any, pixels: Any) -> Any:
        raise RuntimeError("a kernel was not found")

    monkeypatch.setattr(Sam2Network, "encode", broken)
    assert embed_only(server.url, model) == 1
    shown = capsys.readouterr().out
    assert shown.count("a kernel was not found") == PHOTOS
    assert "0 embeddings made" in shown
