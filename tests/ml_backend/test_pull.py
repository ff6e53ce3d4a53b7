"""pull: what people drew is exported pixel by pixel, in any of the formats."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from ml_backend.commands import pull
from premask.annotations import Annotation
from premask.errors import UnknownFormat
from premask.labels.coco import read_coco
from premask.labels.label_studio import TagNames, regions_from_annotation
from premask.masks import Mask, Matte
from tests.golden.dataset import adversarial_masks
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import LocalServer

SIZE = (13, 17)
TAGS = TagNames(image="img")

Json = dict[str, Any]


def photo(size_hw: tuple[int, int] = SIZE) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size_hw[::-1], "green").save(file, "PNG")
    return file.getvalue()


def annotation(name: str, label: str = "face", **fields: Any) -> Annotation:
    mask = Mask.from_array(adversarial_masks(*SIZE)[name])
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, **fields)


def soft() -> Annotation:
    matte = Matte.from_array(np.arange(13 * 17).reshape(SIZE).astype(np.uint8))
    return Annotation(label="face", box_xyxy=matte.mask().box_xyxy, mask=matte.mask(), matte=matte)


def regions(*annotations: Annotation, **options: Any) -> list[Json]:
    return [
        region
        for index, annotation in enumerate(annotations)
        for region in regions_from_annotation(annotation, SIZE, index=index, names=TAGS, **options)
    ]


class Puller:
    """Runs the command with its flags, and reads what it wrote."""

    def __init__(self, server: LocalServer, folder: Path) -> None:
        self.server, self.folder = server, folder

    def __call__(self, *flags: str, code: int = 0) -> dict[str, tuple[Annotation, ...]]:
        parser = argparse.ArgumentParser()
        pull.add_arguments(parser)
        options = parser.parse_args(["--project", "1", "--out", str(self.folder), *flags])
        assert pull.run(options, settings_for(self.server.url)) == code
        pulled = read_coco(self.folder / "coco.json")
        return {labeled.image.name: labeled.annotations for labeled in pulled}


@pytest.fixture
def pulled(server: LocalServer, tmp_path: Path) -> Puller:
    return Puller(server, tmp_path)


def masks(annotations: tuple[Annotation, ...]) -> list[Mask | None]:
    return [annotation.mask for annotation in annotations]


def test_brushes_come_out_pixel_by_pixel(fake: FakeLabelStudio, pulled: Puller) -> None:
    drawn = [annotation(name) for name in adversarial_masks(*SIZE)]
    fake.annotate(fake.add_upload("1-a.png", photo()), regions(*drawn))
    found = pulled()["1-a.png"]
    assert masks(found) == [annotation.mask for annotation in drawn]
    assert {annotation.label for annotation in found} == {"face"}
    assert {annotation.source for annotation in found} == {("annotator 1",)}


def test_soft_alphas_and_scores_are_kept(fake: FakeLabelStudio, pulled: Puller) -> None:
    task = fake.add_upload("a.png", photo())
    fake.predict(task, regions(soft(), annotation("ring", score=0.25)), "premask-1")
    pulled("--predictions", "--format", "coco,coco-mattes")
    labeled, *_ = read_coco(pulled.folder / "coco_mattes.json")
    first, second = labeled.annotations
    assert first.matte == soft().matte
    assert second.score == 0.25
    assert second.source == ("premask-1",)


def test_other_shapes(fake: FakeLabelStudio, pulled: Puller) -> None:
    shapes = [
        *regions(annotation("full", "box"), controls=("RectangleLabels",)),
        *regions(annotation("full", "ellipse"), controls=("EllipseLabels",)),
        *regions(annotation("full", "polygon"), controls=("PolygonLabels",)),
    ]
    fake.annotate(fake.add_upload("a.png", photo()), shapes)
    box, ellipse, polygon = pulled()["a.png"]
    assert (box.label, box.mask, box.box_xyxy) == ("box", None, (0, 0, 17, 13))
    assert ellipse.mask is not None
    assert 160 < ellipse.mask.area < 13 * 17
    assert polygon.mask == annotation("full").mask


def test_one_object_in_several_regions_is_one_object(fake: FakeLabelStudio, pulled: Puller) -> None:
    tools = ("BrushLabels", "RectangleLabels", "PolygonLabels")
    drawn = [annotation("ring"), annotation("parts")]
    fake.annotate(fake.add_upload("a.png", photo()), regions(*drawn, controls=tools))
    assert masks(pulled()["a.png"]) == [one.mask for one in drawn]


def test_a_view_that_was_turned_changes_no_pixel(fake: FakeLabelStudio, pulled: Puller) -> None:
    """Label Studio turns the picture on the screen; what it saves is of the upright image."""
    turned = [{**region, "image_rotation": 90} for region in regions(annotation("ring"))]
    fake.annotate(fake.add_upload("a.png", photo()), turned)
    assert masks(pulled()["a.png"]) == [annotation("ring").mask]


def test_an_image_may_lie_deep_in_the_tasks_data(fake: FakeLabelStudio, pulled: Puller) -> None:
    fake.config = fake.config.replace("$image", "$meta.images[0]")
    task = fake.add_task({"meta": {"images": ["https://h/deep.png"]}})
    fake.annotate(task, regions(annotation("ring")))
    assert list(pulled()) == ["deep.png"]


def test_labels_beside_a_shape_are_its_own(fake: FakeLabelStudio, pulled: Puller) -> None:
    (shape,) = regions(annotation("ring"))
    shape = {**shape, "type": "brush", "value": {"format": "rle", "rle": shape["value"]["rle"]}}
    said = {"id": shape["id"], "type": "labels", "to_name": "img", "value": {"labels": ["dog"]}}
    fake.annotate(fake.add_upload("a.png", photo()), [shape, said])
    (found,) = pulled()["a.png"]
    assert (found.label, found.mask) == ("dog", annotation("ring").mask)


def test_what_is_no_shape_is_passed_over_and_said(
    fake: FakeLabelStudio, pulled: Puller, capsys: pytest.CaptureFixture[str]
) -> None:
    others: list[Json] = [
        {"id": "k", "type": "keypointlabels", "to_name": "img", "value": {"x": 1, "y": 1}},
        {"id": "c", "type": "choices", "to_name": "img", "value": {"choices": ["good"]}},
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
    ]
    fake.annotate(fake.add_upload("a.png", photo()), [*regions(annotation("ring")), *others])
    assert len(pulled()["a.png"]) == 1
    printed = capsys.readouterr().out
    for kind in ("1 x choices", "1 x keypointlabels", "1 x relation"):
        assert kind in printed


def test_empty_is_not_the_same_as_not_looked_at(
    fake: FakeLabelStudio, pulled: Puller, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.annotate(fake.add_upload("empty.png", photo((5, 7))), [])
    fake.add_upload("new.png", photo())
    fake.annotate(fake.add_upload("skipped.png", photo()), [], was_cancelled=True)
    assert pulled() == {"empty.png": ()}
    coco = json.loads((pulled.folder / "coco.json").read_text())
    assert [(image["height"], image["width"]) for image in coco["images"]] == [(5, 7)]
    printed = capsys.readouterr().out
    assert "0 objects in 1 images (1 of them looked at and empty; 0 failed)" in printed
    assert "nobody looked at them: 2 tasks" in printed


@pytest.mark.parametrize(
    ("annotator", "labels"),
    [("latest", ["second"]), ("all", ["first", "second"]), ("ground-truth", ["first"])],
)
def test_whose_annotation_counts(
    annotator: str,
    labels: list[str],
    fake: FakeLabelStudio,
    pulled: Puller,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = fake.add_upload("a.png", photo())
    fake.annotate(task, regions(annotation("ring", "second")), updated_at="2", completed_by=2)
    fake.annotate(task, regions(annotation("ring", "first")), updated_at="1", ground_truth=True)
    found = pulled("--annotator", annotator)["a.png"]
    assert [annotation.label for annotation in found] == labels
    assert f"annotated more than once: 1 tasks; taken: {annotator}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "labels"),
    [
        (["--annotations"], {"1.png": ["person"]}),
        (["--predictions"], {"1.png": ["new"], "2.png": ["new"]}),
        (["--both"], {"1.png": ["person"], "2.png": ["new"]}),
        (["--predictions", "--model-version", "v1"], {"2.png": ["old"]}),
    ],
)
def test_people_models_or_both(
    flags: list[str], labels: dict[str, list[str]], fake: FakeLabelStudio, pulled: Puller
) -> None:
    one, two = fake.add_upload("1.png", photo()), fake.add_upload("2.png", photo())
    fake.annotate(one, regions(annotation("ring", "person")))
    fake.predict(two, regions(annotation("ring", "old")), "v1")
    for task in (one, two):
        fake.predict(task, regions(annotation("ring", "new")), "v2")
    found = pulled(*flags)
    assert {name: [annotation.label for annotation in of] for name, of in found.items()} == labels


def test_images_of_one_name_stay_apart(fake: FakeLabelStudio, pulled: Puller) -> None:
    for number in (1, 2):
        task = fake.add_task({"image": f"https://host{number}/a.png"})
        fake.annotate(task, regions(annotation("ring", str(number))))
    found = pulled()
    assert [annotation.label for annotation in found["a.png"]] == ["1"]
    assert [annotation.label for annotation in found["task-3/a.png"]] == ["2"]


def test_several_images_of_a_task(fake: FakeLabelStudio, pulled: Puller) -> None:
    fake.config = """<View><Image name="img" value="$image"/><Image name="img2" value="$other"/>
    <BrushLabels name="brush" toName="img,img2"><Label value="face"/></BrushLabels></View>"""
    task = fake.add_task({"image": "https://h/a.png", "other": "https://h/b.png"})
    other = [{**region, "to_name": "img2"} for region in regions(annotation("parts"))]
    fake.annotate(task, [*regions(annotation("ring")), *other])
    found = pulled()
    assert masks(found["a.png"]) == [annotation("ring").mask]
    assert masks(found["b.png"]) == [annotation("parts").mask]


def test_each_page_of_a_list_is_an_image(fake: FakeLabelStudio, pulled: Puller) -> None:
    fake.config = '<View><Image name="img" valueList="$pages"/></View>'
    pages = [f"https://{host}/page.png" for host in "abc"]
    task = fake.add_task({"pages": pages})
    drawn = regions(annotation("ring"), controls=["Bitmask", "Rectangle"])
    last = [{**region, "item_index": 2} for region in regions(annotation("parts"))]
    size = [{**region, "item_index": 1} for region in regions(annotation("full"))]
    fake.annotate(task, [*drawn, *size, *last])
    found = pulled()
    assert masks(found["page.png"]) == [annotation("ring").mask]
    assert found["page.png"][0].label == "face"
    assert masks(found[f"task-{task}/page.png"]) == [annotation("full").mask]
    assert masks(found[f"task-{task}-2/page.png"]) == [annotation("parts").mask]


def test_what_fails_is_named_and_stops_nothing(
    fake: FakeLabelStudio, pulled: Puller, capsys: pytest.CaptureFixture[str]
) -> None:
    (good,) = regions(annotation("ring"))
    broken = {**good, "value": {**good["value"], "rle": good["value"]["rle"][:-9]}}
    bad = {
        "cut.png": [broken],
        "sizes.png": [good, {**good, "original_width": 99}],
    }
    for name, drawn in bad.items():
        fake.annotate(fake.add_upload(name, photo()), drawn)
    fake.annotate(fake.add_task({"image": "/data/upload/1/gone.png"}), [])
    fake.annotate(fake.add_upload("good.png", photo()), [good])
    assert list(pulled(code=1)) == ["good.png"]
    printed = capsys.readouterr().out
    reasons = ("can't be read", "different sizes", "404 Not Found")
    for name, reason in zip((*bad, "gone.png"), reasons, strict=True):
        (line,) = (line for line in printed.splitlines() if line.startswith(f"failed: {name}"))
        assert reason in line


def test_formats_that_need_pixels_get_them(fake: FakeLabelStudio, pulled: Puller) -> None:
    fake.annotate(fake.add_upload("a.png", photo()), regions(annotation("ring")))
    fake.annotate(fake.add_upload("other.png", photo((9, 9))), regions(annotation("ring")))
    assert list(pulled("--format", "coco,cutout,png-masks", code=1)) == ["a.png"]
    with PIL.Image.open(next((pulled.folder / "cutouts").iterdir())) as cutout:
        assert cutout.mode == "RGBA"
    with PIL.Image.open(next((pulled.folder / "masks").iterdir())) as mask:
        assert Mask.from_array(np.asarray(mask)) == annotation("ring").mask


def test_pixels_are_not_fetched_where_nobody_needs_them(
    fake: FakeLabelStudio, pulled: Puller, server: LocalServer
) -> None:
    fake.annotate(fake.add_upload("a.png", photo()), regions(annotation("ring")))
    pulled()
    assert not [path for path in server.paths() if path.startswith("/data/")]


def test_pages_are_small_and_nothing_is_left_behind(
    fake: FakeLabelStudio, pulled: Puller, server: LocalServer
) -> None:
    for number in range(25):
        fake.annotate(fake.add_upload(f"{number}.png", photo()), regions(annotation("ring")))
    assert len(pulled()) == 25
    assert len([path for path in server.paths() if "fields=all" in path]) == 4
    assert [path.name for path in pulled.folder.rglob("*") if path.is_file()] == ["coco.json"]


def test_pulled_again_it_is_the_same_file(fake: FakeLabelStudio, pulled: Puller) -> None:
    fake.annotate(fake.add_upload("a.png", photo()), regions(annotation("ring")))
    pulled()
    before = (pulled.folder / "coco.json").read_bytes()
    pulled()
    assert (pulled.folder / "coco.json").read_bytes() == before


def test_a_wrong_format_is_said_before_anything_is_asked(
    pulled: Puller, server: LocalServer
) -> None:
    with pytest.raises(UnknownFormat, match="Did you mean 'coco'"):
        pulled("--format", "cocoo")
    assert server.asked == []
