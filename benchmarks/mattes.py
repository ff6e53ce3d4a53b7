"""What mattes cost beside the network, and mattes of many objects on one image.

The networks have their real sizes and random weights. Those are sure of nothing, so where alphas
are written, BiRefNet's answer is replaced by a disc with a soft edge behind the real computation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import skimage.data
import torch
from safetensors.torch import save_file
from transformers import (
    VitDetConfig,
    VitMatteConfig,
    VitMatteForImageMatting,
    VitMatteImageProcessor,
)

from benchmarks.networks import share_of_time
from benchmarks.photos import copy_photos
from benchmarks.table import Row, in_a_thread, ratio_of
from premask.annotations import Annotation
from premask.images import Image, read_image
from premask.labels.formats import formats_of
from premask.masks import Mask
from premask.models.families.birefnet.network import BiRefNet
from premask.models.families.birefnet.swin import SwinShape
from premask.models.options import BirefnetOptions, ClosedFormOptions, VitMatteOptions
from premask.models.pool import ModelPool
from premask.recipes.matting import matte_objects
from premask.recipes.recipe import recipe_of
from premask.recipes.stage_settings import MatteStage
from premask.runs.folder_job import FolderJob
from premask.runs.folder_run import annotate_into_folder
from premask.runs.inputs import collect_inputs
from premask.shaping.morphology import grow, shrink

SIZES_WH = ((1920, 1080), (4000, 3000))
PHOTOS = 4
SOFTNESS = 0.002
"""How steep the disc's edge is: some 14 of 1024 pixels are neither 0 nor 255."""

SMALL = BirefnetOptions(width=512, height=512)
OBJECTS = 10
RADIUS = 70

Whole = Callable[[Image, Mask], None]


def rows() -> Iterator[Row]:
    """The time outside of the network for two sizes of photos, then ten objects by three models."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_birefnet_lite(folder / "birefnet")
        save_vitmatte_small(folder / "vitmatte")
        for size_wh in SIZES_WH:
            yield network_share(folder, size_wh)
        yield from ten_objects(folder)


def network_share(folder: Path, size_wh: tuple[int, int]) -> Row:
    """The share of a whole run, with decoding and two formats, in which the network is at work."""
    model, photos = f"birefnet:{folder / 'birefnet'}", make_photos(folder, size_wh)
    pool = ModelPool(device="cpu")
    matter: Any = pool.load(model)
    network = matter._network
    network.register_forward_hook(disc)
    job = FolderJob(
        inputs=collect_inputs(photos),
        recipe=recipe_of("birefnet").with_settings({"matte.model": model}),
        folder=folder / f"out-{size_wh[0]}",
        formats=formats_of(["coco-mattes", "cutout"]),
        batch_size=1,
    )
    share, outside = share_of_time(network, lambda: annotate_into_folder(job, pool))
    assert all(count for _, count, _ in annotate_into_folder(job, pool).rows)
    return Row(
        what="birefnet-lite at 1024, its network's time / that of the whole run",
        ratio=share,
        goal=0.95,
        note=f"{len(photos)} photos of {size_wh[0]} x {size_wh[1]}, as COCO and cut-outs; "
        f"{outside / len(photos):.2f} s an image in which it waits",
    )


def ten_objects(folder: Path) -> Iterator[Row]:
    """Each object on its own crop, against a run on the whole image for each object."""
    image, masks = scene()
    pool = ModelPool(device="cpu")
    vitmatte = MatteStage(model=f"vitmatte:{folder / 'vitmatte'}", options=VitMatteOptions())
    closed_form = MatteStage(model="closed-form", options=ClosedFormOptions())
    birefnet = MatteStage(model=f"birefnet:{folder / 'birefnet'}", options=SMALL)
    for stage, whole, goal, note in (
        (vitmatte, documented_vitmatte(folder / "vitmatte"), 5, "ViTMatte small"),
        (closed_form, partial(alone, closed_form, pool), None, "closed form, which crops anyway"),
        (
            birefnet,
            partial(alone_in_the_image, birefnet, pool),
            None,
            "birefnet-lite, to which a crop and an image are 512 x 512 alike",
        ),
    ):
        yield Row(
            what=f"mattes of {OBJECTS} objects, each on its crop / on the whole image",
            ratio=ratio_of(
                in_a_thread(partial(on_crops, image, masks, stage, pool)),
                in_a_thread(partial(one_by_one, whole, image, masks)),
                1,
            ),
            goal=goal,
            note=f"{note}; {image.size_hw[1]} x {image.size_hw[0]}",
        )


def on_crops(image: Image, masks: Sequence[Mask], stage: MatteStage, pool: ModelPool) -> None:
    """What recipes with an outline and a matte do."""
    found = tuple(Annotation(label="", box_xyxy=mask.box_xyxy, mask=mask) for mask in masks)
    (matted,) = matte_objects([image], [found], stage, pool)
    assert all(annotation.matte for annotation in matted)


def one_by_one(matte: Whole, image: Image, masks: Sequence[Mask]) -> None:
    for mask in masks:
        matte(image, mask)


def alone(stage: MatteStage, pool: ModelPool, image: Image, mask: Mask) -> None:
    """The adapter alone, guided by one object's mask."""
    pool.matter(stage.model).matte([image], [mask], stage.options)


def alone_in_the_image(stage: MatteStage, pool: ModelPool, image: Image, mask: Mask) -> None:
    """The adapter alone, on the whole image."""
    pool.matter(stage.model).matte([image], [None], stage.options)


def documented_vitmatte(folder: Path) -> Whole:
    """What transformers documents, on the whole image."""
    model = VitMatteForImageMatting.from_pretrained(folder).eval()
    processor = VitMatteImageProcessor.from_pretrained(folder)

    def matte(image: Image, mask: Mask) -> None:
        trimap = 128 * grow(mask, 8).to_array().astype(np.uint8)
        trimap[shrink(mask, 8).to_array()] = 255
        inputs = processor(images=np.array(image.rgb), trimaps=trimap, return_tensors="pt")
        with torch.inference_mode():
            assert model(**inputs).alphas.isfinite().all()

    return matte


def scene() -> tuple[Image, list[Mask]]:
    """A photo, and ten discs in two rows that don't touch."""
    image = read_image(np.asarray(PIL.Image.fromarray(skimage.data.rocket()).resize((1000, 668))))
    rows, columns = np.mgrid[: image.size_hw[0], : image.size_hw[1]]
    places = [(x, y) for y in (180, 480) for x in range(100, 1000, 200)]
    return image, [
        Mask.from_array(np.hypot(rows - y, columns - x) < RADIUS) for x, y in places[:OBJECTS]
    ]


def make_photos(folder: Path, size_wh: tuple[int, int]) -> list[Path]:
    """Photos of exactly this size."""
    paths = []
    (folder / f"{size_wh[0]}").mkdir()
    for source in copy_photos(folder / "originals")[:PHOTOS]:
        paths.append(folder / f"{size_wh[0]}" / f"{source.stem}.jpg")
        PIL.ImageOps.fit(PIL.Image.open(source).convert("RGB"), size_wh).save(paths[-1], quality=92)
    return paths


def disc(network: Any, given: tuple[torch.Tensor], logits: torch.Tensor) -> torch.Tensor:
    """A disc as the network's answer: with random weights, no pixel of its own would be sure."""
    side = torch.linspace(-1, 1, logits.shape[-1])
    away = torch.hypot(side[:, None], side)
    return ((0.6 - away) / SOFTNESS).expand_as(logits)


def save_birefnet_lite(folder: Path) -> None:
    """The architecture of ZhengPeng7/BiRefNet_lite."""
    torch.manual_seed(0)
    folder.mkdir()
    shape = SwinShape(width=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window=7)
    save_file(BiRefNet(shape).state_dict(), folder / "model.safetensors")


def save_vitmatte_small(folder: Path) -> None:
    """The architecture of hustvl/vitmatte-small-composition-1k."""
    torch.manual_seed(0)
    backbone = VitDetConfig(
        hidden_size=384,
        num_attention_heads=6,
        num_channels=4,
        image_size=512,
        window_block_indices=[0, 1, 3, 4, 6, 7, 9, 10],
        residual_block_indices=[2, 5, 8, 11],
        window_size=14,
        use_relative_position_embeddings=True,
        out_features=["stage12"],
    )
    # transformers 5.23 takes its own default, a tuple, for a list.
    config = VitMatteConfig(backbone_config=backbone, fusion_hidden_sizes=[256, 128, 64, 32])
    VitMatteForImageMatting(config).save_pretrained(folder)
    VitMatteImageProcessor().save_pretrained(folder)
