"""FiftyOne's labels to people in a real Label Studio and back, bit by bit, and each to its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.labels.fiftyone import detection_from_annotation
from premask.labels.label_studio import TagNames, regions_from_annotation
from premask.masks import Mask
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import EMAIL, TOKEN, LabelStudio
from tests.e2e.programs import until
from tests.golden.dataset import adversarial_masks

Json = dict[str, Any]

FIELD = "proposals"


@pytest.fixture
def premask(label_studio: LabelStudio) -> Callable[..., str]:
    """Run a command as people do; its output. `code` is the exit code that it must have."""

    def run(*arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            command(*arguments), env=environment(label_studio), capture_output=True, text=True
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "premask", *map(str, arguments)]


def environment(label_studio: LabelStudio) -> dict[str, str]:
    own = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": TOKEN}
    return {**os.environ, **own}


def pixels_at(photo_hw: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """An awkward shape somewhere in a photo."""
    whole = np.zeros(photo_hw, np.bool_)
    whole[31:148, 57:210] = adversarial_masks(117, 153)[name]
    return whole


@pytest.fixture
def labeled_dataset(fo: Any, photo_dataset: Any) -> Iterator[Any]:
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
    yield photo_dataset


def stored(dataset: Any) -> dict[str, Json]:
    """What the database has of each label, bit by bit."""
    found = dataset._sample_collection.find({}, {FIELD: 1})
    return {str(label["_id"]): label for sample in found for label in sample[FIELD]["detections"]}


def test_there_and_back(
    label_studio: LabelStudio, labeled_dataset: Any, premask: Callable[..., str]
) -> None:
    project = label_studio.new_project("<View></View>")
    way = ("--dataset", labeled_dataset.name, "--field", FIELD, "--project", project)
    kill_after_first_task(label_studio, project, command("send", *way))
    premask("send", *way)
    before = stored(labeled_dataset)
    tasks = label_studio.tasks(project)
    ids = labeled_dataset.values("id")
    assert sorted(task["data"]["fiftyone_sample"] for task in tasks) == sorted(ids)
    assert [task["total_predictions"] for task in tasks] == [1] * len(ids)
    assert "0 tasks made, 0 proposals written" in premask("send", *way)

    first, second, *_ = (label_studio.task(task["id"]) for task in tasks)
    (prediction,) = first["predictions"]
    regions = {region["meta"]["premask"]["label"]: region for region in shapes(prediction)}
    assert "empty" not in regions
    assert {region["score"] for name, region in regions.items() if name != "box"} == {0.5}
    size_hw = (regions["ring"]["original_height"], regions["ring"]["original_width"])
    moved = Mask.from_array(np.roll(pixels_at(size_hw, "noise"), 5, axis=1))
    result = [region for region in prediction["result"] if region["id"] != regions["ring"]["id"]]
    change(result, regions["parts"]["id"], bitmask(moved, "parts"))
    change(result, regions["box"]["id"], {"rectanglelabels": ["ring"]})
    for said in result:
        if said["id"] == regions["noise"]["id"] and said["from_name"] == "color":
            said["value"] = {"choices": ["red"]}
        if said["id"] == regions["noise"]["id"] and said["from_name"] == "occluded":
            said["value"] = {"choices": ["yes"]}
    drawn = {**regions["parts"], "id": "drawn-here", "value": bitmask(moved, "noise")}
    del drawn["meta"], drawn["score"]
    label_studio.annotate(first["id"], [*result, drawn], parent_prediction=prediction["id"])

    report = premask("receive", "--project", project)
    assert "2 corrected, 1 new, 1 deleted" in report, report
    after = stored(labeled_dataset)
    ids_of = {name: region["meta"]["premask"]["object"] for name, region in regions.items()}
    assert before.keys() - after.keys() == {ids_of["ring"]}
    (new,) = after.keys() - before.keys()
    print(report)


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


def kill_after_first_task(label_studio: LabelStudio, project: int, words: list[str]) -> None:
    """End the command and its halves, without a word, as soon as Label Studio has a task."""
    with subprocess.Popen(
        words, env=environment(label_studio), stdout=subprocess.DEVNULL, start_new_session=True
    ) as sending:
        assert until(lambda: label_studio.tasks(project) or sending.poll() is not None, 120)
        os.killpg(sending.pid, signal.SIGKILL)
