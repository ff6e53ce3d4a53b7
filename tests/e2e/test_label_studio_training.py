"""Label Studio's *Start Training* runs the server's command on what people made of predictions."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path

from benchmarks.photos import copy_photos
from premask.decoding import upright_size
from tests.e2e.label_studio_backend import access_to, running_backend
from tests.e2e.label_studio_server import LabelStudio
from tests.e2e.programs import until
from tests.e2e.test_label_studio_events import CONFIG, REGION, text_of

SOON = 60

# It waits for a file, so that the second press finds it under way.
TRAINING = """
import pathlib, sys, time
folder, go = map(pathlib.Path, sys.argv[1:])
print("trains on", len((folder / "train.json").read_text()), flush=True)
while not go.exists():
    time.sleep(0.1)
print("trained", flush=True)
"""


def test_start_training_trains_on_corrections_and_tells_how_it_goes(
    label_studio: LabelStudio, tmp_path: Path
) -> None:
    script, go = tmp_path / "train.py", tmp_path / "go"
    script.write_text(TRAINING)
    command = f"'{sys.executable}' '{script}' {{set}} '{go}'"
    environment = access_to(label_studio.url, label_studio.personal_token())
    flags = ["--recipe", "click", "--train-command", command]
    with running_backend(tmp_path, environment, *flags) as backend:
        project = label_studio.new_project(CONFIG)
        label_studio.connect(project, backend)
        photo = copy_photos(tmp_path / "photos")[0]
        height, width = upright_size(photo)
        region = {**REGION, "original_width": width, "original_height": height}
        (task,) = label_studio.upload(project, [photo])
        prediction = label_studio.predict(task, [region], "premask-mine-0123456789ab")
        kept = {**region, "origin": "prediction"}
        added = {**region, "id": "r2", "origin": "manual"}
        label_studio.annotate(task, [kept, added], parent_prediction=prediction)

        assert label_studio.start_training(project)["error_message"] is None
        log = f"{backend}/status/training.log"
        assert until(lambda: "trains on" in text_of(log), SOON), text_of(f"{backend}/status")
        text = (
            tmp_path / "events/training" / f"project-{project}/set/provenance.jsonl"
        ).read_text()
        origin = json.loads(text)
        assert origin["made_of_it"] == {"cup": {"accepted": 1, "added": 1}}
        assert (origin["task"], origin["recipe"]) == (task, "mine")
        assert isinstance(origin["annotator"], int)

        label_studio.start_training(project)
        assert re.search(r"under way", text_of(f"{backend}/status"))
        go.touch()
        assert until(lambda: ">finished<" in text_of(f"{backend}/status"), SOON)
        assert "trained" in text_of(log)

        go.unlink()
        label_studio.start_training(project)
        assert until(lambda: text_of(log).count("trains on") == 1, SOON)
        cancel = urllib.request.Request(f"{backend}/status/training/cancel", b"")
        urllib.request.urlopen(cancel).close()
        assert until(lambda: ">cancelled<" in text_of(f"{backend}/status"), SOON)
    token = label_studio.personal_token()
    assert token not in (tmp_path / "backend.log").read_text()
