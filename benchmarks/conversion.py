"""COCO -> YOLO against Ultralytics and supervision; Label Studio's brushes against its SDK."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image

import premask
from benchmarks.memory import peak_bytes
from benchmarks.table import Row
from premask import Annotation, Image, Labeled, Mask
from premask.datasets.conversion import convert
from premask.datasets.losses import Loss
from premask.datasets.training_set import Conversion
from premask.labels import brush_rle

SIZE_HW = (480, 640)
OBJECTS = 20
IMAGES = 5_000
SMALL_IMAGES = 100
"""supervision holds all masks in memory as arrays: 100,000 of them would be 30 GB."""

TASKS = 1_000
SDK_TASKS = 20
"""The SDK needs seconds for a brush, so its time is that of a few."""


def rows() -> Iterator[Row]:
    """Each converter once: they take minutes, and the ratios are far from 1.

    Ultralytics copies polygons and joins their parts anyhow, which is fast, and is not the masks
    that were labeled. What has the same quality is written by hand, for objects of one part.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _conversions(folder)
        yield _brushes(folder)


def labeled(images: int, *, solid: bool = False) -> Iterator[Labeled]:
    """Rings and discs of all sizes, or discs alone, in groups of one object each."""
    rows_and_columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    draws = np.random.default_rng(0)
    shapes = []
    for _ in range(200):
        y, x, outer = *draws.integers(60, 420, 2), draws.integers(8, 60)
        distance = np.hypot(rows_and_columns[0] - y, rows_and_columns[1] - x)
        inner = 0 if solid else draws.integers(0, outer // 2)
        shapes.append(Mask.from_array((distance < outer) & (distance >= inner)))
    for place in range(images):
        chosen = [shapes[(place * OBJECTS + number) % len(shapes)] for number in range(OBJECTS)]
        image = Image(name=f"{place:06}.jpg", size_hw=SIZE_HW)
        found = (Annotation(label="thing", box_xyxy=mask.box_xyxy, mask=mask) for mask in chosen)
        yield Labeled(image=image, annotations=tuple(found))


def convert_with_premask(coco: Path, out: Path) -> None:
    convert(premask.read(coco), Conversion(format="yolo", out=out))


def convert_with_ultralytics(coco: Path, out: Path) -> None:
    from ultralytics.data.converter import convert_coco

    with contextlib.redirect_stdout(io.StringIO()):
        convert_coco(str(coco.parent), str(out), use_segments=True, cls91to80=False)


def convert_with_supervision(coco: Path, out: Path) -> None:
    from supervision import DetectionDataset

    theirs = DetectionDataset.from_coco(str(coco.parent / "images"), str(coco), force_masks=True)
    theirs.as_yolo(
        annotations_directory_path=str(out / "labels"), data_yaml_path=str(out / "data.yaml")
    )


def convert_by_hand(coco: Path, out: Path) -> None:
    """What people write themselves; pixels' middles are exact, for one part without holes."""
    import cv2
    from pycocotools.coco import COCO

    (out / "labels").mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO(str(coco))
    for number, image in labels.imgs.items():
        lines = []
        for record in labels.imgToAnns[number]:
            mask = labels.annToMask(record)
            (contour, *_), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            shares = (contour[:, 0] + 0.5) / SIZE_HW[::-1]
            lines.append(" ".join(["0", *(f"{share:.6f}" for share in shares.ravel())]))
        text = out / "labels" / Path(image["file_name"]).with_suffix(".txt")
        text.write_text("\n".join(lines))


def _conversions(folder: Path) -> Iterator[Row]:
    for images, theirs, reader, goal in (
        (IMAGES, convert_with_ultralytics, "Ultralytics", 0.3),
        (SMALL_IMAGES, convert_with_supervision, "supervision", 0.9),
        (SMALL_IMAGES, convert_by_hand, "by hand", 0.4),
    ):
        solid = theirs is convert_by_hand
        source = folder / reader
        source.mkdir()
        coco = source / "instances.json"
        premask.write(labeled(images, solid=solid), "coco-polygons", coco)
        if reader == "supervision":
            (source / "images").mkdir()
            for one in labeled(images):
                PIL.Image.new("RGB", SIZE_HW[::-1]).save(source / "images" / one.image.name)
        ours = _seconds(lambda: convert_with_premask(coco, folder / f"ours-{reader}"))  # noqa: B023
        other = _seconds(lambda: theirs(coco, folder / f"theirs-{reader}"))  # noqa: B023
        peaks = [_peak(function, coco, folder) for function in (convert_with_premask, theirs)]
        ious = [_iou(folder / f"{who}-{reader}", images, solid) for who in ("ours", "theirs")]
        yield Row(
            what=f"COCO -> YOLO, {images * OBJECTS:,} annotations, {reader} / premask",
            ratio=other / ours,
            goal=goal,
            note=f"{ours:.0f} s with the loss measured, {other:.0f} s; memory "
            f"{peaks[0] / 1e6:.0f} and {peaks[1] / 1e6:.0f} MB; mean IoU {' and '.join(ious)}",
        )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak(convert_it: Callable[[Path, Path], None], coco: Path, folder: Path) -> int:
    return peak_bytes(
        "import pathlib, sys\nfrom benchmarks import conversion\n"
        f"conversion.{convert_it.__name__}(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))",
        str(coco),
        str(folder / f"again-{convert_it.__name__}-{coco.parent.name}"),
    )


def _iou(folder: Path, images: int, solid: bool) -> str:
    """Of what Ultralytics would draw, whoever wrote the texts."""
    if not (folder / "data.yaml").is_file():
        (folder / "data.yaml").write_text("names: [thing]\n")
        nested = next(folder.rglob("labels/*/"), None)
        if nested is not None:
            for text in nested.glob("*.txt"):
                text.rename(folder / "labels" / text.name)
    wanted = list(labeled(min(images, 50), solid=solid))
    read = premask.read(folder, [one.image for one in wanted], format="yolo")
    return f"{Loss().compare(wanted, read).mean_iou:.3f}"


def _brushes(folder: Path) -> Row:
    path = folder / "tasks.json"
    masks = [found.mask for one in labeled(TASKS // OBJECTS) for found in one.annotations]
    with path.open("w") as file:
        file.write("[")
        for place, mask in enumerate(masks):
            assert mask is not None
            file.write(",\n" * bool(place) + json.dumps(_task(place, mask)))
        file.write("]")
    ours = _seconds(lambda: sum(len(one.annotations) for one in premask.read(path)))
    theirs = _seconds(lambda: _decode_with_sdk(path)) * TASKS / SDK_TASKS
    return Row(
        what=f"reading {TASKS:,} brush tasks of Label Studio, label-studio-sdk / premask",
        ratio=theirs / ours,
        goal=10,
        note=f"{ours:.1f} s; the SDK's time for {SDK_TASKS} tasks stands for {TASKS:,}",
    )


def _task(place: int, mask: Mask) -> dict[str, object]:
    value = {"format": "rle", "rle": list(brush_rle.encode(mask)), "brushlabels": ["thing"]}
    region = {
        "id": str(place),
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "original_width": SIZE_HW[1],
        "original_height": SIZE_HW[0],
        "value": value,
    }
    data = {"image": f"/data/local-files/?d={place}.jpg"}
    return {"id": place, "data": data, "annotations": [{"id": place, "result": [region]}]}


def _decode_with_sdk(path: Path) -> None:
    from label_studio_sdk.converter.brush import decode_rle

    for task in json.loads(path.read_text())[:SDK_TASKS]:
        (region,) = task["annotations"][0]["result"]
        decode_rle(region["value"]["rle"])
