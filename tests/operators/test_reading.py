"""Whatever FiftyOne holds is read to the pixel, in order, a few samples at a time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, InvalidSetting, UnreadableImage
from premask.labels.fiftyone import heatmap_from_annotations, polyline_from_annotation
from premask.labels.png import png_from_gray
from premask.masks import Mask
from tests.golden.dataset import adversarial_masks
from tests.operators.mask_samples import (
    annotation_of,
    awkward_dataset,
    awkward_images,
    detections,
    saved_image,
    soft_annotation,
)

SIZE = (13, 17)


@pytest.fixture
def reading(fo: Any) -> Any:
    """The module under test; it imports FiftyOne."""
    return importlib.import_module("operators.dataset.reading")


@pytest.fixture
def dataset(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """A dataset with one image and no labels."""
    dataset = fo.Dataset()
    path = saved_image(tmp_path, "image.png", SIZE)
    metadata = fo.ImageMetadata(height=SIZE[0], width=SIZE[1])
    dataset.add_sample(fo.Sample(filepath=str(path), metadata=metadata))
    yield dataset
    dataset.delete()


@pytest.fixture
def awkward(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Five images with eleven masks each."""
    dataset = awkward_dataset(fo, tmp_path, 5)
    yield dataset
    dataset.delete()


def put(dataset: Any, **labels: Any) -> None:
    sample = dataset.first()
    for field, label in labels.items():
        sample[field] = label
    sample.save()


def read_one(reading: Any, dataset: Any, *fields: str) -> Labeled:
    (sample,) = reading.read_labels(dataset, list(fields))
    assert isinstance(sample.labeled, Labeled)
    return sample.labeled


def masks_of(labeled: Labeled) -> list[Mask | None]:
    return [annotation.mask for annotation in labeled.annotations]


def test_every_pixel_of_every_detection_in_the_samples_order(reading: Any, awkward: Any) -> None:
    images, backwards = list(awkward_images(5)), awkward.sort_by("filepath", reverse=True)
    # The clone's order is not that of its ids.
    for view in (awkward, backwards, backwards.clone()):
        samples = list(reading.read_labels(view, ["masks"]))
        assert [sample.filepath for sample in samples] == view.values("filepath")
        assert [list(sample.label_ids) for sample in samples] == view.values("masks.detections.id")
        for sample in samples:
            expected = images[int(Path(sample.filepath).stem)]
            assert [a.label for a in sample.labeled.annotations] == list(expected)
            assert masks_of(sample.labeled) == [Mask.from_array(m) for m in expected.values()]


def test_only_a_few_samples_are_asked_for_at_once(
    reading: Any, awkward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    select = type(awkward).select

    def counted(dataset: Any, ids: list[str], **options: Any) -> Any:
        asked.append(len(ids))
        return select(dataset, ids, **options)

    monkeypatch.setattr(reading, "_CHUNK", 2)
    monkeypatch.setattr(type(awkward), "select", counted)
    samples = reading.read_labels(awkward, ["masks"])
    next(samples)
    assert asked == [2]
    assert len([*samples]) == 4
    assert asked == [2, 2, 1]


def test_a_view_shows_only_its_own_labels(fo: Any, reading: Any, awkward: Any) -> None:
    view = awkward.filter_labels("masks", fo.ViewField("label") == "ring").limit(2)
    found = [read.labeled.annotations for read in reading.read_labels(view, ["masks"])]
    assert [[a.label for a in annotations] for annotations in found] == [["ring"], ["ring"]]


def test_what_a_model_said_of_a_detection_is_read(fo: Any, reading: Any, dataset: Any) -> None:
    said = annotation_of(
        adversarial_masks()["ring"], score=0.25, track=3, source=("a", "b"), crowd=True
    )
    box = Annotation(label="cat", box_xyxy=(1, 2, 5, 7))
    put(dataset, found=detections(fo, [said, box], SIZE))
    assert read_one(reading, dataset, "found").annotations == (said, box)


@pytest.mark.parametrize("colors", [False, True])
def test_a_mask_on_disk_is_read(
    fo: Any, reading: Any, dataset: Any, tmp_path: Path, *, colors: bool
) -> None:
    said = annotation_of(adversarial_masks()["ring"])
    (stored,) = detections(fo, [said], SIZE).detections
    picture = PIL.Image.fromarray(stored.mask.astype(np.uint8) * 255)
    picture.convert("RGBA" if colors else "L").save(tmp_path / "mask.png")
    stored.mask, stored.mask_path = None, str(tmp_path / "mask.png")
    put(dataset, found=stored)
    assert read_one(reading, dataset, "found").annotations == (said,)


@pytest.mark.parametrize("name", adversarial_masks())
def test_polygons_are_read_as_they_were_written(
    fo: Any, reading: Any, dataset: Any, name: str
) -> None:
    said = annotation_of(adversarial_masks()[name])
    line = fo.Polyline(**polyline_from_annotation(said, SIZE))
    put(dataset, found=fo.Polylines(polylines=[line]))
    assert masks_of(read_one(reading, dataset, "found")) == [said.mask]


def class_map() -> NDArray[np.uint8]:
    index = np.zeros(SIZE, np.uint8)
    index[2:5, 3:9], index[7:, :4], index[0, 0] = 4, 9, 77
    return index


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_segmentation_is_one_annotation_a_class(
    fo: Any, reading: Any, dataset: Any, tmp_path: Path, *, on_disk: bool
) -> None:
    (tmp_path / "map.png").write_bytes(png_from_gray(class_map()))
    where = {"mask_path": str(tmp_path / "map.png")} if on_disk else {"mask": class_map()}
    put(dataset, found=fo.Segmentation(source=["a"], **where))
    dataset.mask_targets = {"found": {4: "sky", 9: "road", 5: "tree"}}
    expected = [(n, Mask.from_array(class_map() == v)) for n, v in (("sky", 4), ("road", 9))]
    labeled = read_one(reading, dataset, "found")
    assert [(annotation.label, annotation.mask) for annotation in labeled.annotations] == expected
    assert {annotation.source for annotation in labeled.annotations} == {("a",)}


def test_a_segmentation_in_colors_is_read_by_its_targets(
    fo: Any, reading: Any, dataset: Any
) -> None:
    colors = np.zeros((*SIZE, 3), np.uint8)
    colors[class_map() == 4] = (255, 8, 1)
    put(dataset, found=fo.Segmentation(mask=colors))
    dataset.default_mask_targets = {"#ff0801": "sky"}
    (sky,) = read_one(reading, dataset, "found").annotations
    assert (sky.label, sky.mask) == ("sky", Mask.from_array(class_map() == 4))


def soft_alpha() -> NDArray[np.uint8]:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[2:9, 3:12] = np.random.default_rng(3).integers(0, 256, (7, 9))
    return alpha


def heatmap(fo: Any, annotations: list[Annotation], tmp_path: Path) -> Any:
    path = tmp_path / "heatmap.png"
    return fo.Heatmap(**heatmap_from_annotations(annotations, SIZE, path), source=["m"])


def test_a_heatmap_is_the_matte_of_the_mask_beside_it(
    fo: Any, reading: Any, dataset: Any, tmp_path: Path
) -> None:
    said = soft_annotation(soft_alpha())
    put(dataset, found=detections(fo, [said], SIZE), alpha=heatmap(fo, [said], tmp_path))
    for fields in (("found", "alpha"), ("alpha", "found")):
        assert read_one(reading, dataset, *fields).annotations == (said,)


def test_a_mask_that_was_changed_since_gets_no_matte(
    fo: Any, reading: Any, dataset: Any, tmp_path: Path
) -> None:
    said, changed = soft_annotation(soft_alpha()), annotation_of(adversarial_masks()["ring"])
    put(dataset, found=detections(fo, [changed], SIZE), alpha=heatmap(fo, [said], tmp_path))
    first, second = read_one(reading, dataset, "found", "alpha").annotations
    assert first == changed
    assert (second.label, second.matte, second.source) == ("alpha", said.matte, ("m",))


def test_a_heatmap_without_alpha_is_nothing(
    fo: Any, reading: Any, dataset: Any, tmp_path: Path
) -> None:
    put(dataset, alpha=heatmap(fo, [], tmp_path))
    assert read_one(reading, dataset, "alpha").annotations == ()


def test_keypoints_are_clicks(fo: Any, reading: Any, dataset: Any) -> None:
    points = [(3 / 17, 4 / 13), (float("nan"), float("nan")), (0.5, 0.5)]
    one, other = fo.Keypoint(label="cat", points=points), fo.Keypoint(points=[(0, 0)])
    put(dataset, clicks=fo.Keypoints(keypoints=[one, other]))
    (sample,) = reading.read_labels(dataset, ["clicks"])
    assert [[(p.x, p.y, p.label) for p in points] for points in sample.clicks] == [
        [(3, 4, "cat"), (8.5, 6.5, "cat")],
        [(0, 0, "")],
    ]


def test_a_sample_without_labels_is_an_image_without_annotations(
    reading: Any, awkward: Any
) -> None:
    awkward.set_values("masks", [None] * 5)
    samples = list(reading.read_labels(awkward, ["masks"]))
    assert [sample.labeled.annotations for sample in samples] == [()] * 5


def test_the_size_of_a_turned_photo_without_metadata_is_the_upright_one(
    fo: Any, reading: Any, dataset: Any
) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = Path(dataset.first().filepath).with_name("turned.jpg")
    PIL.Image.new("RGB", (30, 20)).save(path, exif=exif)
    dataset.clear()
    dataset.add_sample(fo.Sample(filepath=str(path), found=fo.Detections()))
    assert read_one(reading, dataset, "found").image.size_hw == (30, 20)


def test_one_broken_label_is_the_error_of_its_own_sample(reading: Any, awkward: Any) -> None:
    broken = awkward.first()
    broken.masks.detections[2].bounding_box = [0.1, 0.2]
    broken.save()
    first, *others = [read.labeled for read in reading.read_labels(awkward, ["masks"])]
    label_id = broken.masks.detections[2].id
    with pytest.raises(InvalidMask, match=f"{label_id} in 'masks' can't be read: ValueError"):
        raise first.error
    assert [(other.error, len(other.annotations)) for other in others] == [(None, 11)] * 4


def test_a_mask_that_is_gone_from_the_disk_is_an_error(fo: Any, reading: Any, dataset: Any) -> None:
    gone = fo.Detection(label="cat", bounding_box=[0, 0, 1, 1], mask_path="/gone.png")
    put(dataset, found=gone)
    assert "/gone.png" in str(read_one(reading, dataset, "found").error)


def test_an_image_that_is_gone_is_an_error(fo: Any, reading: Any, dataset: Any) -> None:
    dataset.add_sample(fo.Sample(filepath="/gone.png", found=fo.Detections()))
    error = list(reading.read_labels(dataset, ["found"]))[1].labeled.error
    assert isinstance(error, UnreadableImage)
    assert "/gone.png" in str(error)


def test_a_field_without_places_says_which_fields_have_some(reading: Any, awkward: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"'tags' holds no labels.*Choose one of: masks\."):
        list(reading.read_labels(awkward, ["tags"]))


def test_classes_come_in_the_datasets_order_or_by_name(reading: Any, awkward: Any) -> None:
    assert reading.label_names(awkward, ["masks"]) == sorted(adversarial_masks())
    awkward.classes = {"masks": ["ring", "full"]}
    assert reading.label_names(awkward, ["masks"]) == ["ring", "full"]
