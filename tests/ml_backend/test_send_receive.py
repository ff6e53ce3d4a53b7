"""send and receive: labels go to a project as themselves, and come back as people made them."""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from ml_backend.commands import receive, send
from ml_backend.project.sent_tasks import VERSION
from premask.annotations import Annotation
from premask.errors import PremaskError, UnreadableImage, UnusableLabelConfig
from premask.exchange.records import (
    ReturnedLabel,
    ReturnedSample,
    SentLabel,
    SentSample,
    read_returned,
    write_sent,
)
from premask.labels.label_studio import TagNames, objects_from_regions, regions_from_annotation
from premask.masks import Mask
from tests.golden.dataset import adversarial_masks
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import Asked, LocalServer

Json = dict[str, Any]

SIZE = (13, 17)
WHEN = {"updated_at": "2026-11-28T20:00:00Z"}


def shape(name: str) -> Annotation:
    mask = Mask.from_array(adversarial_masks(*SIZE)[name])
    return Annotation(label=name, box_xyxy=mask.box_xyxy, mask=mask, score=0.5)


BOX = Annotation(label="box", box_xyxy=(1 / 3, 2.0, 9.5, 7.1))


def sample(number: int, folder: Path, *shown: Annotation, **attributes: Any) -> SentSample:
    path = folder / f"{number}.png"
    PIL.Image.new("RGB", SIZE[::-1]).save(path)
    labels = tuple(
        SentLabel(id=f"{number}{n:023}", seal=f"s{n}.t", annotation=one, attributes=attributes)
        for n, one in enumerate(shown)
    )
    return SentSample(sample=f"{number:024}", path=str(path), size_hw=SIZE, labels=labels)


class Way:
    """Both commands with their flags, and the file between."""

    def __init__(self, server: LocalServer, folder: Path) -> None:
        self.settings, self.folder = settings_for(server.url), folder
        self.sent, self.returned = folder / "sent.jsonl", folder / "returned.jsonl"

    def send(self, *samples: SentSample, flags: tuple[object, ...] = (), code: int = 0) -> None:
        if samples:
            write_sent(self.sent, "photos", "proposals", samples)
        assert self._run(send, self.sent, *flags) == code

    def receive(self, *flags: str, code: int = 0) -> list[ReturnedSample]:
        assert self._run(receive, self.returned, *flags) == code
        return list(read_returned(self.returned))

    def _run(self, command: Any, *words: object) -> int:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        options = parser.parse_args([str(word) for word in (*words, "--project", 1)])
        return int(command.run(options, self.settings))


@pytest.fixture
def fake() -> FakeLabelStudio:
    return FakeLabelStudio(config="<View></View>")


@pytest.fixture
def way(server: LocalServer, tmp_path: Path) -> Way:
    return Way(server, tmp_path)


def proposals(fake: FakeLabelStudio) -> list[list[Json]]:
    """What each task was given, as a person's copy."""
    return [
        copy.deepcopy(prediction["result"])
        for task in fake.tasks.values()
        for prediction in task["predictions"]
    ]


def by_label(said: ReturnedSample) -> dict[str, ReturnedLabel]:
    return {label.id: label for label in said.labels}


def shown(label: ReturnedLabel) -> tuple[str, Mask | None]:
    assert label.annotation is not None
    return label.annotation.label, label.annotation.mask


def test_labels_are_sent_to_the_last_bit_into_a_project_made_for_them(
    fake: FakeLabelStudio, way: Way, tmp_path: Path
) -> None:
    shown = [*map(shape, adversarial_masks(*SIZE)), BOX]
    way.send(sample(1, tmp_path, *shown), sample(2, tmp_path))
    full, empty = proposals(fake)
    assert empty == []
    read = {one.known_as["object"]: one.annotation for one in objects_from_regions(full)}
    # Of a mask without a pixel there is nothing to see.
    visible = [(n, one) for n, one in enumerate(shown) if one.mask is None or one.mask.area]
    assert list(read) == [f"1{n:023}" for n, _ in visible]
    for n, one in visible:
        again = read[f"1{n:023}"]
        assert (again.label, again.mask, again.score) == (one.label, one.mask, one.score)
        assert again.box_xyxy == pytest.approx(one.box_xyxy)
    first, second = fake.tasks.values()
    assert first["data"]["fiftyone_sample"] == f"{1:024}"
    assert fake.files[first["data"]["image"]] == (tmp_path / "1.png").read_bytes()
    assert second["predictions"][0]["model_version"] == VERSION


def test_sent_again_nothing_is_done_twice(
    fake: FakeLabelStudio, way: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = [sample(number, tmp_path, BOX) for number in (1, 2, 3)]
    way.send(*samples[:2])
    way.send(*samples)
    assert "1 tasks made, 1 proposals written, 2 kept" in capsys.readouterr().out
    assert [len(task["predictions"]) for task in fake.tasks.values()] == [1, 1, 1]


def test_an_answer_that_is_lost_makes_no_doubles(
    fake: FakeLabelStudio, way: Way, server: LocalServer, tmp_path: Path
) -> None:
    """Tasks were made, and nobody heard of it; the next time, the same of proposals."""
    import_tasks = server.routes["/api/projects/1/import"]
    import_predictions = server.routes["/api/projects/1/import/predictions"]

    def tasks_in_silence(asked: Asked) -> None:
        if "commit" in asked.path:
            import_tasks(asked)
        else:
            fake._import_tasks(asked)

    def predictions_in_silence(asked: Asked) -> None:
        fake._import(asked)

    server.routes["/api/projects/1/import"] = tasks_in_silence
    with pytest.raises(PremaskError, match="Run it again"):
        way.send(sample(1, tmp_path, BOX), sample(2, tmp_path, BOX))
    assert fake.versions() == {number: [] for number in fake.tasks}
    server.routes["/api/projects/1/import/predictions"] = predictions_in_silence
    way.send(code=1)
    server.routes["/api/projects/1/import/predictions"] = import_predictions
    way.send()
    assert list(fake.versions().values()) == [[VERSION], [VERSION]]


def test_a_config_that_cannot_show_all_is_told_all_that_it_lacks(
    fake: FakeLabelStudio, way: Way, tmp_path: Path
) -> None:
    fake.config = """<View><Image name="img" value="$image"/>
    <BrushLabels name="brush" toName="img"><Label value="Ring"/></BrushLabels></View>"""
    with pytest.raises(UnusableLabelConfig) as raised:
        way.send(sample(1, tmp_path, shape("ring"), shape("noise"), BOX))
    assert "<BrushLabels> has no label 'noise' (1) for masks" in str(raised.value)
    assert "no <RectangleLabels> for 1 boxes" in str(raised.value)
    assert not fake.tasks


def test_images_that_label_studio_serves_itself_are_not_uploaded(
    fake: FakeLabelStudio, way: Way, server: LocalServer, tmp_path: Path
) -> None:
    root = ("--local-files", tmp_path)
    with pytest.raises(UnreadableImage, match="does not serve it"):
        way.send(sample(1, tmp_path, BOX), flags=root)
    assert not fake.tasks
    fake.files["/data/local-files/"] = (tmp_path / "1.png").read_bytes()
    way.send(flags=root)
    (task,) = fake.tasks.values()
    assert task["data"]["image"] == "/data/local-files/?d=1.png"
    way.send(sample(2, tmp_path, BOX), flags=("--cloud", f"{tmp_path}=s3://bucket/photos"))
    assert fake.tasks[max(fake.tasks)]["data"]["image"] == "s3://bucket/photos/2.png"
    way.send(sample(3, tmp_path, BOX), flags=("--local-files", tmp_path / "other"), code=1)


def test_each_correction_comes_back_as_the_label_that_it_is_of(
    fake: FakeLabelStudio, way: Way, tmp_path: Path
) -> None:
    names = ("ring", "parts", "noise", "full", "one row")
    way.send(sample(1, tmp_path, *map(shape, names), BOX))
    (result,) = proposals(fake)
    ring, parts, noise, full, _, box = result
    ring["value"]["imageDataURL"] = noise["value"]["imageDataURL"]
    parts["value"]["bitmasklabels"] = ["full"]
    box["value"]["x"] += 1e-13
    copied = {**copy.deepcopy(noise), "id": "copied"}
    drawn = {**copy.deepcopy(noise), "id": "drawn", "meta": {"text": ["a note"]}}
    fake.annotate(next(iter(fake.tasks)), [copied, ring, parts, noise, box, full, drawn], **WHEN)
    (said,) = way.receive()
    assert (said.sample, said.field, said.annotator) == (f"{1:024}", "proposals", "ada@example.com")
    labels = by_label(said)
    ids = [f"1{n:023}" for n in range(6)]
    first, second, third, fourth, fifth, last = map(labels.__getitem__, ids)
    assert shown(first) == ("ring", shape("noise").mask)
    assert shown(second) == ("full", shape("parts").mask)
    assert [one.said == one.sent for one in (first, second, third, fourth, last)] == [
        *(False, False),
        *(True, True, True),
    ]
    assert (fifth.said, fifth.annotation) == ("", None)
    new = [label for label in said.labels if label.is_new]
    assert len(new) == 2
    assert {one.annotation.mask for one in new if one.annotation} == {shape("noise").mask}
    assert way.receive() == [said]


def test_who_began_with_an_empty_image_has_deleted_nothing(
    fake: FakeLabelStudio, way: Way, tmp_path: Path
) -> None:
    way.send(sample(1, tmp_path, shape("ring")))
    (drawn,) = regions_from_annotation(
        shape("ring"), SIZE, controls=["BitmaskLabels"], names=TagNames()
    )
    (task,) = fake.tasks
    fake.annotate(task, [drawn], **WHEN)
    (said,) = way.receive()
    assert [label.is_new for label in said.labels] == [True]
    (prediction,) = fake.tasks[task]["predictions"]
    fake.tasks[task]["annotations"][0]["parent_prediction"] = prediction["id"]
    (said,) = way.receive()
    assert [(label.is_new, label.said == "") for label in said.labels] == [
        (True, False),
        (False, True),
    ]


def test_of_several_annotations_the_marked_one_counts_or_else_the_last(
    fake: FakeLabelStudio, way: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    way.send(sample(1, tmp_path, BOX))
    (task,) = fake.tasks
    (result,) = proposals(fake)
    for hour, person in ((9, 1), (11, 2), (10, 3)):
        when = f"2026-11-28T{hour:02}:00:00Z"
        fake.annotate(task, result, updated_at=when, completed_by=person)
    fake.annotate(task, [], was_cancelled=True, updated_at="2026-11-28T23:00:00Z")
    assert way.receive()[0].annotator == "annotator 2"
    assert "annotated more than once: 1 tasks" in capsys.readouterr().out
    assert way.receive("--annotator", "ground-truth") == []
    fake.tasks[task]["annotations"][0]["ground_truth"] = True
    assert way.receive()[0].annotator == "ada@example.com"


def test_attributes_go_along_and_come_back(fake: FakeLabelStudio, way: Way, tmp_path: Path) -> None:
    way.send(
        sample(1, tmp_path, BOX, occluded=True, color="red", weight=2.5),
        sample(2, tmp_path, BOX, color="teal"),
    )
    result, _ = proposals(fake)
    first, second = fake.tasks
    for said in result:
        if said["from_name"] == "color":
            assert said["value"] == {"choices": ["red"]}
            said["value"] = {"choices": ["teal"]}
    fake.annotate(first, result, **WHEN)
    fake.annotate(second, proposals(fake)[1], **WHEN)
    (one,), (other,) = (said.labels for said in way.receive())
    assert one.attributes == {"occluded": True, "color": "teal", "weight": 2.5}
    assert one.said != one.sent
    assert other.attributes == {"color": "teal"}
    assert other.said == other.sent


def test_proposals_are_renewed_where_nobody_worked_on_them(
    fake: FakeLabelStudio, way: Way, tmp_path: Path
) -> None:
    way.send(*(sample(number, tmp_path, shape("ring")) for number in (1, 2, 3)))
    touched, changed, _ = fake.tasks
    fake.annotate(touched, proposals(fake)[0], **WHEN)
    newer = [sample(number, tmp_path, replace(shape("noise"), label="ring")) for number in (1, 2)]
    newer = [replace(one, labels=(replace(one.labels[0], seal="new.t"),)) for one in newer]
    before = {number: task["predictions"] for number, task in fake.tasks.items()}
    way.send(*newer, sample(3, tmp_path, shape("ring")))
    assert {number: task["predictions"] for number, task in fake.tasks.items()} == before
    way.send(flags=("--renew",))
    assert [n for n, task in fake.tasks.items() if task["predictions"] != before[n]] == [changed]
    (prediction,) = fake.tasks[changed]["predictions"]
    (shown,) = objects_from_regions(prediction["result"])
    assert shown.annotation.mask == shape("noise").mask


def test_tasks_of_others_are_left_alone(
    fake: FakeLabelStudio, way: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = '<RectangleLabels name="box" toName="image"><Label value="box"/></RectangleLabels>'
    fake.config = f'<View><Image name="image" value="$image"/>{label}</View>'
    other = fake.add_upload("other.png", b"")
    fake.annotate(other, [], **WHEN)
    way.send(sample(1, tmp_path, BOX))
    assert fake.tasks[other]["predictions"] == []
    assert way.receive() == []
    assert "not from FiftyOne: 1 tasks" in capsys.readouterr().out


def test_a_refused_upload_says_why_and_makes_no_task(
    fake: FakeLabelStudio, way: Way, server: LocalServer, tmp_path: Path
) -> None:
    def full(asked: Asked) -> None:
        asked.answer(b'{"detail": "too large"}', 413)

    server.routes["/api/projects/1/import"] = full
    way.send(sample(1, tmp_path, BOX), code=1)
    assert not fake.tasks
