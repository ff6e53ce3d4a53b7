"""Patches and selected labels as targets: looked at alone, written into the whole image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import premask
from premask.annotations import Annotation
from premask.images import Image, read_image
from premask.labels.fiftyone import annotation_from_detection
from premask.masks import Mask
from premask.prompts import Hint, Prompts

Operator = Callable[..., Any]
URI = "@premask/premask/"
NAMES = ("label", "bounding_box", "mask", "confidence", "source")

FACE, HELMET, CUP = (80, 20, 145, 115), (150, 95, 250, 230), (60, 40, 200, 180)


class Seer:
    """Stands for a recipe's stages: finds the part of a crop that is bright, and says where."""

    def __init__(self) -> None:
        self.seen: list[Image] = []

    def run_stages(
        self, images: list[Image], prompts: list[Prompts], recipe: Any, pool: Any
    ) -> list[tuple[Annotation, ...]]:
        self.seen += images
        masks = [Mask.from_array(image.rgb[..., 0] > 120) for image in images]
        hints = [asked.objects[0] if asked.objects else Hint(label="bright") for asked in prompts]
        return [
            (Annotation(label=hint.label, box_xyxy=mask.box_xyxy, mask=mask, track=hint.track),)
            for mask, hint in zip(masks, hints, strict=True)
        ]


@pytest.fixture
def seer(monkeypatch: pytest.MonkeyPatch, u2netp_weights: Path) -> Seer:
    seer = Seer()
    monkeypatch.setattr("premask.runs.pipeline.run_stages", seer.run_stages)
    return seer


@pytest.fixture
def boxes(fo: Any, photo_dataset: Any) -> Any:
    """The photos with two boxes in the first one and one in the last one."""
    first, _, last = photo_dataset
    first["things"] = fo.Detections(
        detections=[box(fo, "face", FACE, (256, 256)), box(fo, "helmet", HELMET, (256, 256))]
    )
    last["things"] = fo.Detections(detections=[box(fo, "cup", CUP, (300, 200))])
    first.save()
    last.save()
    return photo_dataset


def box(fo: Any, label: str, corners: tuple[int, ...], size_wh: tuple[int, int]) -> Any:
    width, height = size_wh
    x0, y0, x1, y1 = corners
    relative = [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height]
    return fo.Detection(label=label, bounding_box=relative)


def masks_in(dataset: Any, field: str) -> list[list[Any]]:
    """The masks of each photo, in pixels of the photo."""
    dataset.reload()
    dataset.clear_cache()
    found = []
    for sample in dataset:
        size_hw = read_image(sample.filepath).size_hw
        labels = sample[field].detections if sample[field] else []
        fields = [{n: label[n] for n in NAMES if label.has_field(n)} for label in labels]
        found.append([annotation_from_detection(one, size_hw).mask for one in fields])
    return found


def bright(sample: Any, corners: tuple[int, int, int, int]) -> Mask:
    """The bright pixels of a photo, in this box and nowhere else."""
    rgb = read_image(sample.filepath).rgb
    x0, y0, x1, y1 = corners
    inside = np.zeros(rgb.shape[:2], np.bool_)
    inside[y0:y1, x0:x1] = rgb[y0:y1, x0:x1, 0] > 120
    return Mask.from_array(inside)


def target(dataset: Any, labels: list[Any], field: str = "things") -> dict[str, Any]:
    """What the App sends when these labels are selected."""
    holder = {label.id: sample.id for sample in dataset for label in sample[field].detections or ()}
    selected = [
        {"label_id": label.id, "sample_id": holder[label.id], "field": field} for label in labels
    ]
    return {"dataset": dataset, "selected_labels": selected}


def test_each_patch_is_a_crop_and_what_it_shows_goes_to_the_whole_image(
    boxes: Any, operator: Operator, seer: Seer
) -> None:
    patches = boxes.to_patches("things")
    run = operator("label_samples")(patches, label_field="found", margin=0).result
    assert (run["state"], run["labeled"], run["annotations"]) == ("finished", 2, 3)
    assert sorted(image.size_hw for image in seer.seen) == [(95, 65), (135, 100), (140, 140)]
    first, _, last = boxes
    assert masks_in(boxes, "found") == [
        [bright(first, FACE), bright(first, HELMET)],
        [],
        [bright(last, CUP)],
    ]
    assert boxes.values("found.detections.premask_run") == [[run["name"]] * 2, None, [run["name"]]]
    assert boxes.count("things.detections") == 3
    # The same again is done before; with a margin it is something else.
    assert operator("label_samples")(patches, label_field="found", margin=0).result["reused"] == 2
    assert len(seer.seen) == 3
    operator("label_samples")(patches, label_field="wide", margin=0.5)
    # 47.5 rows below the face; above it, there are 20.
    assert seer.seen[3].size_hw == (163, 131)
    undone = operator("undo_run")(boxes, run["name"]).result
    boxes.reload()
    assert (undone["removed"], boxes.has_field("found")) == (3, False)


def test_selected_patches_and_saved_views_are_looked_at_only(
    fo: Any, boxes: Any, plugin: Any, operator: Operator, seer: Seer
) -> None:
    boxes.save_view(
        "helmets", boxes.to_patches("things").match(fo.ViewField("things.label") != "x")
    )
    saved = boxes.load_saved_view("helmets")
    helmet = boxes.first().things.detections[1].id
    context = {"view": saved, "selected": [helmet]}
    params = {"view_target": "SELECTED_SAMPLES", "label_field": "found", "margin": 0}
    plugin.execute_operator(f"{URI}label_samples", {**context, "params": params})
    assert masks_in(boxes, "found") == [[bright(boxes.first(), HELMET)], [], []]
    # The rest comes beside it; nothing twice.
    run = operator("label_samples")(saved.select_fields("things"), label_field="found", margin=0)
    assert run.result["annotations"] == 2
    assert [len(masks) for masks in masks_in(boxes, "found")] == [2, 0, 1]


def test_a_patch_of_an_evaluation_is_looked_at_once(
    fo: Any, boxes: Any, operator: Operator, seer: Seer
) -> None:
    first = boxes.first()
    near = box(fo, "face", (82, 20, 145, 115), (256, 256))
    false = box(fo, "face", (5, 5, 60, 60), (256, 256))
    near.confidence, false.confidence = 0.9, 0.4
    first["guess"] = fo.Detections(detections=[near, false])
    first.save()
    boxes.evaluate_detections("guess", gt_field="things", eval_key="ev", progress=False)
    patches = boxes.to_evaluation_patches("ev")
    operator("label_samples")(patches, label_field="found", margin=0)
    found = masks_in(boxes, "found")[0]
    boxes_seen = [FACE, HELMET, (5, 5, 60, 60)]
    assert found == [bright(first, corners) for corners in boxes_seen]
    # As outlines, all labels of the field that a patch shows.
    hits = patches.match(fo.ViewField("type") == "tp")
    run = operator("outline_labels")(hits, source_field="guess").result
    assert run["annotations"] == 1
    boxes.reload()
    assert boxes.values("guess_outlined.detections.label") == [["face"], None, None]


def test_labels_deleted_meanwhile_are_left_out_and_counted(
    boxes: Any, operator: Operator, seer: Seer, part: Any, plugin: Any
) -> None:
    patches = boxes.to_patches("things")
    assert len(patches) == 3
    first, last = boxes.first(), boxes.last()
    first.things.detections = first.things.detections[1:]
    first.save()
    last.things.detections = []
    last.save()
    shown = form_of(operator("label_samples"), patches)["chosen_labels"]["view"]
    assert shown["label"] == "1 label in 1 image"
    assert "2 more are deleted by now." in shown["description"]
    operator("label_samples")(patches, label_field="found", margin=0)
    assert masks_in(boxes, "found") == [[bright(first, HELMET)], [], []]


def test_a_label_deleted_while_the_run_is_on_stops_nothing(
    boxes: Any, operator: Operator, seer: Seer, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planning = part("work.planning")
    parts_of = planning.parts_of

    def deleting(*arguments: Any) -> Any:
        last = boxes.last()
        last.things.detections = []
        last.save()
        return parts_of(*arguments)

    monkeypatch.setattr(planning, "parts_of", deleting)
    run = operator("label_samples")(boxes.to_patches("things"), label_field="found").result
    assert (run["state"], run["labeled"], run["deleted"]) == ("finished", 1, 1)


def test_a_crop_that_fails_fails_its_image(
    boxes: Any, operator: Operator, seer: Seer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(images: list[Image], *rest: Any) -> Any:
        if any(image.size_hw == (135, 100) for image in images):
            raise ValueError("no helmets")
        return seer.run_stages(images, *rest)

    monkeypatch.setattr("premask.runs.pipeline.run_stages", broken)
    run = operator("label_samples")(boxes.to_patches("things"), label_field="found", margin=0)
    assert (run.result["failed"], run.result["labeled"]) == (1, 1)
    assert [len(masks) for masks in masks_in(boxes, "found")] == [0, 0, 1]


def test_these_boxes_are_outlined_and_others_another_day(
    boxes: Any, plugin: Any, operator: Operator
) -> None:
    face, helmet = boxes.first().things.detections
    params = {"view_target": "SELECTED_LABELS", "source_field": "things"}

    def outline(labels: list[Any], **more: Any) -> None:
        context = target(boxes.exists("things"), labels) | {"dataset": boxes}
        plugin.execute_operator(f"{URI}outline_labels", {**context, "params": {**params, **more}})

    outline([face])
    assert names_in(boxes) == [["face"], None, None]
    outline([helmet])
    assert names_in(boxes) == [["face", "helmet"], None, None]
    hints = [Hint(label=name, box_xyxy=where) for name, where in (("a", FACE), ("b", HELMET))]
    photo = boxes.first().filepath
    expected = [premask.label([photo], "click", prompts=Prompts(objects=(hint,))) for hint in hints]
    masks: list[Any] = [next(labeled).annotations[0].mask for labeled in expected]
    assert masks_in(boxes, "things_outlined")[0] == masks
    # Replacing touches only what lies where somebody has pointed.
    outline([helmet], existing="replace", settings={"refine.grow": 2})
    again = masks_in(boxes, "things_outlined")[0]
    assert again[0] == masks[0]
    assert again[1].area > masks[1].area


def names_in(dataset: Any) -> Any:
    dataset.reload()
    return dataset.values("things_outlined.detections.label")


def test_selected_labels_are_crops_of_label_samples(
    boxes: Any, plugin: Any, seer: Seer, operator: Operator
) -> None:
    (cup,) = boxes.last().things.detections
    context = target(boxes.exists("things"), [cup]) | {"dataset": boxes}
    params = {"view_target": "SELECTED_LABELS", "label_field": "found", "margin": 0}
    plugin.execute_operator(f"{URI}label_samples", {**context, "params": params})
    assert masks_in(boxes, "found") == [[], [], [bright(boxes.last(), CUP)]]


@pytest.mark.parametrize(("kind", "word"), [("to_clips", "clips"), ("to_frames", "frames")])
def test_clips_and_frames_of_videos_are_refused_with_what_to_do(
    fo: Any, operator: Operator, kind: str, word: str
) -> None:
    sample = fo.Sample(filepath="film.mp4", support=[1, 2])
    sample.metadata = fo.VideoMetadata(total_frame_count=2)
    sample.frames[1] = fo.Frame(filepath="1.png")
    dataset = fo.Dataset()
    dataset.add_sample(sample)
    view = dataset.to_clips([[(1, 2)]]) if kind == "to_clips" else dataset.to_frames()
    with pytest.raises(Exception, match=f"shows {word}, not whole images. In videos, use 'Track"):
        operator("label_samples")(view)
    dataset.delete()


def test_what_has_no_box_is_refused_with_what_to_do(
    fo: Any, boxes: Any, operator: Operator
) -> None:
    first = boxes.first()
    first["dots"] = fo.Keypoints(keypoints=[fo.Keypoint(points=[(0.5, 0.5)])])
    first.save()
    with pytest.raises(Exception, match="'Outline labels' takes keypoints"):
        operator("label_samples")(boxes.to_patches("dots"))
    with pytest.raises(Exception, match="shows patches, but this works on whole samples"):
        operator("review_queue")(boxes.to_evaluation_patches(evaluated(boxes)), label_field="dots")


def evaluated(dataset: Any) -> str:
    dataset.clone_sample_field("things", "again")
    dataset.evaluate_detections("again", gt_field="things", eval_key="ev", progress=False)
    return "ev"


def form_of(operator: Any, samples: Any) -> Any:
    """The fields of an operator's form for a view."""
    from fiftyone.operators.executor import ExecutionContext, Executor, _parse_ctx

    request = {**_parse_ctx(view=samples), "params": {}}
    context = ExecutionContext(request, executor=Executor(), operator_uri=operator.uri)
    return operator.resolve_type(context, "inputs").to_json()["type"]["properties"]
