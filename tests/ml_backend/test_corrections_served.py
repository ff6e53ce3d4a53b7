"""The example of docs/label-studio-training.md: corrections, Start Training, new weights served."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_backend.commands.correction_set import set_maker
from ml_backend.predict import takeover
from premask.datasets.reading import read
from premask.labels.label_studio import TagNames, regions_from_annotation
from tests.ml_backend.conftest import Connect
from tests.ml_backend.fake_label_studio import KEY, FakeLabelStudio
from tests.ml_backend.label_studio_calls import MemoryFetcher, payload, predict_call, results
from tests.ml_backend.local_server import LocalServer
from tests.models.test_training_blocks import shapes

DOCS = Path(__file__).parents[2] / "docs" / "label-studio-training.md"
CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="brush" toName="image">
<Label value="square"/><Label value="disk"/></BrushLabels></View>"""
SECONDS = 240


def until(is_so: Callable[[], bool]) -> bool:
    ends = time.monotonic() + SECONDS
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.1)
    return is_so()


@pytest.fixture
def project(fake: FakeLabelStudio, fetcher: MemoryFetcher, tmp_path: Path) -> FakeLabelStudio:
    """A project in which people have submitted squares and disks."""
    shapes(tmp_path, 5)
    fake.config = CONFIG
    for one in read(tmp_path / "labels.json"):
        photo = (tmp_path / "photos" / one.image.name).read_bytes()
        regions = [
            region
            for number, found in enumerate(one.annotations)
            for region in regions_from_annotation(
                found, one.image.size_hw, index=number, names=TagNames(image="image")
            )
        ]
        fake.annotate(fake.add_upload(one.image.name, photo), regions)
    fetcher.files.update(fake.files)
    return fake


def script(folder: Path) -> Path:
    """The page's own script, with few steps on small images, and without a download for them."""
    (block,) = re.findall(r"^```python\n(.*?)^```", DOCS.read_text("utf-8"), re.M | re.S)
    changes = {
        "epochs, size = 50, 640": "epochs, size = 2, 64",
        'name="yolo"\\)': 'name="yolo", workers=0, plots=False, batch=4, warmup_epochs=0, '
        "amp=False, optimizer='AdamW', lr0=0.003)",
    }
    for line, replacement in changes.items():
        assert len(re.findall(line, block)) == 1, line
        block = re.sub(line, replacement, block)
    path = folder / "train_yolo.py"
    path.write_text(block)
    return path


def test_corrections_train_a_yolo_that_is_served_at_once(
    project: FakeLabelStudio,
    server: LocalServer,
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ultralytics")
    from tests.tiny_models import yolo as tiny

    monkeypatch.setattr(takeover, "LOOK_SECONDS", 0.5)
    served = tmp_path / "served.pt"
    tiny.save(tiny.model_of("yolo11-seg"), served)
    words = [f"'{word}'" for word in (sys.executable, script(tmp_path), "{set}", served)]
    client = connect(
        make_set=set_maker,
        recipe="yolo",
        recipe_settings=(f"find.model={served}", "find.threshold=0.0001"),
        train_command=" ".join([*words, "'{out}'"]),
        train_format="yolo",
        label_studio_url=server.url,
        label_studio_api_key=KEY,
        cache_megabytes=0,
    )
    trainer = client.app.state.backend.trainer  # type: ignore[attr-defined]
    call = predict_call(*project.files, config=CONFIG)
    setup = {"project": "1.1", "schema": CONFIG}

    def version() -> str:
        return str(client.post("/setup", json=setup).json()["model_version"])

    before = version()
    # It knows cups, but neither squares nor disks.
    assert {str(item["result"]) for item in results(client, call)} == {"[]"}
    assert client.post("/webhook", json=payload("start_training")).status_code == 200
    assert until(lambda: not trainer.records()[0].is_under_way)
    run = trainer.records()[0]
    assert run.state == "finished", run.log.read_text()[-3000:]
    assert until(lambda: version() != before)
    found = results(client, call)
    assert {item["model_version"] for item in found} == {version()}
    labels = {region["value"]["brushlabels"][0] for item in found for region in item["result"]}
    assert labels
    assert labels <= {"square", "disk"}
    assert "new weights, since" in client.get("/status").text
    best = run.out / "yolo" / "weights" / "best.pt"
    assert served.read_bytes() == best.read_bytes()
