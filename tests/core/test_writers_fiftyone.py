"""FiftyOne's own renderers and exporters return every pixel of the masks that were written."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.labels.fiftyone import (
    annotation_from_detection,
    annotation_from_polyline,
    detection_from_annotation,
    extended_targets,
    heatmap_from_annotations,
    mask_targets,
    polyline_from_annotation,
    segmentation_from_annotations,
)
from premask.masks import Mask, Matte, Size
from tests.golden.dataset import adversarial_masks


def random_masks(count: int) -> list[NDArray[np.bool_]]:
    """Ellipses, rectangles, rings and noise in images of odd sizes."""
    random = np.random.default_rng(20)
    masks = []
    for index in range(count):
        height, width = (2 * int(side) + 1 for side in random.integers(3, 160, 2))
        rows, columns = np.mgrid[:height, :width]
        y, x = random.integers(height), random.integers(width)
        ry, rx = random.integers(1, height // 2 + 1), random.integers(1, width // 2 + 1)
        distance = np.hypot((rows - y) / ry, (columns - x) / rx)
        square = (abs(rows - y) < ry) & (abs(columns - x) < rx)
        noise = square & (random.random((height, width)) < 0.4)
        shapes = [distance <= 1, square, (distance <= 1) & (distance > 0.6), noise]
        mask = shapes[index % 4]
        mask[y, x] = True
        masks.append(mask)
    return masks


def annotation_of(array: NDArray[np.bool_], label: str = "cat") -> Annotation:
    mask = Mask.from_array(array)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask)


def detection(fo: Any, array: NDArray[np.bool_], **extra: Any) -> Any:
    return fo.Detection(**detection_from_annotation(annotation_of(array), size_of(array)), **extra)


def size_of(array: NDArray[np.bool_]) -> Size:
    height, width = array.shape
    return height, width


def test_fiftyone_renders_every_pixel_of_200_masks(fo: Any) -> None:
    exact = 0
    for array in random_masks(200):
        height, width = array.shape
        rendered = detection(fo, array).to_segmentation(frame_size=(width, height), target=1)
        exact += np.array_equal(rendered.get_mask() != 0, array)
    assert exact == 200


def test_fiftyone_exports_every_pixel_of_200_masks_as_coco(fo: Any, tmp_path: Path) -> None:
    arrays = random_masks(200)
    dataset = fo.Dataset()
    for index, array in enumerate(arrays):
        path = tmp_path / f"{index:03}.png"
        PIL.Image.fromarray(array).save(path)
        label = fo.Detections(detections=[detection(fo, array, iscrowd=1)])
        dataset.add_sample(fo.Sample(filepath=str(path), detections=label))
    dataset.compute_metadata(progress=False)
    dataset.export(
        labels_path=str(tmp_path / "coco.json"),
        dataset_type=fo.types.COCODetectionDataset,
        label_field="detections",
        progress=False,
    )
    dataset.delete()
    exported = json.loads((tmp_path / "coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in exported["images"]}
    masks = {
        names[record["image_id"]]: pixels_of(record["segmentation"])
        for record in exported["annotations"]
    }
    exact = [np.array_equal(masks[f"{index:03}.png"], array) for index, array in enumerate(arrays)]
    assert sum(exact) == 200


def pixels_of(segmentation: dict[str, Any]) -> NDArray[np.bool_]:
    packed = coco_mask.frPyObjects(segmentation, *segmentation["size"])
    return np.asarray(coco_mask.decode(packed) != 0)


@pytest.mark.parametrize("name", adversarial_masks())
def test_awkward_masks_survive_the_database(fo: Any, name: str) -> None:
    array = adversarial_masks()[name]
    dataset = fo.Dataset()
    sample = fo.Sample(filepath="a.jpg", label=detection(fo, array))
    dataset.add_sample(sample)
    dataset.clear_cache()
    stored = dataset.first().label
    read = annotation_from_detection(fields_of(stored), size_of(array))
    rendered = stored.to_segmentation(frame_size=array.shape[::-1], target=1).get_mask()
    dataset.delete()
    assert read.mask == Mask.from_array(array)
    np.testing.assert_array_equal(rendered != 0, array)


def fields_of(stored: Any) -> dict[str, Any]:
    names = ("label", "bounding_box", "mask", "confidence", "index")
    return {name: getattr(stored, name) for name in names}


def test_fiftyone_exports_a_mask_without_a_pixel(fo: Any, tmp_path: Path) -> None:
    nothing = detection(fo, np.zeros((5, 7), np.bool_))
    nothing.export_mask(str(tmp_path / "mask.png"))  # raises for a mask of 0 x 0
    assert not nothing.get_mask().any()


def test_a_box_goes_there_and_back() -> None:
    box = Annotation(label="cat", box_xyxy=(1, 2.25, 6, 5), score=0.5, track=4, source=("a", "b"))
    fields = detection_from_annotation(box, (7, 11))
    assert "mask" not in fields
    assert annotation_from_detection(fields, (7, 11)) == box


def test_what_a_model_does_not_say_is_not_invented() -> None:
    fields = detection_from_annotation(Annotation(label="cat", box_xyxy=(0, 0, 1, 1)), (2, 2))
    assert set(fields) == {"label", "bounding_box"}


def test_a_mask_that_floats_beside_its_pixels_is_placed_by_rounding() -> None:
    mask = np.ones((2, 3), np.bool_)
    fields = {"label": "cat", "bounding_box": [1.9999 / 9, 3.0004 / 8, 3 / 9, 2 / 8], "mask": mask}
    read = annotation_from_detection(fields, (8, 9))
    assert read.box_xyxy == (2, 3, 5, 5)


def test_a_mask_of_another_size_is_stretched_to_its_box() -> None:
    mask = np.array([[1, 0], [0, 2]], np.uint8)
    fields = {"label": "cat", "bounding_box": [0.25, 0, 0.5, 1], "mask": mask}
    read = annotation_from_detection(fields, (4, 8))
    expected = np.zeros((4, 8), np.bool_)
    expected[:2, 2:4], expected[2:, 4:6] = True, True
    assert read.mask == Mask.from_array(expected)


def test_a_mask_that_leaves_the_image_is_cut_off_there() -> None:
    mask = np.arange(12).reshape(3, 4) % 2 == 0
    fields = {"label": "", "bounding_box": [-0.25, -0.25, 1, 0.75], "mask": mask}
    read = annotation_from_detection(fields, (4, 4))
    expected = np.zeros((4, 4), np.bool_)
    expected[:2, :3] = mask[1:, 1:]
    assert read.mask == Mask.from_array(expected)


@pytest.mark.parametrize("name", adversarial_masks())
def test_a_mask_on_disk_is_the_mask(fo: Any, tmp_path: Path, name: str) -> None:
    array = adversarial_masks()[name]
    fields = detection_from_annotation(annotation_of(array), size_of(array), tmp_path / "a.png")
    assert "mask" not in fields
    stored = fo.Detection(**fields)
    rendered = stored.to_segmentation(frame_size=array.shape[::-1], target=1).get_mask()
    np.testing.assert_array_equal(rendered != 0, array)
    with PIL.Image.open(fields["mask_path"]) as picture:
        assert set(np.unique(np.asarray(picture))) <= {0, 255}  # a person sees it, too


@pytest.mark.parametrize("name", adversarial_masks())
def test_a_polyline_has_the_pixels_of_the_mask(fo: Any, name: str) -> None:
    array = adversarial_masks()[name]
    stored = fo.Polyline(**polyline_from_annotation(annotation_of(array), size_of(array)))
    fields = {name: stored[name] for name in ("label", "points", "closed", "filled")}
    assert annotation_from_polyline(fields, size_of(array)).mask == Mask.from_array(array)


def test_a_polyline_without_a_mask_is_the_box() -> None:
    box = Annotation(label="cat", box_xyxy=(2, 1, 6, 5), score=0.5, source=("a",))
    fields = polyline_from_annotation(box, (10, 8))
    assert fields["points"] == [[(0.25, 0.1), (0.75, 0.1), (0.75, 0.5), (0.25, 0.5)]]
    assert (fields["confidence"], fields["source"]) == (0.5, ["a"])


def test_classes_keep_the_numbers_that_they_have(fo: Any, tmp_path: Path) -> None:
    array = adversarial_masks()["ring"]
    targets = extended_targets({0: "background", 300: "dog"}, [annotation_of(array, "cat")])
    assert targets == {0: "background", 300: "dog", 301: "cat"}
    numbers = {name: number for number, name in targets.items()}
    fields = segmentation_from_annotations(
        [annotation_of(array, "cat")], size_of(array), numbers, tmp_path / "map.png"
    )
    np.testing.assert_array_equal(fo.Segmentation(**fields).get_mask(), array * np.uint16(301))


def test_targets_that_are_colors_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="Choose another field"):
        extended_targets({"#ff0000": "cat"}, ())


def test_fiftyone_reads_the_class_map(fo: Any, tmp_path: Path) -> None:
    array = adversarial_masks()["ring"]
    fields = segmentation_from_annotations(
        [annotation_of(array, "dog")], size_of(array), ["cat", "dog"], tmp_path / "map.png"
    )
    np.testing.assert_array_equal(fo.Segmentation(**fields).get_mask(), array * 2)
    assert mask_targets(["cat", "dog"])[2] == "dog"


def test_a_class_map_of_an_unknown_class_says_what_to_do(tmp_path: Path) -> None:
    cow = annotation_of(np.ones((2, 2), np.bool_), "cow")
    with pytest.raises(InvalidSetting, match=r"'cow' is not among the categories \(cat, dog\)"):
        segmentation_from_annotations([cow], (2, 2), ["cat", "dog"], tmp_path / "map.png")


def test_fiftyone_reads_every_level_of_the_heatmap(fo: Any, tmp_path: Path) -> None:
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    matte = Matte.from_array(alpha)
    soft = Annotation(label="cat", box_xyxy=(0, 0, 16, 16), mask=matte.mask(), matte=matte)
    fields = heatmap_from_annotations([soft], (16, 16), tmp_path / "alpha" / "a.png")
    heatmap = fo.Heatmap(**fields)
    np.testing.assert_array_equal(heatmap.get_map(), alpha)
    assert heatmap.range == [0, 255]
    with PIL.Image.open(io.BytesIO(Path(heatmap.map_path).read_bytes())) as picture:
        assert picture.mode == "L"
