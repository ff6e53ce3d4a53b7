"""New weights under the path of a model are served without a restart; broken ones are not."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.predict.predictors import Predictors
from ml_backend.project.extra_params import ExtraParams
from ml_backend.project.label_config import parse_label_config
from ml_backend.settings import read_settings
from ml_backend.studio.protocol import Task
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import ONE_LABEL, MemoryFetcher, predict_call, results

if TYPE_CHECKING:
    from starlette.testclient import TestClient

OTHER = b"\x32\x05other"
"""Behind an ONNX file, this is another text of what it is: other bytes, and the same network."""


@pytest.fixture
def weights(tmp_path: Path, u2netp_weights: Path) -> Path:
    path = tmp_path / "tuned.onnx"
    path.write_bytes(u2netp_weights.read_bytes())
    return path


def settings_of(weights: Path) -> dict[str, Any]:
    return {"recipe": "subject", "recipe_settings": (f"matte.model=u2net:{weights}",)}


def version(client: TestClient) -> str:
    setup = {"project": "1.1", "schema": ONE_LABEL}
    return str(client.post("/setup", json=setup).json()["model_version"])


def test_new_weights_are_served_and_broken_ones_are_told(
    connect: Connect, weights: Path, u2netp_weights: Path
) -> None:
    client = connect(**settings_of(weights))
    look = client.app.state.backend.takeover.look  # type: ignore[attr-defined]
    call = predict_call("/a.png", config=ONE_LABEL)
    (first,) = results(client, call)
    whole = u2netp_weights.read_bytes()
    assert (first["model_version"], bool(first["result"])) == (version(client), True)

    weights.write_bytes(whole[: len(whole) // 2])
    look()
    assert "new weights are being written; the old ones serve" in client.get("/status").text
    look()
    page = client.get("/status").text
    assert "the old weights serve" in page
    assert f"new weights of u2net:{weights}" in page
    assert version(client) == first["model_version"]
    assert results(client, predict_call("/b.png", config=ONE_LABEL))[0]["result"]

    weights.write_bytes(whole + OTHER)
    look()
    look()
    assert "new weights, since" in client.get("/status").text
    (second,) = results(client, call)
    assert second["model_version"] == version(client) != first["model_version"]
    weights.unlink()
    look()
    assert "there is nothing at its path any more" in client.get("/status").text
    assert results(client, predict_call("/both.png", config=ONE_LABEL))[0]["result"]


def test_what_is_under_way_ends_with_the_old_weights_and_their_name(
    weights: Path, fetcher: MemoryFetcher
) -> None:
    settings = read_settings(
        environment={}, flags={"embedding_megabytes": 0, **settings_of(weights)}
    )
    predictors, config = Predictors.from_settings(settings, fetcher), parse_label_config(ONE_LABEL)
    name = f"u2net:{weights}"
    model = weakref.ref(predictors.pool.load(name))
    old = predictors.of(ExtraParams(), config)
    before = old.version(config)
    weights.write_bytes(weights.read_bytes() + OTHER)
    predictors.renew(name)
    found = old.label_task(Task(id=1, data={"image": "/a.png"}), config)
    assert found.content["model_version"] == before
    assert old.runs.pool.load(name) is model()
    new = predictors.of(ExtraParams(), config)
    assert new.version(config) != before
    assert new.runs.pool.load(name) is not model()
    del old
    gc.collect()
    assert model() is None
