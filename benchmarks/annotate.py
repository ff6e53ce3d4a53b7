"""`premask annotate` against the barest loop around the same model; and its memory."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import PIL.Image

from benchmarks.memory import peak_bytes
from benchmarks.photos import copy_photos
from benchmarks.table import Row, ratios_of
from premask.images import read_image
from premask.labels.formats import formats_of
from premask.models.options import NoOptions
from premask.models.pool import ModelPool
from premask.recipes.recipe import recipe_of
from premask.runs.folder_job import FolderJob
from premask.runs.folder_run import annotate_into_folder
from premask.runs.inputs import collect_inputs

IMAGES = 24
REPEATS = 5


def rows() -> Iterator[Row]:
    """Speed against the bare loop, then memory at 100 and at 1,000 images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield speed(folder)
        yield memory(folder)


def into_new_folders(paths: Sequence[Path], folder: Path, pool: ModelPool) -> Callable[[], None]:
    """What annotates all of these with `subject`, each time into a folder of its own."""
    turns = itertools.count()

    def annotate() -> None:
        job = FolderJob(
            inputs=collect_inputs(paths),
            recipe=recipe_of("subject"),
            folder=folder / f"out-{next(turns)}",
            formats=formats_of(["coco"]),
        )
        assert annotate_into_folder(job, pool).annotated == len(paths)

    return annotate


def speed(folder: Path) -> Row:
    paths = make_images(folder / "large", IMAGES, side=1400)
    pool = ModelPool()
    model = pool.matter("u2netp")
    annotate = into_new_folders(paths, folder, pool)

    def bare_loop() -> None:
        for path in paths:
            (alpha,) = model.matte([read_image(path)], [None], NoOptions())
            assert (alpha >= 128).any()

    ratio, of_the_processor = ratios_of(annotate, bare_loop, REPEATS)
    return Row(
        what="annotate (subject, COCO with mattes) / decode, model, threshold",
        ratio=ratio,
        goal=0.97,
        note=f"{IMAGES} photos of 1400 px, images/s; {of_the_processor:.2f} in processor time",
    )


def memory(folder: Path) -> Row:
    peaks = {count: peak_of_annotate(folder, count) for count in (100, 1000)}
    return Row(
        what="peak memory of annotate, 100 images / 1,000 images",
        ratio=peaks[100] / peaks[1000],
        goal=0.9,
        note=", ".join(f"{count}: {peak / 1e6:.0f} MB" for count, peak in peaks.items()),
    )


def peak_of_annotate(folder: Path, count: int) -> int:
    photos, out = folder / f"small-{count}", folder / f"out-small-{count}"
    make_images(photos, count, side=256)
    code = "import sys; from premask.cli import main; main(sys.argv[1:])"
    return peak_bytes(code, "annotate", str(photos), "--recipe", "faces", "--out", str(out))


def make_images(folder: Path, count: int, side: int) -> list[Path]:
    """Photos of about this size, no two the same."""
    folder.mkdir()
    photos = [PIL.Image.open(path).convert("RGB") for path in copy_photos(folder.parent / "photos")]
    paths = []
    for index, photo in zip(range(count), itertools.cycle(photos), strict=False):
        shift = index % 97
        crop = photo.crop((shift % 10, shift // 10, *photo.size))
        path = folder / f"{index:05}.jpg"
        crop.resize((side + index // 97, side * crop.height // crop.width)).save(path, quality=90)
        paths.append(path)
    return paths
