"""*Refine masks* and *Select labels*: what the pure stages make of the labels of a field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.labels.fiftyone import annotation_from_detection
from premask.masks import Mask
from premask.shaping.morphology import grow
from tests.operators.mask_samples import annotation_of, awkward_dataset, awkward_images, detections

Operator = Callable[..., Any]


@pytest.fixture
def awkward(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Four images with eleven masks each, and no pixel of them can be read any more."""
    dataset = awkward_dataset(fo, tmp_path, 4)
    dataset.compute_metadata(progress=False)
    for path in dataset.values("filepath"):
        Path(path).unlink()
    yield dataset
    dataset.delete()


@pytest.fixture
def work(operator: Operator, awkward: Any) -> Operator:
    """Refine or select labels, and return the run."""

    def worked(name: str, samples: Any = None, **options: Any) -> Any:
        samples = awkward if samples is None else samples
        run = operator(f"{name}_labels")(samples, source_field="masks", **options).result
        awkward.reload()
        awkward.clear_cache()
        return run

    return worked


def masks(dataset: Any, field: str) -> list[dict[str, Mask]]:
    """The masks of each sample by their labels."""
    return [
        {detection.label: _mask(detection, sample) for detection in sample[field].detections}
        for sample in dataset
    ]


def _mask(detection: Any, sample: Any) -> Mask:
    names = ("label", "bounding_box", "mask")
    size_hw = sample.metadata.height, sample.metadata.width
    read = annotation_from_detection({name: detection[name] for name in names}, size_hw)
    assert read.mask is not None
    return read.mask


def test_masks_are_refined_as_the_core_does_it(awkward: Any, work: Operator) -> None:
    """The pictures are not read: they are not even there."""
    before = awkward.values("masks")
    run = work("refine", settings={"refine.grow": 2})
    for made, images in zip(masks(awkward, "masks_refined"), awkward_images(4), strict=True):
        wanted = {name: grow(Mask.from_array(pixels), 2) for name, pixels in images.items()}
        assert made == {name: mask for name, mask in wanted.items() if mask.area}
    assert [holder.to_dict() for holder in awkward.values("masks")] == [b.to_dict() for b in before]
    assert (run["labeled"], run["failed"], run["recipe"]) == (4, 0, "refine")


def test_what_is_selected_and_what_is_not_go_into_two_fields(awkward: Any, work: Operator) -> None:
    run = work(
        "select",
        settings={"select.labels": ["ring", "one_pixel"]},
        label_field="kept",
        remaining_field="others",
    )
    kept, others = masks(awkward, "kept"), masks(awkward, "others")
    for few, rest, images in zip(kept, others, awkward_images(4), strict=True):
        assert set(few) == {"ring", "one_pixel"} & set(images)
        assert {**few, **rest} == {name: Mask.from_array(pixels) for name, pixels in images.items()}
        assert not set(few) & set(rest)
    assert run["fields"] == {"kept": "detections", "others": "detections"}


def test_labels_keep_their_attributes_and_order(fo: Any, awkward: Any, work: Operator) -> None:
    first = awkward.first()
    size_hw = first.metadata.height, first.metadata.width
    pixels = np.zeros(size_hw, np.bool_)
    pixels[2:5, 2:9] = True
    labels = detections(fo, [annotation_of(pixels, score=s) for s in (0.25, 0.75)], size_hw)
    labels.detections[0]["reviewer"] = "Ann"
    first.masks = labels
    first.save()
    work("select", awkward.limit(1), settings={"select.sort": "score"})
    best, second = awkward.first().masks_selected.detections
    assert (best.confidence, second.confidence) == (0.75, 0.25)
    assert (best.has_field("reviewer"), second.reviewer) == (False, "Ann")
    assert second.id != labels.detections[0].id


def test_a_person_s_labels_in_the_target_stay(fo: Any, awkward: Any, work: Operator) -> None:
    first = awkward.first()
    first["mine"] = fo.Detections(detections=[fo.Detection(label="x", bounding_box=[0, 0, 1, 1])])
    first.save()
    run = work("select", label_field="mine")
    assert (run["left_alone"], run["labeled"]) == (1, 3)
    assert awkward.first().mine.detections[0].label == "x"
    with pytest.raises(Exception, match="stay as they are"):
        work("refine", label_field="masks")
    with pytest.raises(Exception, match="a field each"):
        work("select", label_field="one", remaining_field="one")


def test_the_same_settings_are_not_applied_twice(awkward: Any, work: Operator) -> None:
    work("refine", settings={"refine.smooth": 1})
    assert work("refine", settings={"refine.smooth": 1})["reused"] == 4
    changed = work("refine", settings={"refine.smooth": 2}, existing="replace")
    assert changed["labeled"] == 4


def test_the_form_says_what_would_come_of_it(awkward: Any, form: Operator) -> None:
    settings = {"settings": {"select.labels": ["ring"]}}
    fields = form("select_labels", awkward, settings)
    total = sum(len(masks) for masks in awkward_images(4))
    assert fields["trial"]["view"]["label"] == (
        f"Keeps 4 of {total} labels in 4 samples with labels: all there are"
    )
    stages = fields["settings"]["type"]["properties"]["for_select"]["type"]["properties"]
    assert list(stages) == ["select"]
    shown = form("refine_labels", awkward, {"settings": {"refine.invert": True}})
    assert shown["trial"]["view"]["label"].startswith(f"Changes {total - 4} and drops 4 ")
    refine = shown["settings"]["type"]["properties"]["for_refine"]["type"]["properties"]["refine"]
    assert "grow" in refine["type"]["properties"]
    assert "feather" not in refine["type"]["properties"]
    assert not awkward.has_field("masks_selected")


def test_a_form_does_not_look_at_all_of_a_large_dataset(
    awkward: Any, form: Operator, part: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part("work.stage_preview"), "MOST", 2)
    monkeypatch.setattr(part("work.stage_preview"), "_AT_ONCE", 1)
    words = form("select_labels", awkward)["trial"]["view"]["label"]
    assert words.endswith("in 2 of 4 samples with labels")


def test_a_run_can_be_repeated_from_the_history(awkward: Any, work: Operator, part: Any) -> None:
    run = work("select", settings={"select.top": 3})
    again = part("forms.recipe_form").filled_in({**run["params"], "recipe": run["recipe"]})
    assert again["settings"] == {"for_select": {"select": {"top": 3}}}
