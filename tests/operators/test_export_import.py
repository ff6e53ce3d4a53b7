"""What goes out of FiftyOne comes back to the pixel, beside what a person has made there."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidSetting, PremaskError, UnreadableImage
from premask.images import Image
from premask.labels.coco import read_coco, write_coco
from premask.labels.fiftyone import heatmap_from_annotations
from premask.labels.formats import FORMATS
from premask.labels.shard_row import Location, ShardRow
from premask.labels.shard_table import write_shard
from premask.masks import Mask
from premask.plans.job import PlanJob
from premask.plans.plan import make_plan
from premask.recipes.recipe import recipe_of
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
def export_masks(fo: Any) -> Any:
    return importlib.import_module("operators.work.export").export_masks


@pytest.fixture
def import_masks(fo: Any, tmp_path: Path) -> Any:
    """Import with the function itself, not the operator."""
    coco_import = importlib.import_module("operators.work.coco_import")
    history = importlib.import_module("operators.dataset.history")

    def imported(samples: Any, path: Path, *, label_field: str, **options: Any) -> Any:
        name = history.new_name()
        run = history.Run(
            name=name,
            dataset=coco_import.dataset_of(samples).name,
            operator="test",
            recipe="",
            settings="",
            params={},
            fields={},
            folder=str(tmp_path / "runs" / name),
        )
        return coco_import.import_masks(samples, path, run, label_field=label_field, **options)

    return imported


@pytest.fixture
def awkward(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Nineteen images with 209 masks in two folders."""
    dataset = awkward_dataset(fo, tmp_path / "images", 19)
    yield dataset
    dataset.delete()


@pytest.fixture
def empty(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Three images of one size, in two folders, without labels."""
    dataset = fo.Dataset()
    paths = [saved_image(tmp_path, name, SIZE) for name in ("x/a.png", "x/b.png", "y/a.png")]
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


def loaded_by_pycocotools(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


def coco_file(folder: Path, images: dict[str, list[Annotation]], size_hw: Any = SIZE) -> Path:
    labeled = [
        Labeled(image=Image(name=name, size_hw=size_hw), annotations=tuple(annotations))
        for name, annotations in images.items()
    ]
    return write_coco(labeled, folder / "labels.json", mattes=True)[0]


def ring(**fields: Any) -> Annotation:
    return annotation_of(adversarial_masks()["ring"], "ring", **fields)


def soft(seed: int = 0, part: slice = slice(3, 9)) -> Annotation:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[2:9, part] = np.random.default_rng(seed).integers(1, 256, alpha[2:9, part].shape)
    return soft_annotation(alpha)


def test_pycocotools_sees_every_pixel_of_209_exported_masks(
    awkward: Any, export_masks: Any, tmp_path: Path
) -> None:
    exported = export_masks(awkward, tmp_path / "out", label_fields=["masks"])
    assert (exported.images, exported.annotations, exported.failures) == (19, 209, {})
    assert exported.written == [str(tmp_path / "out" / "coco.json")]
    coco = loaded_by_pycocotools(tmp_path / "out" / "coco.json")
    exact = 0
    for image, masks in zip(coco.loadImgs(coco.getImgIds()), awkward_images(19), strict=True):
        records = coco.loadAnns(coco.getAnnIds([image["id"]]))
        for record, pixels in zip(records, masks.values(), strict=True):
            exact += np.array_equal(coco.annToMask(record), pixels)
    assert exact == 209


def test_209_masks_go_out_and_in_and_out_again_byte_by_byte(
    awkward: Any, export_masks: Any, import_masks: Any, tmp_path: Path
) -> None:
    export_masks(awkward, tmp_path / "out", label_fields=["masks"])
    imported = import_masks(awkward, tmp_path / "out" / "coco.json", label_field="again")
    assert (imported.images, imported.annotations, imported.failures) == (19, 209, {})
    export_masks(awkward, tmp_path / "again", label_fields=["again"])
    first, second = ((tmp_path / name / "coco.json").read_bytes() for name in ("out", "again"))
    assert first == second


def test_run_lengths_without_compression_and_polygons_are_imported_like_pycocotools_reads_them(
    awkward: Any, export_masks: Any, import_masks: Any, tmp_path: Path
) -> None:
    export_masks(
        awkward, tmp_path, label_fields=["masks"], formats=["coco-polygons"], classes=["ring"]
    )
    path = tmp_path / "coco_polygons.json"
    data = json.loads(path.read_text())
    for record, masks in zip(data["annotations"], awkward_images(19), strict=True):
        if record["id"] % 2:
            counts = Mask.from_array(masks["ring"]).run_lengths.tolist()
            record["segmentation"] = {"size": list(masks["ring"].shape), "counts": counts}
            record["iscrowd"] = 1
        record["bbox"] = [-4.4, 0.6, 900.2, 1.5]
    path.write_text(json.dumps(data))
    import_masks(awkward, path, label_field="again")
    export_masks(awkward, tmp_path, label_fields=["again"])
    coco = loaded_by_pycocotools(path)
    read = read_coco(tmp_path / "coco.json")
    for record, labeled in zip(coco.anns.values(), read, strict=True):
        (annotation,) = labeled.annotations
        assert annotation.mask == Mask.from_array(coco.annToMask(record))
        assert annotation.box_xyxy == annotation.mask.box_xyxy
        assert annotation.crowd == bool(record["iscrowd"])


def test_a_view_exports_what_it_shows(
    fo: Any, awkward: Any, export_masks: Any, tmp_path: Path
) -> None:
    view = awkward.filter_labels("masks", fo.ViewField("label").is_in(["ring", "full"]))[4:6]
    exported = export_masks(view, tmp_path, label_fields=["masks"])
    assert (exported.images, exported.annotations) == (2, 4)
    assert [labeled.image.name for labeled in read_coco(tmp_path / "coco.json")] == [
        "a/004.png",
        "b/005.png",
    ]


def test_several_fields_and_only_some_classes_in_their_order(
    fo: Any, empty: Any, export_masks: Any, tmp_path: Path
) -> None:
    full = annotation_of(adversarial_masks()["full"], "full")
    parts = annotation_of(adversarial_masks()["parts"], "parts")
    empty.set_values("truth", [detections(fo, [ring(), full], SIZE)] * 3)
    empty.set_values("found", [detections(fo, [parts], SIZE)] * 3)
    fields = ["truth", "found"]
    export_masks(empty, tmp_path, label_fields=fields, classes=["parts", "ring"])
    data = json.loads((tmp_path / "coco.json").read_text())
    assert [category["name"] for category in data["categories"]] == ["parts", "ring"]
    assert [entry["category_id"] for entry in data["annotations"]] == [2, 1] * 3


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(
    fo: Any, empty: Any, export_masks: Any, tmp_path: Path, name: str
) -> None:
    empty.set_values("found", [detections(fo, [ring()], SIZE)] * 3)
    steps: list[tuple[int, int | None]] = []
    exported = export_masks(
        empty,
        tmp_path / "out",
        label_fields=["found"],
        formats=[name],
        on_progress=lambda step: steps.append((step.done, step.total)),
    )
    assert (exported.images, exported.failures) == (3, {})
    assert all(Path(path).exists() for path in exported.written)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_several_formats_count_every_image_once(
    fo: Any, empty: Any, export_masks: Any, tmp_path: Path
) -> None:
    empty.set_values("found", [detections(fo, [ring()], SIZE)] * 3)
    exported = export_masks(
        empty, tmp_path / "out", label_fields=["found"], formats=["coco", "yolo", "png", "cutout"]
    )
    assert (exported.images, exported.annotations) == (3, 3)
    names = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("out/**/a*")}
    assert {"cutouts/x/a_0.png", "cutouts/y/a_0.png", "yolo/labels/x/a.txt"} <= names


def test_an_image_that_fails_is_named_and_stops_nothing(
    fo: Any, empty: Any, export_masks: Any, tmp_path: Path
) -> None:
    empty.compute_metadata(progress=False)
    empty.set_values("found", [detections(fo, [ring()], SIZE)] * 3)
    first, second = empty.values("filepath")[:2]
    Path(first).write_bytes(b"broken")
    PIL.Image.new("RGB", (5, 5)).save(second)
    exported = export_masks(
        empty, tmp_path / "out", label_fields=["found"], formats=["cutout", "coco"]
    )
    assert set(exported.failures) == {"x/a.png", "x/b.png"}
    assert "its metadata say (13, 17)" in exported.failures["x/b.png"]
    assert [path.name for path in (tmp_path / "out" / "cutouts").rglob("*.png")] == ["a_0.png"]
    assert len(read_coco(tmp_path / "out" / "coco.json")) == 3


def test_nothing_to_export_says_so(empty: Any, export_masks: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="name one label field"):
        export_masks(empty, tmp_path, label_fields=[])


def alpha_of(sample: Any) -> NDArray[np.uint8]:
    alpha: NDArray[np.uint8] = sample.found_heatmap.get_map()
    return alpha


def test_mattes_go_out_as_planes_and_come_back_as_heatmaps(
    fo: Any, empty: Any, export_masks: Any, import_masks: Any, tmp_path: Path
) -> None:
    matted = soft()
    path = heatmap_from_annotations([matted], SIZE, tmp_path / "alpha.png")
    sample = empty.first()
    sample["written"], sample["alpha"] = detections(fo, [matted], SIZE), fo.Heatmap(**path)
    sample.save()
    formats = ["coco-mattes"]
    exported = export_masks(
        empty, tmp_path / "out", label_fields=["written", "alpha"], formats=formats
    )
    assert exported.mattes == 1
    imported = import_masks(empty, tmp_path / "out" / "coco_mattes.json", label_field="found")
    assert (imported.mattes, imported.blended) == (1, 0)
    assert matted.matte is not None
    np.testing.assert_array_equal(alpha_of(empty.first()), matted.matte.to_array())
    assert empty.values("found_heatmap.range")[0] == [0, 255]
    export_masks(
        empty, tmp_path / "again", label_fields=["found", "found_heatmap"], formats=formats
    )
    paths = (tmp_path / name / "coco_mattes.json" for name in ("out", "again"))
    first, second = (path.read_bytes() for path in paths)
    assert first == second


def test_mattes_that_reach_into_each_other_are_counted(
    empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    path = coco_file(tmp_path, {"x/a.png": [soft(), soft(1, slice(6, 14))]})
    imported = import_masks(empty, path, label_field="found")
    assert imported.mattes == 2
    assert imported.blended > 0


def test_images_find_their_samples_by_the_end_of_the_path(
    empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    names = ["x/a.png", "b.png", "a.png", "z/a.png", "x/b.png"]
    path = coco_file(tmp_path, {name: [ring()] for name in names})
    imported = import_masks(empty, path, label_field="found")
    assert imported.images == 2
    assert "2 samples have paths that end with this" in imported.failures["a.png"]
    assert "no sample's path ends with this" in imported.failures["z/a.png"]
    assert "another image of this file" in imported.failures["x/b.png"]
    assert [len(labels or ()) for labels in empty.values("found.detections")] == [1, 1, 0]


def test_masks_for_an_image_of_another_size_are_not_imported(
    empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    path = coco_file(tmp_path, {"x/a.png": [], "x/b.png": []}, size_hw=(17, 13))
    imported = import_masks(empty, path, label_field="found")
    assert "(17, 13), but the image has (13, 17)" in imported.failures["x/a.png"]
    assert imported.images == 0


def test_a_folder_of_images_becomes_samples_once(
    empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    saved_image(tmp_path, "x/c.png", SIZE)
    path = coco_file(tmp_path, {name: [ring()] for name in ("a.png", "c.png", "gone.png")})
    imported = import_masks(empty, path, label_field="found", image_folder=tmp_path / "x")
    assert (imported.new_samples, imported.images) == (1, 2)
    assert "there is no file" in imported.failures["gone.png"]
    assert [Path(name).name for name in empty.values("filepath")][-1] == "c.png"
    assert empty.last().metadata.width == SIZE[1]
    assert [len(labels or ()) for labels in empty.values("found.detections")] == [1, 0, 0, 1]
    again = import_masks(empty, path, label_field="other", image_folder=tmp_path / "x")
    assert (again.new_samples, again.images, len(empty)) == (0, 2, 4)


def test_a_plan_is_imported_by_its_folder(
    fo: Any, empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    """Two images are called a.png at their ends: where they lie tells them apart."""
    saved_image(tmp_path, "z/new.png", SIZE)
    job = PlanJob(recipe=recipe_of("subject"))
    plan = make_plan([str(tmp_path / "[xyz]/*.png")], job, tmp_path / "plan", 2)
    for index in plan.shards:
        rows = []
        for image in plan.images(index):
            error = UnreadableImage(image.name, "bad") if image.name == "x/b.png" else None
            found = Image(name=image.name, size_hw=SIZE)
            labeled = Labeled(image=found, annotations=(ring(),), error=error)
            where = Location(image_id=image.id, uri=image.uri, version=image.version)
            rows.append(ShardRow.of(labeled, where))
        write_shard(plan.labels_path(index), rows, plan.shard_fingerprint(index))
    imported = import_masks(empty, plan.folder, label_field="found")
    assert (imported.images, imported.new_samples) == (3, 1)
    assert list(imported.failures) == ["x/b.png"]
    assert "bad" in imported.failures["x/b.png"]
    assert empty.count("found.detections") == 3
    assert Path(empty.last().filepath) == tmp_path / "z/new.png"


def test_a_view_gets_no_new_samples(empty: Any, import_masks: Any, tmp_path: Path) -> None:
    path = coco_file(tmp_path, {"a.png": [ring()], "b.png": [ring()]})
    imported = import_masks(empty.limit(1), path, label_field="found", image_folder=tmp_path / "x")
    assert (imported.images, len(empty)) == (1, 3)
    assert "no sample of this view" in imported.failures["b.png"]


def test_labels_that_are_there_are_not_touched(
    fo: Any, empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    path = coco_file(tmp_path, {"x/a.png": [ring(), soft()], "x/b.png": []})
    sample = empty.first()
    sample["found"] = detections(fo, [ring()], SIZE)
    sample.found.detections[0].note = "by hand"
    sample.save()
    before = sample.found.to_dict()
    with pytest.raises(InvalidSetting, match=r"'found' has labels for these samples \(1\)"):
        import_masks(empty, path, label_field="found")
    for duplicates in (1, 2):
        imported = import_masks(empty, path, label_field="found", append=True)
        assert imported.duplicates == duplicates
        assert imported.annotations == 2 - duplicates
        empty.reload()
        found = empty.first().found
        assert found.to_dict()["detections"][:1] == before["detections"]
        assert len(found.detections) == 2
    assert "has a heatmap" in imported.failures["x/a.png"]
    assert empty.values("found.detections") == [found.detections, [], None]


def test_a_heatmap_that_is_there_stays(
    fo: Any, empty: Any, import_masks: Any, tmp_path: Path
) -> None:
    sample = empty.first()
    sample["found_heatmap"] = fo.Heatmap(map=np.full(SIZE, 7, np.uint8))
    sample.save()
    path = coco_file(tmp_path, {"x/a.png": [soft()], "x/b.png": [soft()]})
    imported = import_masks(empty, path, label_field="found")
    assert "its mattes were left out" in imported.failures["x/a.png"]
    empty.reload()
    assert (alpha_of(empty.first()) == 7).all()
    assert imported.mattes == 1


def test_a_field_of_another_kind_is_refused(empty: Any, import_masks: Any, tmp_path: Path) -> None:
    path = coco_file(tmp_path, {"x/a.png": [ring()]})
    with pytest.raises(PremaskError, match="'tags'"):
        import_masks(empty, path, label_field="tags")


def test_the_operators_do_it_from_python(
    operator: Any, photo_dataset: Any, fo: Any, tmp_path: Path
) -> None:
    photo_dataset.compute_metadata(progress=False)
    metadata = photo_dataset.first().metadata
    size_hw = metadata.height, metadata.width
    pixels = np.zeros(size_hw, np.bool_)
    pixels[10:90, 7:33] = True
    sample = photo_dataset.first()
    sample["hand"] = detections(fo, [annotation_of(pixels, score=0.5)], size_hw)
    sample.save()
    view = photo_dataset.limit(2)
    exported = operator("export_masks")(view, label_fields=["hand"], folder=tmp_path).result
    assert (exported["images"], exported["annotations"]) == (2, 1)
    assert "1 annotation in 2 images" in exported["summary"]
    imported = operator("import_masks")(
        photo_dataset, path=tmp_path / "coco.json", label_field="again"
    ).result
    assert (imported["images"], imported["annotations"]) == (2, 1)
    photo_dataset.reload()
    (again,) = photo_dataset.first().again.detections
    np.testing.assert_array_equal(again.mask, pixels[10:90, 7:33])
    assert again.confidence == 0.5


def test_the_operator_adds_samples_to_a_dataset(operator: Any, empty: Any, tmp_path: Path) -> None:
    saved_image(tmp_path, "x/c.png", SIZE)
    path = coco_file(tmp_path, {"c.png": [ring()]})
    imported = operator("import_masks")(empty, path=path, image_folder=tmp_path / "x").result
    assert imported["new_samples"] == 1
    empty.reload()
    assert [len(labels or ()) for labels in empty.values("imported.detections")] == [0, 0, 0, 1]


def test_the_forms_offer_what_is_there(form: Any, fo: Any, empty: Any) -> None:
    empty.set_values("found", [detections(fo, [ring()], SIZE)] * 3)
    fields = form("export_masks", empty, {"label_fields": ["found"]})
    choices = [choice["value"] for choice in fields["label_fields"]["view"]["choices"]]
    assert choices == ["found"]
    assert [choice["value"] for choice in fields["formats"]["view"]["choices"]] == list(FORMATS)
    assert [choice["value"] for choice in fields["classes"]["view"]["choices"]] == ["ring"]
    field = form("import_masks", empty)["label_field"]
    assert [choice["value"] for choice in field["view"]["choices"]] == ["found"]
    assert "summary" in form("import_masks", empty, results={"summary": "done"})


@pytest.fixture
def imported(operator: Any, empty: Any, tmp_path: Path) -> Any:
    """Import a mask, and one with a matte, with the operator, and return the run."""
    path = coco_file(tmp_path, {"x/a.png": [ring()], "x/b.png": [soft()]})

    def run(**options: Any) -> Any:
        known = set(empty.list_runs())
        operator("import_masks")(empty, path=path, label_field="found", **options)
        empty.reload()
        (name,) = set(empty.list_runs(method="premask")) - known
        return importlib.import_module("operators.dataset.history").load(empty, name)

    return run


def test_an_import_is_in_the_history_and_can_be_undone(
    imported: Any, operator: Any, empty: Any, tmp_path: Path
) -> None:
    run = imported(folder=str(tmp_path / "files"))
    assert (run.state, run.labeled, run.annotations, run.failed) == ("finished", 2, 2, 0)
    assert run.title.startswith("COCO import, ")
    assert run.fields == {"found": "detections", "found_heatmap": "heatmap"}
    assert Path(empty.values("found_heatmap.map_path")[1]).is_relative_to(tmp_path / "files")
    done = operator("undo_run")(empty, run.name).result
    assert done["removed"] == 3
    empty.reload()
    assert not {"found", "found_heatmap"} & set(empty.get_field_schema())
    assert not list((tmp_path / "files").rglob("*.png"))


def test_undone_imports_leave_a_person_s_labels(
    imported: Any, operator: Any, fo: Any, empty: Any
) -> None:
    sample = empty.first()
    sample["found"] = detections(fo, [replace(ring(), label="hand")], SIZE)
    sample.save()
    before = sample.found.to_dict()
    run = imported(append=True)
    assert run.new_fields == ["found_heatmap"]
    operator("undo_run")(empty, run.name)
    empty.reload()
    empty.clear_cache()
    assert empty.first().found.to_dict() == before
    assert empty.values("found")[1:] == [None, None]


def test_imported_masks_may_lie_on_disk(imported: Any, empty: Any, tmp_path: Path) -> None:
    imported(masks_on_disk=True, folder=str(tmp_path / "files"))
    (label,) = empty.values("found.detections")[0]
    assert label.mask is None
    assert Path(label.mask_path).is_relative_to(tmp_path / "files")
    assert label.get_mask().any()


def test_what_was_imported_is_never_replaced(imported: Any, operator: Any, empty: Any) -> None:
    """What was imported may be a person's work, so it is not replaced."""
    imported()
    before = [holder and holder.to_dict()["detections"] for holder in empty.values("found")]
    run = operator("label_samples")(
        empty, recipe="faces", label_field="found", existing="replace"
    ).result
    assert run["labeled"] == 3
    empty.reload()
    after = [holder.to_dict()["detections"] for holder in empty.values("found")]
    assert after == [before[0], before[1], []]


def test_samples_that_an_import_added_stay_and_undo_says_so(
    imported: Any, operator: Any, form: Any, empty: Any, tmp_path: Path
) -> None:
    saved_image(tmp_path, "y/x/a.png", SIZE)
    run = imported(image_folder=str(tmp_path / "y"))
    assert (run.new_samples, run.failed) == (1, 1)
    assert "It added 1 sample: these stay" in str(form("undo_run", empty)["consequence"])
    operator("undo_run")(empty, run.name)
    empty.reload()
    assert len(empty) == 4


def test_points_are_no_masks(fo: Any, operator: Any, empty: Any, tmp_path: Path) -> None:
    empty.set_values("clicks", [fo.Keypoints()] * len(empty))
    with pytest.raises(Exception, match="they are no masks"):
        operator("export_masks")(empty, label_fields=["clicks"], folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()
