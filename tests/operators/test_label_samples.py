"""*Label samples*: what it writes, where, who made it; and that it never does anything twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask
from premask.errors import InvalidSetting, UnwritableOutput
from premask.labels.fiftyone import annotation_from_detection
from premask.recipes.recipe import Recipe
from tests.tiny import TinyModels

Label = Callable[..., Any]
Part = Callable[[str], Any]


def boxes(dataset: Any, field: str = "subject") -> list[list[list[int]] | None]:
    """The boxes of each sample's detections in pixels; None where nobody looked."""
    return [
        None
        if holder is None
        else [pixel_box(sample, detection) for detection in holder.detections]
        for sample, holder in zip(dataset, dataset.values(field), strict=True)
    ]


def pixel_box(sample: Any, detection: Any) -> list[int]:
    height, width = premask.read_image(sample.filepath).size_hw
    x, y, w, h = detection.bounding_box
    return [round(x * width), round(y * height), round((x + w) * width), round((y + h) * height)]


def human(fo: Any, label: str = "person", place: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5)) -> Any:
    return fo.Detection(label=label, bounding_box=list(place), reviewer="Ann")


def test_real_photos_get_what_the_recipe_finds(
    photo_dataset: Any, label: Label, u2netp_weights: Path
) -> None:
    run = label(recipe="subject", settings={"refine.grow": 3})
    recipe = premask.recipe_of("subject").with_settings({"refine.grow": 3})
    for sample, expected in zip(
        photo_dataset, premask.label(photo_dataset.values("filepath"), recipe), strict=True
    ):
        (detection,) = sample.subject.detections
        fields = {name: detection[name] for name in ("label", "bounding_box", "mask", "source")}
        read = annotation_from_detection(fields, expected.image.size_hw)
        assert read.mask == expected.annotations[0].mask
    assert (run["labeled"], run["annotations"], run["state"]) == (3, 3, "finished")


def test_every_label_says_who_made_it(photo_dataset: Any, label: Label, finder: Any) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    run = label(recipe="subject")
    detection = photo_dataset.first().subject.detections[0]
    assert detection.premask_run == run["name"]
    assert detection.premask_recipe == "subject"
    assert detection.source == ["finder"]
    assert detection.confidence == 0.75
    assert photo_dataset.list_runs(method="premask") == [run["name"]]


def test_several_outputs_go_into_fields_of_their_own(
    fo: Any, photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), label="cat")
    run = label(write=["heatmap", "polylines", "segmentation", "detections", "boxes"])
    sample = photo_dataset.first()
    assert run["fields"] == {
        "subject": "detections",
        "subject_boxes": "boxes",
        "subject_polylines": "polylines",
        "subject_segmentation": "segmentation",
        "subject_heatmap": "heatmap",
    }
    expected = np.zeros((256, 256), np.bool_)
    expected[4:70, 3:60] = True
    expected[4, 3] = False
    size = (256, 256)
    rendered = sample.subject.detections[0].to_segmentation(frame_size=size, target=1)
    np.testing.assert_array_equal(rendered.get_mask() != 0, expected)
    np.testing.assert_array_equal(sample.subject_segmentation.get_mask(), expected)
    np.testing.assert_array_equal(sample.subject_heatmap.get_map(), expected * 255)
    assert sample.subject_boxes.detections[0].mask is None
    assert sample.subject_polylines.polylines[0].filled
    assert photo_dataset.mask_targets["subject_segmentation"] == {1: "cat"}


def test_maps_lie_on_disk_and_say_what_their_numbers_mean(
    photo_dataset: Any, label: Label, finder: Any, tmp_path: Path
) -> None:
    """A document of MongoDB holds 16 MB; and FiftyOne stretches heatmaps without a range."""
    finder.find("astronaut", (3, 4, 60, 70))
    label(write=["segmentation", "heatmap"], label_field="soft", folder=str(tmp_path))
    sample = photo_dataset.first()
    assert sample.soft.mask is None
    assert Path(sample.soft.mask_path).is_relative_to(tmp_path)
    assert sample.soft_heatmap.map is None
    assert Path(sample.soft_heatmap.map_path).is_relative_to(tmp_path)
    assert sample.soft_heatmap.range == [0, 255]


def test_masks_of_detections_may_lie_on_disk(
    photo_dataset: Any, label: Label, finder: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (100, 100, 120, 130))
    label(masks_on_disk=True, folder=str(tmp_path))
    first, second = photo_dataset.first().subject.detections
    assert first.mask is None
    assert first.mask_path != second.mask_path
    pixels = np.ones((66, 57), np.bool_)
    pixels[0, 0] = False
    np.testing.assert_array_equal(first.get_mask() != 0, pixels)


def test_a_person_s_mask_targets_keep_their_numbers(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    photo_dataset.default_mask_targets = {0: "background", 5: "dog"}
    photo_dataset.save()
    finder.find("astronaut", (3, 4, 60, 70), label="dog")
    finder.find("chelsea", (3, 4, 60, 70), label="cat")
    label(write=["segmentation"])
    assert photo_dataset.mask_targets["subject"] == {0: "background", 5: "dog", 6: "cat"}
    dog, cat, _ = (map_.get_mask() for map_ in photo_dataset.values("subject"))
    assert (dog.max(), cat.max()) == (5, 6)


def test_the_second_run_looks_at_nothing(photo_dataset: Any, label: Label, finder: Any) -> None:
    """Not even at images in which nothing was found."""
    finder.find("astronaut", (3, 4, 60, 70))
    label()
    before = photo_dataset.values("subject.detections.id")
    assert boxes(photo_dataset) == [[[3, 4, 60, 70]], [], []]
    for existing in ("skip", "add", "replace"):
        run = label(existing=existing)
        assert (run["reused"], run["labeled"]) == (3, 0)
    assert len(finder.looked_at) == 3
    assert photo_dataset.values("subject.detections.id") == before


def test_another_output_of_the_same_settings_is_written_for_all(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    label()
    before = photo_dataset.values("subject.detections.id")
    run = label(write=["detections", "heatmap"])
    assert run["labeled"] == 3
    assert photo_dataset.count("subject_heatmap") == 3
    assert photo_dataset.values("subject.detections.id") == before


def test_other_settings_leave_labels_alone_unless_told_otherwise(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    label()
    finder.find("chelsea", (5, 5, 50, 50))
    run = label(settings={"refine.grow": 1})
    assert (run["left_alone"], run["labeled"]) == (1, 2)
    assert boxes(photo_dataset) == [[[3, 4, 60, 70]], [[5, 5, 50, 50]], []]


def test_skip_leaves_a_person_s_samples_alone(
    fo: Any, photo_dataset: Any, label: Label, finder: Any
) -> None:
    first = photo_dataset.first()
    first["subject"] = fo.Detections(detections=[human(fo)])
    first.save()
    run = label()
    assert run["left_alone"] == 1
    assert sorted(finder.looked_at) == ["chelsea", "coffee"]


def test_add_brings_only_what_overlaps_nothing(
    fo: Any, photo_dataset: Any, label: Label, finder: Any
) -> None:
    first = photo_dataset.first()
    person = human(fo)
    first["subject"] = fo.Detections(detections=[person])
    first.save()
    # The person's box is 128 x 128 pixels; the second box has an IoU of 0.77 with it.
    finder.find("astronaut", (3, 4, 60, 70), (140, 128, 252, 248), (130, 130, 180, 180))
    label(existing="add", overlap=0.7)
    after = photo_dataset.first().subject.detections
    assert after[0].id == person.id
    assert after[0].reviewer == "Ann"
    assert boxes(photo_dataset)[0] == [
        [128, 128, 256, 256],
        [3, 4, 60, 70],
        [130, 130, 180, 180],
    ]


def test_replace_touches_nothing_but_premask_s_own(
    fo: Any, photo_dataset: Any, label: Label, finder: Any
) -> None:
    """A field with a person's label, one that premask wrote, and one that was corrected since."""
    finder.find("astronaut", (3, 4, 60, 70), (80, 10, 120, 40))
    label()
    first = photo_dataset.first()
    person = human(fo)
    first.subject.detections.append(person)
    first.subject.detections[1].label = "corrected"
    first.save()
    finder.find("astronaut", (5, 6, 70, 80), (81, 10, 120, 40), (128, 128, 255, 255))
    run = label(existing="replace", settings={"refine.grow": 1})
    after = photo_dataset.first().subject.detections
    # New ones that show what the person has already are not doubled.
    assert [detection.label for detection in after] == ["corrected", "person", "thing"]
    assert after[1].id == person.id
    assert after[1].to_dict() == person.to_dict()
    assert boxes(photo_dataset)[0] == [[80, 10, 120, 40], [128, 128, 256, 256], [5, 6, 70, 80]]
    assert run["labeled"] == 3


def test_what_a_person_has_tagged_is_not_replaced(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    label()
    first = photo_dataset.first()
    first.subject.detections[0].tags.append("accepted")
    first.save()
    finder.find("astronaut", (100, 100, 150, 150))
    label(existing="replace", settings={"refine.grow": 1})
    assert boxes(photo_dataset)[0] == [[3, 4, 60, 70], [100, 100, 150, 150]]


@pytest.mark.parametrize("existing", ["skip", "add", "replace"])
def test_a_person_s_map_is_never_replaced(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, existing: str
) -> None:
    first = photo_dataset.first()
    first["subject"] = fo.Segmentation(mask=np.ones((256, 256), np.uint8))
    first.save()
    run = label(write=["segmentation"], existing=existing)
    assert run["left_alone"] == 1
    assert photo_dataset.first().subject.mask.all()


def test_replace_writes_premask_s_own_map_anew(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    label(write=["segmentation"])
    old = photo_dataset.first().subject.mask_path
    finder.find("astronaut", (3, 4, 61, 70))
    label(write=["segmentation"], existing="replace", settings={"refine.grow": 1})
    new = photo_dataset.first().subject
    assert new.mask_path != old
    assert new.get_mask()[10, 60]


@pytest.fixture
def replaced(photo_dataset: Any, tmp_path: Path) -> Callable[[], None]:
    """Put another picture under the path of the first photo."""
    path = tmp_path / "astronaut.png"
    first = photo_dataset.first()
    path.write_bytes(Path(first.filepath).read_bytes())
    first.filepath = str(path)
    first.save()

    def replace() -> None:
        PIL.Image.new("RGB", (256, 256), "gray").save(path)

    return replace


@pytest.mark.parametrize("write", ["detections", "segmentation"])
@pytest.mark.parametrize("existing", ["skip", "add", "replace"])
def test_another_image_under_the_same_path_is_labeled_anew(
    photo_dataset: Any,
    label: Label,
    finder: Any,
    replaced: Callable[[], None],
    write: str,
    existing: str,
) -> None:
    """Labels of the old image go, even with settings that leave labels alone."""
    finder.find("astronaut", (3, 4, 60, 70))
    first = label(write=[write], existing=existing)
    replaced()
    finder.find("astronaut", (100, 100, 150, 150), label="other")
    second = label(write=[write], existing=existing)
    assert (second["labeled"], second["reused"]) == (1, 2)
    held = photo_dataset.first().subject
    runs = [detection.premask_run for detection in getattr(held, "detections", [held])]
    assert runs == [second["name"]] != [first["name"]]
    assert label(write=[write], existing=existing)["reused"] == 3


def test_of_another_image_a_person_s_labels_stay_too(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, replaced: Callable[[], None]
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), (100, 100, 150, 150))
    label()
    first = photo_dataset.first()
    first.subject.detections[0].label = "corrected"
    first.save()
    replaced()
    run = label()
    assert (run["left_alone"], run["reused"]) == (1, 2)
    assert len(finder.looked_at) == 3
    run = label(existing="add")
    after = photo_dataset.first().subject.detections
    assert [detection.label for detection in after] == ["corrected", "thing"]
    assert [detection.premask_run == run["name"] for detection in after] == [False, True]


def test_an_image_that_is_gone_keeps_its_labels(
    photo_dataset: Any, label: Label, finder: Any, replaced: Callable[[], None]
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    label()
    Path(photo_dataset.first().filepath).unlink()
    run = label()
    assert (run["failed"], run["reused"]) == (1, 2)
    assert len(photo_dataset.first().subject.detections) == 1


def test_labels_that_a_view_hides_are_not_lost(
    fo: Any, photo_dataset: Any, label: Label, finder: Any
) -> None:
    first = photo_dataset.first()
    first["subject"] = fo.Detections(detections=[human(fo, "person"), human(fo, "cat")])
    first.save()
    finder.find("astronaut", (3, 4, 60, 70))
    hiding = photo_dataset.filter_labels("subject", fo.ViewField("label") == "cat")
    label(hiding, existing="add")
    labels = [detection.label for detection in photo_dataset.first().subject.detections]
    assert labels == ["person", "cat", "thing"]


def test_an_image_that_fails_is_named_and_gets_no_result(
    fo: Any, photo_dataset: Any, label: Label, finder: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    photo_dataset.add_sample(fo.Sample(filepath=str(broken)))
    finder.broken = {"chelsea"}
    run = label()
    assert list(run["failures"]) == [photo_dataset.values("filepath")[1], str(broken)]
    assert "no image of a kind that is read" in run["failures"][str(broken)]
    assert [holder is None for holder in photo_dataset.values("subject")] == [
        False,
        True,
        False,
        True,
    ]
    finder.broken = set()
    assert label()["labeled"] == 1  # what failed is tried again


def test_a_field_with_something_else_is_refused(fo: Any, photo_dataset: Any, label: Label) -> None:
    first = photo_dataset.first()
    first["weather"] = fo.Classification(label="sunny")
    first.save()
    for field, reason in (("weather", "holds Classification"), ("a b", "can't name a field")):
        with pytest.raises(Exception, match=reason):
            label(label_field=field)
    assert not photo_dataset.has_field("a b")


def test_phrases_are_typed_and_read_from_any_field_with_texts(fo: Any, photo_dataset: Any) -> None:
    from operators.dataset.phrases import Phrases

    for sample, labels in zip(photo_dataset, (["cat"], ["dog", "dog", " bird "], []), strict=True):
        sample["objects"] = fo.Detections(detections=[fo.Detection(label=name) for name in labels])
        sample["caption"] = labels[0] if labels else None
        sample.save()

    def texts(phrases: Any) -> list[list[str]]:
        prompts = phrases.of(photo_dataset)
        assert list(prompts) == photo_dataset.values("id")
        return [[phrase.text for phrase in asked.phrases] for asked in prompts.values()]

    assert texts(Phrases(texts=("car",))) == [["car"]] * 3
    assert texts(Phrases(texts=("car",), field="objects.detections.label")) == [
        ["car", "cat"],
        ["car", "dog", "bird"],
        ["car"],
    ]
    assert texts(Phrases(field="caption")) == [["cat"], ["dog"], []]
    with pytest.raises(InvalidSetting, match="holds Detections, not phrases"):
        texts(Phrases(field="objects"))


def test_phrases_and_classes_reach_the_model(
    photo_dataset: Any, label: Label, finder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recipe, "listens_to", ("phrases",))
    with pytest.raises(Exception, match="knows no classes"):
        label(dataset_classes=True)
    photo_dataset.default_classes = ["bus"]
    photo_dataset.save()
    label(phrases=["red car"], dataset_classes=True)
    asked = [[phrase.text for phrase in prompts.phrases] for prompts in finder.prompts]
    assert asked == [["red car", "bus"]] * 3
    assert label(phrases=["red car"])["reused"] == 0  # other phrases are another question


def test_a_recipe_that_needs_words_says_so_before_there_is_a_run(
    photo_dataset: Any, label: Label, tmp_path: Path
) -> None:
    settings = {"find.model": TinyModels(tmp_path)["owlv2"]}
    with pytest.raises(Exception, match="looks for what you name"):
        label(recipe="owl", settings=settings)
    assert not photo_dataset.list_runs()


def test_phrases_for_a_deaf_recipe_are_an_error(label: Label) -> None:
    with pytest.raises(Exception, match="can't be told what to look for"):
        label(recipe="subject", phrases=["cat"])


def test_progress_is_written_as_it_goes(
    photo_dataset: Any, plugin: Any, finder: Any, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The App shows each step, and what was done until then is in the database."""
    monkeypatch.setattr(part("work.labeling"), "_WRITTEN_AT_ONCE", 1)
    finder.broken = {"coffee"}
    shown = [
        (message.body.params["label"], photo_dataset.count("subject"))
        for message in messages(plugin, photo_dataset, {"label_field": "subject"})
        if message.body.operator_uri == "set_progress"
    ]
    assert [words.partition(" ")[0] for words, _ in shown[:-1]] == [
        "0/3",
        "1/3",
        "2/3",
        "3/3",
        "3/3",
    ]
    assert "3/3 images, 1 failed" in shown[3][0]
    assert [written for _, written in shown] == [0, 1, 2, 2, 2, 2]
    assert "such as" in shown[-1][0]


def test_the_app_says_why_it_failed(
    plugin: Any, photo_dataset: Any, finder: Any, part: Part, tmp_path: Path
) -> None:
    """Of what a generator raises, the App itself shows nothing."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    params = {"write": ["heatmap"], "folder": str(blocked)}
    told: list[Any] = []
    with pytest.raises(UnwritableOutput):
        told.extend(message.body for message in messages(plugin, photo_dataset, params))
    assert told[-1].operator_uri == "notify"
    assert "can't be written" in told[-1].params["message"]
    assert told[-1].params["variant"] == "error"
    (run,) = photo_dataset.list_runs()
    assert part("dataset.history").load(photo_dataset, run).state == "failed"


def messages(plugin: Any, dataset: Any, params: dict[str, Any]) -> Iterator[Any]:
    """What the App is told while it runs."""
    from fiftyone.operators.executor import ExecutionContext, Executor

    request = {"dataset_name": dataset.name, "params": params}
    context = ExecutionContext(request, executor=Executor(), operator_uri="label_samples")
    yield from plugin.get_operator("@premask/premask/label_samples").execute(context)


def test_a_run_in_which_everything_fails_ends_like_any_other(
    photo_dataset: Any, label: Label, finder: Any
) -> None:
    finder.broken = {"astronaut", "chelsea", "coffee"}
    run = label()
    assert (run["state"], run["labeled"], len(run["failures"])) == ("finished", 0, 3)
    assert photo_dataset.values("subject") == [None, None, None]


def test_in_a_notebook_it_is_a_task(photo_dataset: Any, operator: Any, finder: Any) -> None:
    """In notebooks an event loop runs already, and FiftyOne hands out a task."""

    async def cell() -> None:
        await operator("label_samples")(photo_dataset)

    asyncio.run(cell())
    assert photo_dataset.count("subject") == 3
