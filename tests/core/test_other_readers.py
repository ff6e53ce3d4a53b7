"""Readers and writers that nobody here wrote, on holes, bare boxes, crowds, empty images.

What a reader can't do stands in docs/training.md, and is tested here as well: once it can, the test
says so.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import premask
from premask import Annotation, Image, Labeled, Mask
from premask.datasets.conversion import convert
from premask.datasets.training_set import Conversion

SIZE = (40, 60)
NAMES = ("full.jpg", "empty.jpg", "turned.jpg", "box.jpg", "crowd.jpg")


def pixels(x: int, side: int, *, hole: bool = False) -> NDArray[np.bool_]:
    array = np.zeros(SIZE, np.bool_)
    array[5 : 5 + side, x : x + side] = True
    if hole:
        array[9 : side - 2, x + 4 : x + side - 6] = False
    return array


def found(label: str, array: NDArray[np.bool_], *, crowd: bool = False) -> Annotation:
    mask = Mask.from_array(array)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, crowd=crowd)


def labels() -> list[Labeled]:
    ring, square = found("cat", pixels(3, 20, hole=True)), found("dog", pixels(30, 12))
    objects = {
        "full.jpg": (ring, square),
        "turned.jpg": (square,),
        "box.jpg": (Annotation(label="dog", box_xyxy=(2.0, 3.0, 20.0, 30.0)),),
        "crowd.jpg": (found("cat", pixels(10, 25), crowd=True), square),
    }
    return [
        Labeled(image=Image(name=name, size_hw=SIZE), annotations=objects.get(name, ()))
        for name in NAMES
    ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for place, name in enumerate(NAMES):
        picture = PIL.Image.new("RGB", SIZE[::-1], (40 * place, 80, 10))
        exif = PIL.Image.Exif()
        if name == "turned.jpg":
            picture = picture.transpose(PIL.Image.Transpose.ROTATE_90)
            exif[274] = 6
        picture.save(folder / name, exif=exif)
    return folder


def made(form: str, folder: Path, photos: Path, *names: str) -> Path:
    """A set in a format, of the images of these names (by default of all), upright."""
    chosen = [one for one in labels() if not names or one.image.name in names]
    premask.write(chosen, "coco", folder / "source.json")
    out = folder / "set"
    if form.startswith(("coco", "cvat")):
        out = out / ("labels.json" if form.startswith("coco") else "labels.xml")
    dataset = premask.read(folder / "source.json", photos)
    convert(dataset, Conversion(format=form, out=out, copy="upright"))
    return out


@contextlib.contextmanager
def quiet() -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@pytest.mark.parametrize("form", ["coco", "coco-polygons"])
@pytest.mark.parametrize("package", ["pycocotools.coco", "faster_coco_eval"])
def test_coco_libraries_see_the_very_pixels(
    form: str, package: str, tmp_path: Path, photos: Path
) -> None:
    module: Any = pytest.importorskip(package)
    path = made(form, tmp_path, photos)
    with quiet():
        coco = module.COCO(str(path))
    assert len(coco.imgs) == 5
    by_name = {image["file_name"]: number for number, image in coco.imgs.items()}
    for one in labels():
        records = coco.loadAnns(coco.getAnnIds(imgIds=by_name[one.image.name]))
        assert [record["iscrowd"] for record in records] == [one.crowd for one in one.annotations]
        for record, annotation in zip(records, one.annotations, strict=True):
            if annotation.mask is not None:
                np.testing.assert_array_equal(coco.annToMask(record), annotation.mask.to_array())
            else:
                with pytest.raises(KeyError, match="segmentation"):
                    coco.annToMask(record)


def test_both_evaluations_find_what_is_perfect(tmp_path: Path, photos: Path) -> None:
    fast: Any = pytest.importorskip("faster_coco_eval")
    path = made("coco", tmp_path, photos, "full.jpg", "empty.jpg", "turned.jpg")
    premask.write(premask.read(path), "coco-results", tmp_path / "results.json")
    results = json.loads((tmp_path / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps([{**one, "score": 0.9} for one in results]))
    with quiet():
        truth = fast.COCO(str(path))
        evaluation = fast.COCOeval_faster(
            truth, truth.loadRes(str(tmp_path / "results.json")), "segm"
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


@pytest.mark.parametrize("form", ["coco", "coco-polygons"])
def test_torchvision(form: str, tmp_path: Path, photos: Path) -> None:
    datasets: Any = pytest.importorskip("torchvision.datasets")
    path = made(form, tmp_path, photos)
    with quiet():
        plain = datasets.CocoDetection(path.parent / "images", path)
    data = datasets.wrap_dataset_for_transforms_v2(plain, target_keys=("boxes", "labels", "masks"))
    for place, one in enumerate(labels()):
        if one.image.name == "box.jpg":
            with pytest.raises(KeyError, match="segmentation"):
                data[place]
            continue
        image, target = data[place]
        assert image.size == SIZE[::-1], "torchvision ignores EXIF, so the pixels are upright"
        if not one.annotations:
            assert "boxes" not in target
            continue
        wanted = [found.mask.to_array() for found in one.annotations if found.mask is not None]
        np.testing.assert_array_equal(target["masks"].numpy().astype(bool), np.stack(wanted))


def test_supervision_reads_coco_and_yolo_and_voc(tmp_path: Path, photos: Path) -> None:
    sv: Any = pytest.importorskip("supervision")
    names = ("full.jpg", "empty.jpg", "turned.jpg")
    coco = made("coco", tmp_path / "a", photos, *names)
    yolo = made("yolo", tmp_path / "b", photos, *names)
    voc = made("voc", tmp_path / "c", photos, *names)
    read = sv.DetectionDataset
    sets = {
        "coco": read.from_coco(str(coco.parent / "images"), str(coco), force_masks=True),
        "yolo": read.from_yolo(
            str(yolo / "images"), str(yolo / "labels"), str(yolo / "data.yaml"), force_masks=True
        ),
        "voc": read.from_pascal_voc(str(voc / "JPEGImages"), str(voc / "Annotations")),
    }
    wanted = {one.image.name: one.annotations for one in labels()}
    for form, dataset in sets.items():
        assert len(dataset) == 3, form
        for path, _, detections in dataset:
            annotations = wanted[Path(path).name]
            assert len(detections) == len(annotations), form
            for place, annotation in enumerate(annotations):
                assert dataset.classes[detections.class_id[place]] == annotation.label
                # YOLO has shares with so many digits, and supervision's boxes of VOC are whole.
                np.testing.assert_allclose(detections.xyxy[place], annotation.box_xyxy, atol=1.01)
                if form == "coco":
                    assert annotation.mask is not None
                    np.testing.assert_array_equal(
                        detections.mask[place], annotation.mask.to_array()
                    )


def test_what_supervision_writes_is_read(tmp_path: Path, photos: Path) -> None:
    sv: Any = pytest.importorskip("supervision")
    coco = made("coco", tmp_path, photos, "full.jpg", "turned.jpg")
    theirs = sv.DetectionDataset.from_coco(str(coco.parent / "images"), str(coco), force_masks=True)
    images = coco.parent / "images"
    theirs.as_coco(annotations_path=str(tmp_path / "sv.json"), approximation_percentage=0.0)
    theirs.as_yolo(
        annotations_directory_path=str(tmp_path / "yolo/labels"),
        data_yaml_path=str(tmp_path / "yolo/data.yaml"),
    )
    theirs.as_pascal_voc(annotations_directory_path=str(tmp_path / "voc"))
    for path, form in (("sv.json", "coco"), ("yolo", "yolo"), ("voc", "voc")):
        dataset = premask.read(tmp_path / path, images)
        assert dataset.format == form
        by_name = {one.image.name: one.annotations for one in dataset}
        for one in labels():
            if one.image.name in ("full.jpg", "turned.jpg"):
                back = by_name[one.image.name]
                assert {b.label for b in back} == {a.label for a in one.annotations}
                for annotation in one.annotations:
                    distances = [np.abs(np.subtract(b.box_xyxy, annotation.box_xyxy)) for b in back]
                    assert min(distance.max() for distance in distances) <= 1.01, (form, back)


def test_globox_reads_boxes_of_every_format_that_it_knows(tmp_path: Path, photos: Path) -> None:
    globox: Any = pytest.importorskip("globox")
    read = globox.AnnotationSet
    names = ("full.jpg", "empty.jpg", "turned.jpg", "box.jpg")
    sets = {
        "coco": read.from_coco(made("coco", tmp_path / "a", photos, *names)),
        "voc": read.from_pascal_voc(made("voc", tmp_path / "b", photos, *names) / "Annotations"),
        "cvat": read.from_cvat(made("cvat", tmp_path / "c", photos, "box.jpg", "empty.jpg")),
    }
    for form, theirs in sets.items():
        for one in labels():
            if one.image.name in theirs.image_ids:
                boxes = theirs[one.image.name].boxes
                assert len(boxes) == len(one.annotations), (form, one.image.name)
                for box, annotation in zip(boxes, one.annotations, strict=True):
                    assert box.label == annotation.label
                    sides = (box.xmin, box.ymin, box.xmax, box.ymax)
                    # It takes VOC's pixels, which count from 1, as they are.
                    np.testing.assert_allclose(sides, annotation.box_xyxy, atol=1.01)


@pytest.mark.parametrize("form", ["coco-polygons", "coco"])
def test_preparation_of_detr_in_transformers(form: str, tmp_path: Path, photos: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    path = made(form, tmp_path, photos)
    processor = transformers.DetrImageProcessor(do_resize=False, do_pad=False)
    data = json.loads(path.read_text())
    for image in data["images"]:
        own = [one for one in data["annotations"] if one["image_id"] == image["id"]]
        target = {"image_id": image["id"], "annotations": own}
        picture = PIL.Image.open(path.parent / "images" / image["file_name"])
        said = processor(picture, annotations=target, return_tensors="pt")
        (wanted,) = (one for one in labels() if one.image.name == image["file_name"])
        # It leaves crowds out.
        assert len(said["labels"][0]["boxes"]) == sum(not one.crowd for one in wanted.annotations)
        masks = [one.mask for one in wanted.annotations if one.mask and not one.crowd]
        if form == "coco-polygons" and masks and len(masks) == len(wanted.annotations):
            said = processor(
                picture, annotations=target, return_segmentation_masks=True, return_tensors="pt"
            )
            drawn = said["labels"][0]["masks"].numpy().astype(bool)
            np.testing.assert_array_equal(drawn, np.stack([mask.to_array() for mask in masks]))


def test_fiftyones_importers(tmp_path: Path, photos: Path) -> None:
    importers: Any = pytest.importorskip("fiftyone.utils.data.importers")
    coco_utils: Any = pytest.importorskip("fiftyone.utils.coco")
    voc_utils: Any = pytest.importorskip("fiftyone.utils.voc")
    cvat_utils: Any = pytest.importorskip("fiftyone.utils.cvat")
    assert importers
    coco = made("coco", tmp_path / "a", photos)
    voc = made("voc", tmp_path / "b", photos)
    cvat = made("cvat", tmp_path / "c", photos, "box.jpg", "empty.jpg")
    readers = {
        "coco": coco_utils.COCODetectionDatasetImporter(
            data_path=str(coco.parent / "images"),
            labels_path=str(coco),
            label_types=["segmentations"],
        ),
        "voc": voc_utils.VOCDetectionDatasetImporter(
            data_path=str(voc / "JPEGImages"), labels_path=str(voc / "Annotations")
        ),
        "cvat": cvat_utils.CVATImageDatasetImporter(
            data_path=str(cvat.parent / "images"), labels_path=str(cvat)
        ),
    }
    wanted = {one.image.name: one.annotations for one in labels()}
    for form, reader in readers.items():
        with quiet(), reader:
            for path, _, label in reader:
                detections = next(iter(label.values()), None) if isinstance(label, dict) else label
                count = len(detections.detections) if detections is not None else 0
                annotations = wanted[Path(path).name]
                if form == "coco":  # bare boxes are no segmentations
                    annotations = tuple(one for one in annotations if one.mask is not None)
                assert count == len(annotations), (form, path)


def test_label_studios_converter_reads_what_is_written_for_it(tmp_path: Path, photos: Path) -> None:
    converter: Any = pytest.importorskip("label_studio_sdk.converter").Converter
    chosen = [one for one in labels() if one.image.name in ("full.jpg", "empty.jpg")]
    premask.write(chosen, "label-studio-polygons", tmp_path / "label_studio.json")
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    for number, task in enumerate(tasks):
        task |= {"id": number, "annotations": [{"id": number, **task.pop("predictions")[0]}]}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    config = (tmp_path / "label_config.xml").read_text()
    tool = converter(config, str(tmp_path), upload_dir=str(tmp_path), download_resources=False)
    tool.convert_to_coco(str(tmp_path / "tasks.json"), str(tmp_path / "coco"), is_dir=False)
    full = next(one for one in premask.read(tmp_path / "coco/result.json") if one.annotations)
    # Label Studio's polygons have no holes, so the way into the hole is drawn without one.
    for back, annotation in zip(full.annotations, chosen[0].annotations, strict=True):
        assert back.label == annotation.label
        assert back.mask is not None
        assert annotation.mask is not None
        assert back.mask.iou(annotation.mask) > 0.99


def test_label_studios_importer_takes_polygons(tmp_path: Path, photos: Path) -> None:
    importer: Any = pytest.importorskip("label_studio_sdk.converter.imports.coco")
    path = made("coco-polygons", tmp_path, photos, "full.jpg", "turned.jpg")
    importer.convert_coco_to_ls(str(path), str(tmp_path / "ls.json"), out_type="annotations")
    theirs = premask.read(tmp_path / "ls.json")
    assert theirs.format == "label-studio"
    assert sum(len(one.annotations) for one in theirs) >= 3
