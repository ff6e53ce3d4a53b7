"""corrections: what people made of predictions becomes a set that trainers read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.__main__ import main
from premask.datasets.reading import read
from premask.labels.coco import read_coco
from tests.ml_backend.fake_label_studio import KEY, FakeLabelStudio
from tests.ml_backend.local_server import LocalServer
from tests.ml_backend.test_pull import annotation, photo, regions

Json = dict[str, Any]

TWO_LABELS = """<View><Image name="img" value="$image"/><BrushLabels name="brush" toName="img">
<Label value="unused"/><Label value="face"/></BrushLabels></View>"""


class Corrector:
    """Runs the command with its flags, and reads what it wrote."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __call__(self, *flags: str, code: int = 0) -> None:
        folder = str(self.out)
        assert main(["corrections", "--project", "1", "--out", folder, *flags]) == code

    @property
    def origins(self) -> dict[int, Json]:
        """The lines of the provenance, by task."""
        lines = (self.out / "provenance.jsonl").read_text().splitlines()
        return {line["task"]: line for line in map(json.loads, lines)}

    @property
    def files(self) -> list[str]:
        return sorted(
            path.relative_to(self.out).as_posix() for path in self.out.rglob("*") if path.is_file()
        )


@pytest.fixture
def corrected(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corrector:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
    monkeypatch.setenv("PREMASK_CACHE_MEGABYTES", "0")
    return Corrector(tmp_path / "set")


def add_corrected(fake: FakeLabelStudio, name: str) -> int:
    """A task of which a person kept one object as it was proposed, and redrew or deleted others."""
    task = fake.add_upload(name, photo())
    kept, moved, gone = regions(annotation("ring"), annotation("parts"), annotation("full"))
    proposal = fake.predict(task, [kept, moved, gone], "premask-mine-0123456789ab")
    redrawn = {**moved, "value": gone["value"], "origin": "prediction-changed"}
    drawn = [{**kept, "origin": "prediction"}, redrawn]
    fake.annotate(task, drawn, parent_prediction=proposal, completed_by=7)
    return task


def test_a_set_for_yolo_with_where_it_is_from(
    fake: FakeLabelStudio, corrected: Corrector, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.config = TWO_LABELS
    tasks = [add_corrected(fake, f"{number}.png") for number in range(5)]
    ignored = fake.add_upload("ignored.png", photo())
    fake.predict(ignored, regions(annotation("full")), "premask-mine-0123456789ab")
    corrected("--format", "yolo")
    labeled = list(read(corrected.out))
    assert {len(one.annotations) for one in labeled} == {2}
    assert set(corrected.origins) == set(tasks)
    assert '0: "unused"\n  1: "face"' in (corrected.out / "data.yaml").read_text()
    origin = corrected.origins[tasks[0]]
    assert (corrected.out / origin["image"]).read_bytes() == photo()
    assert origin["made_of_it"] == {"face": {"accepted": 1, "corrected": 1, "deleted": 1}}
    assert (origin["annotator"], origin["recipe"]) == (7, "mine")
    assert origin["model_version"] == "premask-mine-0123456789ab"
    assert [one["part"] for one in corrected.origins.values()].count("val") == 1
    assert "5 images, 5 of them new" in capsys.readouterr().out


def test_a_second_run_adds_what_is_new_and_moves_nothing(
    fake: FakeLabelStudio, corrected: Corrector, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [add_corrected(fake, "same-name.png") for _ in range(5)]
    corrected()
    before, files = corrected.origins, corrected.files
    corrected()
    assert (corrected.origins, corrected.files) == (before, files)
    assert "5 images, 0 of them new" in capsys.readouterr().out
    fake.tasks.pop(first[0])
    more = [add_corrected(fake, "same-name.png") for _ in range(5)]
    corrected()
    after = corrected.origins
    assert set(after) == {*first[1:], *more}
    assert all(after[task] == before[task] for task in first[1:])
    assert [one["part"] for one in after.values()].count("val") == 2
    images = [image.name for part in ("train", "val") for image in _images(corrected.out / part)]
    assert len(images) == len(set(images)) == 9


def _images(stem: Path) -> list[Any]:
    return [one.image for one in read_coco(stem.with_suffix(".json"))]


def test_what_fails_is_told_and_keeps_its_part(
    fake: FakeLabelStudio, corrected: Corrector, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [add_corrected(fake, f"{number}.png") for number in range(4)]
    corrected()
    lost = next(task for task in tasks if corrected.origins[task]["part"] == "val")
    image = fake.files.pop(fake.tasks[lost]["data"]["image"])
    corrected(code=1)
    assert "404" in corrected.origins[lost]["error"]
    assert f"failed: task-{lost}/" in capsys.readouterr().out
    assert not any(f"task-{lost}/" in file for file in corrected.files)
    fake.files[fake.tasks[lost]["data"]["image"]] = image
    corrected()
    assert corrected.origins[lost]["part"] == "val"
    assert "error" not in corrected.origins[lost]


def test_nothing_to_learn_from_leaves_an_earlier_set_alone(
    fake: FakeLabelStudio, corrected: Corrector, capsys: pytest.CaptureFixture[str]
) -> None:
    task = add_corrected(fake, "a.png")
    corrected()
    files = corrected.files
    fake.tasks[task]["annotations"].clear()
    corrected(code=2)
    assert "Nobody has submitted an annotation in project 1" in capsys.readouterr().err
    assert corrected.files == files
    corrected("--all")
    assert corrected.origins[task]["prediction"] == fake.tasks[task]["predictions"][0]["id"]


def test_a_run_that_was_cut_off_is_no_hindrance(
    fake: FakeLabelStudio, corrected: Corrector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from premask.datasets import manifest

    tasks = [add_corrected(fake, f"{number}.png") for number in range(3)]
    taken = iter([True, True])

    def until_power_fails(part: Path, path: Path) -> None:
        assert next(taken, False), "the power fails"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "take_place", until_power_fails)
        with pytest.raises(AssertionError, match="power"):
            corrected()
    corrected()
    assert set(corrected.origins) == set(tasks)
    assert all((corrected.out / one["image"]).is_file() for one in corrected.origins.values())


def test_labels_that_somebody_edited_in_the_set_are_not_lost(
    fake: FakeLabelStudio, corrected: Corrector, capsys: pytest.CaptureFixture[str]
) -> None:
    add_corrected(fake, "a.png")
    corrected("--format", "yolo")
    (text,) = corrected.out.glob("train/labels/**/*.txt")
    text.write_text("0 0.5 0.5 0.1 0.1\n")
    corrected("--format", "yolo", code=2)
    assert "was changed after premask wrote it" in capsys.readouterr().err
    assert text.read_text() == "0 0.5 0.5 0.1 0.1\n"
