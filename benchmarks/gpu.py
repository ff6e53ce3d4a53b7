"""The application against the bare networks on a GPU: `python -m benchmarks.gpu`, ten minutes.

The networks have their real sizes and random weights, which cost the same as trained ones, so that
nothing is downloaded. With `--tiny` all is small: that shows, on any machine, that the script runs.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_video, steps
from benchmarks.annotate import make_images
from benchmarks.gpu_networks import BUILDERS, TINY_BUILDERS
from benchmarks.gpu_video import wait_for
from benchmarks.table import Row, print_table, things_a_second
from premask.images import Image, read_image
from premask.models.embeddings import EmbeddingCache
from premask.models.options import EverythingOptions, NoOptions
from premask.models.pool import ModelPool
from premask.prompts import BoxPrompt, Hint, Phrase, Point, Prompts
from premask.recipes.recipe import Recipe, recipe_of
from premask.runs.pipeline import label

OBJECTS = 20
"""Masks an image, where the model finds them."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured: photos of this width, seconds a measurement, batches of these sizes."""

    photos: int = 48
    width: int = 1920
    seconds: float = 10
    batches: tuple[int, ...] = (1, 4, 16)
    grid: int = 32
    birefnet: tuple[int, int] = (1024, 1024)
    clip: gpu_video.Clip = gpu_video.Clip()


TINY = Extent(
    photos=3,
    width=200,
    seconds=0.01,
    batches=(1, 2),
    grid=2,
    birefnet=(64, 32),
    clip=gpu_video.TINY,
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A recipe with one model, what is asked, and one pass of the bare network over a batch."""

    name: str
    recipe: Recipe
    bare: Callable[[Any, Sequence[Image]], object]
    prompts: Prompts = Prompts()


def sam2_pass(segmenter: Any, images: Sequence[Image]) -> object:
    """Encode the images, and decode one box in each."""
    network = segmenter._network
    features = network.encode(network.pixels(images))
    full = {name: maps.float() for name, maps in features.items()}
    boxes = torch.tensor([[[9.0, 9, 99, 99]]] * len(images), device=network.device)
    return network.decode(full, {"input_boxes": boxes}, False, NoOptions())


def sam3_pass(finder: Any, images: Sequence[Image]) -> object:
    """Encode the images, and look for one phrase in each."""
    model = finder._network._model
    vision = model.get_vision_features(finder._network.pixels(images))
    vision.fpn_hidden_states = tuple(maps.float() for maps in vision.fpn_hidden_states)
    ids = torch.ones(len(images), 32, dtype=torch.long, device=model.device)
    return model(vision_embeds=vision, input_ids=ids, attention_mask=torch.ones_like(ids))


def rf_detr_pass(finder: Any, images: Sequence[Image]) -> object:
    prepared = [
        finder._processor(images=[torch.tensor(image.rgb).permute(2, 0, 1)], return_tensors="pt")
        for image in images
    ]
    pixels = torch.cat([inputs["pixel_values"] for inputs in prepared])
    return finder._model(pixel_values=pixels.to(finder._device))


def birefnet_pass(matter: Any, images: Sequence[Image], *, size: tuple[int, int]) -> object:
    width, height = size
    pixels = torch.zeros(len(images), 3, height, width, device=matter._device, dtype=matter._dtype)
    return matter._network(pixels)


def subjects(folder: Path, extent: Extent) -> list[Subject]:
    """The models, whose weights are in folders of these names."""
    width, height = extent.birefnet
    cat = Prompts(phrases=(Phrase(text="cat"),))
    middle = Prompts(boxes=(BoxPrompt(box_xyxy=(20.0, 20, 150, 100), label="thing"),))
    twenty = {"find.threshold": 0.0, "select.top": OBJECTS}
    return [
        Subject(
            name="SAM 2.1 large",
            recipe=recipe_of("click").with_settings({"outline.model": f"sam2:{folder / 'sam2'}"}),
            bare=sam2_pass,
            prompts=middle,
        ),
        Subject(
            name="SAM 3",
            recipe=recipe_of("sam3").with_settings(
                {"find.model": f"sam3:{folder / 'sam3'}", **twenty}
            ),
            bare=sam3_pass,
            prompts=cat,
        ),
        Subject(
            name="RF-DETR seg",
            recipe=recipe_of("detect-masks").with_settings(
                {"find.model": f"detr:{folder / 'detr'}", **twenty}
            ),
            bare=rf_detr_pass,
        ),
        Subject(
            name="BiRefNet",
            recipe=recipe_of("birefnet").with_settings(
                {
                    "matte.model": f"birefnet:{folder / 'birefnet'}",
                    "matte.width": width,
                    "matte.height": height,
                }
            ),
            bare=partial(birefnet_pass, size=extent.birefnet),
        ),
    ]


def rows(folder: Path, device: str, extent: Extent) -> Iterator[Row]:
    """Images a second by model and batch, then clicks, `everything`, and clips."""
    paths = make_images(folder / "photos", extent.photos, side=extent.width)
    for subject, batch in itertools.product(subjects(folder, extent), extent.batches):
        yield imagesthings_a_second(subject, paths, batch, device, extent)
    yield from asking_sam2(folder, paths[0], device, extent)
    yield from gpu_video.rows(device, extent.clip, extent.seconds)


def imagesthings_a_second(
    subject: Subject, paths: Sequence[Path], batch: int, device: str, extent: Extent
) -> Row:
    """From files to annotations, against the network alone on images that are decoded."""
    # Nothing is remembered, so that each turn looks at each image.
    pool = ModelPool(device=device, embeddings=EmbeddingCache(memory_bytes=0))
    images = [read_image(path) for path in paths[:batch]]
    (name,) = subject.recipe.models
    model = pool.load(name)

    def bare() -> int:
        with torch.inference_mode():
            subject.bare(model, images)
        wait_for(device)
        return len(images)

    def ours() -> int:
        labeled = label(
            list(paths), subject.recipe, prompts=subject.prompts, pool=pool, batch_size=batch
        )
        errors = [result.error for result in labeled if result.error is not None]
        if errors:
            raise errors[0]
        return len(paths)

    theirs, own = things_a_second(bare, extent.seconds), things_a_second(ours, extent.seconds)
    return Row(
        what=f"{subject.name}, batches of {batch}: application / bare network",
        ratio=own / theirs,
        goal=0.9,
        note=f"{own:.1f} / {theirs:.1f} images/s, {1000 / theirs:.1f} ms an image in the network",
    )


def asking_sam2(folder: Path, path: Path, device: str, extent: Extent) -> Iterator[Row]:
    """Warm clicks, and all objects of an image."""
    pool = ModelPool(device=device)
    segmenter: Any = pool.load(f"sam2:{folder / 'sam2'}")
    image = read_image(path)
    seen = segmenter.embed([image])
    click = [Hint(label="", points=(Point(x=image.size_hw[1] / 2, y=image.size_hw[0] / 2),))]

    def clicked() -> int:
        return len(segmenter.segment(seen, [click], NoOptions()))

    clicks = things_a_second(clicked, extent.seconds)
    yield Row(what="warm clicks a second, SAM 2.1 large", ratio=clicks, note="goal: 30 and more")
    options = EverythingOptions(points_per_side=extent.grid, min_score=0.0, min_stability=0.0)
    # Random weights are sure of nothing: of their scores, as many are taken as are of trained ones.
    scores = sorted(hint.score or 0 for hint in segmenter.find(seen, [Prompts()], options)[0])
    options = replace(options, min_score=scores[-min(len(scores), 5 * OBJECTS)])

    def everything() -> int:
        return len(segmenter.find(seen, [Prompts()], options))

    whole = 1 / things_a_second(everything, extent.seconds)
    yield Row(
        what=f"seconds of everything, {extent.grid} x {extent.grid} clicks, SAM 2.1 large",
        ratio=whole,
        note="less is better",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--tiny", action="store_true", help="small networks, for a moment each")
    asked = parser.parse_args(arguments)
    extent = TINY if asked.tiny else Extent()
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name(), f"torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        for family, build in (TINY_BUILDERS if asked.tiny else BUILDERS).items():
            (Path(name) / family).mkdir()
            build(Path(name) / family)
        print_table(rows(Path(name), asked.device, extent))
    for size in steps.SIZES:
        taken = steps.milliseconds(size)
        table = ", ".join(f"{step} {value:.1f}" for step, value in taken.items())
        print(f"host milliseconds of an image of {size}, {steps.OBJECTS} masks: {table}")


if __name__ == "__main__":
    main()
