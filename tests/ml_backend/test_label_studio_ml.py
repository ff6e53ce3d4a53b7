"""The same answers through label-studio-ml 2.x, which must be installed from its sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ml_backend.predict.predictors import Predictors
from ml_backend.settings import read_settings
from tests.ml_backend.label_studio_calls import (
    Json,
    MemoryFetcher,
    clicked,
    covers_disk,
    keypoint,
    payload,
    predict_call,
    saved_by_label_studio,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, with pydantic 2


@pytest.fixture
def client(tmp_path: Path, fetcher: MemoryFetcher, monkeypatch: pytest.MonkeyPatch) -> Any:
    """label-studio-ml's own server, with an image fetcher of ours."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    pytest.importorskip("label_studio_ml", reason="label-studio-ml is not on the package index")
    from label_studio_ml.api import init_app

    from ml_backend import model

    flags = {"recipe": "faces", "embedding_megabytes": 0}
    predictors = Predictors.from_settings(read_settings(environment={}, flags=flags), fetcher)
    monkeypatch.setattr(model, "shared_predictors", lambda: predictors)
    return init_app(model.PremaskModel).test_client()


def results(client: Any, call: Json) -> list[Any]:
    response = client.post("/predict", json=call)
    assert response.status_code == 200, response.text
    items: list[Any] = response.json["results"]
    return items


def test_setup_names_the_version(client: Any) -> None:
    told = client.post("/setup", json={**payload("setup"), "extra_params": None})
    assert told.json["model_version"].startswith("premask-faces-")


def test_a_failed_task_is_asked_for_again_and_an_empty_one_is_not(client: Any) -> None:
    items = results(client, predict_call("/a.png", "/gone.png"))
    saved = saved_by_label_studio(2, items)
    assert [[prediction["result"] for prediction in predictions] for predictions in saved] == [
        [[]],
        [],
    ]
    assert "no such file" in items[1]["error"]


def test_a_click_gets_the_mask_under_it(client: Any) -> None:
    (item,) = results(client, predict_call("/b.png", context=clicked(keypoint(60, 40))))
    assert covers_disk(item["result"][0], 60, 40)
