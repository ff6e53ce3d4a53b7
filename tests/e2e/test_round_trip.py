"""FiftyOne's labels to people in a real Label Studio and back, bit by bit, and each to its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask import cli
from premask.annotations import Annotation
from premask.cli import host_halves
from premask.labels.fiftyone import annotation_from_detection, detection_from_annotation
from premask.labels.label_studio import TagNames, regions_from_annotation
from premask.masks import Mask
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import EMAIL, TOKEN, LabelStudio
from tests.e2e.programs import until
from tests.golden.dataset import adversarial_masks

Json = dict[str, Any]

FIELD = "proposals"

SOON = 300
"""Seconds for a command to begin, on a machine that does other things, too."""


@pytest.fixture
def premask(
    label_studio: LabelStudio, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run a command, with both halves in this process, which has imported FiftyOne; its output."""
    for name, value in access(label_studio).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(host_halves, "_run", run_here)

    def run(*arguments: object) -> str:
        code = cli.main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        assert code == 0, printed
        return printed.out

    return run


def run_here(arguments: Sequence[str | Path]) -> int:
    _, module, *words = map(str, arguments)
    return int(importlib.import_module(f"{module}.__main__").main(words))


def access(label_studio: LabelStudio) -> dict[str, str]:
    return {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": TOKEN}


def pixels_at(photo_hw: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """An awkward shape somewhere in a photo."""
    whole = np.zeros(photo_hw, np.bool_)
    whole[31:148, 57:210] = adversarial_masks(117, 153)[name]
    return whole


@pytest.fixture
def labeled_dataset(fo: Any, photo_dataset: Any) -> Any:
    """Photos with labels that say more than a class and a mask."""
    photo_dataset.compute_metadata(progress=False)
    names = ("ring", "parts", "corners touch", "noise", "one row", "first pixel", "empty")
    for number, sample in enumerate(photo_dataset):
        size_hw = (sample.metadata.height, sample.metadata.width)
        labels = []
        for name in names:
            mask = Mask.from_array(pixels_at(size_hw, name))
            shown = Annotation(label=name, box_xyxy=mask.box_xyxy, mask=mask, score=0.5)
            fields = detection_from_annotation(shown, size_hw)
            label = fo.Detection(**fields, occluded=bool(number % 2), color="red", tags=["kept"])
            labels.append(label)
        labels.append(fo.Detection(label="box", bounding_box=[0.1, 0.2, 1 / 3, 0.3], weight=7))
        sample[FIELD] = fo.Detections(detections=labels)
        sample.save()
    return photo_dataset


def stored(dataset: Any) -> dict[str, Json]:
    """What the database has of each label, bit by bit."""
    found = dataset._sample_collection.find({}, {FIELD: 1})
    return {str(label["_id"]): label for sample in found for label in sample[FIELD]["detections"]}


def test_there_and_back(
    label_studio: LabelStudio,
    labeled_dataset: Any,
    premask: Callable[..., str],
    editor: Editor,
    tmp_path: Path,
) -> None:
    project, file = label_studio.new_project("<View></View>"), tmp_path / "labels.jsonl"
    dataset = ("--dataset", labeled_dataset.name, "--field", FIELD)
    premask("send", *dataset, "--file", file)
    kill_after_first_task(label_studio, project, file)
    # As people run it: both halves in processes of their own.
    words = [sys.executable, "-m", "premask", "send", *dataset, "--project", str(project)]
    subprocess.run(words, env={**os.environ, **access(label_studio)}, check=True)
    before, ids = stored(labeled_dataset), labeled_dataset.values("id")
    tasks = label_studio.tasks(project)
    assert sorted(task["data"]["fiftyone_sample"] for task in tasks) == sorted(ids)
    assert [task["total_predictions"] for task in tasks] == [1] * len(ids)

    first, second, *_ = (label_studio.task(task["id"]) for task in tasks)
    moved = correct(label_studio, first)
    delete_in_the_editor(editor, project, second["id"])
    report = premask("receive", "--project", project)
    assert "3 corrected, 1 new, 2 deleted, 9 accepted, 0 unchanged, 0 conflicts" in report, report
    after, known = stored(labeled_dataset), labels_by_class(first)
    gone, (new,) = before.keys() - after.keys(), after.keys() - before.keys()
    assert {before[name]["label"] for name in gone} == {"ring"}
    assert known["ring"] in gone
    for name, label in ((new, "noise"), (known["parts"], "parts")):
        found = shown(labeled_dataset, name)
        assert (found.mask, found.label) == (moved, label)
    assert after[known["box"]]["label"] == "ring"
    assert [after[known[name]]["occluded"] for name in ("noise", "one row")] == [True, False]
    for name in after.keys() & before.keys() - {known["parts"], known["box"], known["noise"]}:
        kept = {key: after[name].get(key) for key in before[name]}
        assert kept == before[name]
    assert after[known["noise"]]["mask"] == before[known["noise"]]["mask"]
    assert {label.get("label_studio_annotator") for label in after.values()} == {None, EMAIL}

    premask("receive", "--project", project)
    assert stored(labeled_dataset) == after


def correct(label_studio: LabelStudio, task: Json) -> Mask:
    """Annotate as a person who deletes the ring, and paints, names, answers and draws anew."""
    (prediction,) = task["predictions"]
    regions = {region["meta"]["premask"]["label"]: region for region in shapes(prediction)}
    assert "empty" not in regions
    assert {region["score"] for name, region in regions.items() if name != "box"} == {0.5}
    size_hw = (regions["ring"]["original_height"], regions["ring"]["original_width"])
    moved = Mask.from_array(np.roll(pixels_at(size_hw, "noise"), 5, axis=1))
    result = [region for region in prediction["result"] if region["id"] != regions["ring"]["id"]]
    change(result, regions["parts"]["id"], bitmask(moved, "parts"))
    change(result, regions["box"]["id"], {"rectanglelabels": ["ring"]})
    for said in result:
        if (said["id"], said["from_name"]) == (regions["noise"]["id"], "occluded"):
            said["value"] = {"choices": ["yes"]}
    drawn = {**regions["parts"], "id": "drawn-here", "value": bitmask(moved, "noise")}
    del drawn["meta"], drawn["score"]
    label_studio.annotate(task["id"], [*result, drawn], parent_prediction=prediction["id"])
    return moved


def delete_in_the_editor(editor: Editor, project: int, task: int) -> None:
    """The page begins an annotation with the proposals; delete the first one, and submit."""
    editor.open_alone(project, task)
    editor.look("20-sent-from-fiftyone")
    editor.delete_region(0)
    editor.submit()
    editor.look("21-back-to-fiftyone")


def labels_by_class(task: Json) -> dict[str, str]:
    """The ids of the labels that a task was sent with."""
    known = [region["meta"]["premask"] for region in shapes(task["predictions"][0])]
    return {said["label"]: said["object"] for said in known}


def shown(dataset: Any, name: str) -> Annotation:
    """A label as it lies in its photo, read from the database."""
    dataset.reload()
    dataset.clear_cache()
    for sample in dataset:
        for label in sample[FIELD].detections:
            if label.id == name:
                fields = {"label": label.label, "bounding_box": label.bounding_box}
                size_hw = (sample.metadata.height, sample.metadata.width)
                return annotation_from_detection({**fields, "mask": label.mask}, size_hw)
    raise AssertionError(name)


def shapes(prediction: Json) -> list[Json]:
    return [region for region in prediction["result"] if "meta" in region]


def bitmask(mask: Mask, label: str) -> Json:
    shown = Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask)
    (region,) = regions_from_annotation(
        shown, mask.size_hw, controls=["BitmaskLabels"], names=TagNames()
    )
    value: Json = region["value"]
    return value


def change(result: list[Json], identity: str, value: Json) -> None:
    for region in result:
        if region["id"] == identity and "meta" in region:
            region["value"] = {**region["value"], **value}


def kill_after_first_task(label_studio: LabelStudio, project: int, file: Path) -> None:
    """End Label Studio's half, without a word, as soon as there is a task."""
    words = [sys.executable, "-m", "ml_backend", "send", str(file), "--project", str(project)]
    with subprocess.Popen(words, env={**os.environ, **access(label_studio)}) as sending:
        assert until(lambda: label_studio.tasks(project), SOON)
        sending.kill()
