"""Crops of an image: read once, and what is found in them is exactly there in the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Annotation, Labeled
from premask.errors import ModelFailed, UnreadableImage
from premask.images import Image
from premask.masks import Mask, Matte
from premask.prompts import Prompts
from premask.runs import crops as module
from premask.runs.crops import Crops
from premask.runs.pipeline import Request

SIZE = (41, 53)
BOXES = [(3, 5, 30, 29), (20, 10, 53, 41), (0, 0, 1, 1)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    rgb = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(rgb).save(path)
    return path


def read(request: Request) -> Image:
    assert callable(request.image)
    return request.image()


def found(alpha: Matte) -> Annotation:
    mask = alpha.mask()
    return Annotation(label="thing", box_xyxy=mask.box_xyxy, mask=mask, matte=alpha)


def test_masks_and_mattes_come_back_to_the_bit(photo: Path) -> None:
    rgb = np.asarray(PIL.Image.open(photo))
    crops = Crops(photo, BOXES, SIZE)
    images = [read(request) for request in crops.requests(Prompts())]
    assert [image.size_hw for image in images] == [(24, 27), (31, 33), (1, 1)]
    mattes = [Matte.from_array(image.rgb[..., 0]) for image in images]
    answers = [
        Labeled(image=i, annotations=(found(m),)) for i, m in zip(images, mattes, strict=True)
    ]
    whole = crops.together(answers, overlap=0.9)
    assert (whole.image.size_hw, whole.error) == (SIZE, None)
    for annotation, (x0, y0, x1, y1) in zip(whole.annotations, BOXES, strict=False):
        expected = np.zeros(SIZE, np.uint8)
        expected[y0:y1, x0:x1] = rgb[y0:y1, x0:x1, 0]
        assert annotation.matte == Matte.from_array(expected)
        assert annotation.mask == Mask.from_array(expected >= 128)


def test_the_image_is_read_once_and_let_go(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def counted(path: Path) -> Image:
        reads.append(path)
        return Image.from_rgb(np.asarray(PIL.Image.open(path)), name=str(path))

    monkeypatch.setattr(module, "read_image", counted)
    crops = Crops(photo, BOXES, SIZE)
    for request in crops.requests(Prompts()):
        read(request)
    assert reads == [photo]
    assert crops._image is None


def test_what_two_crops_show_is_found_once(photo: Path) -> None:
    crops = Crops(photo, [(0, 0, 30, 41), (10, 0, 53, 41)], SIZE)
    images = [read(request) for request in crops.requests(Prompts())]
    here, there = np.zeros((41, 30), np.bool_), np.zeros((41, 43), np.bool_)
    here[5:9, 15:25] = there[5:9, 5:15] = True
    answers = [
        Labeled(
            image=image, annotations=(Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask),)
        )
        for image, mask in zip(images, map(Mask.from_array, (here, there)), strict=True)
    ]
    (only,) = crops.together(answers, overlap=0.5).annotations
    assert only.box_xyxy == (15, 5, 25, 9)


def test_an_image_of_another_size_and_a_failure_are_the_image_s(photo: Path) -> None:
    with pytest.raises(UnreadableImage, match="is 53 x 41 pixels, but the dataset says 41 x 53"):
        read(next(Crops(photo, BOXES, (53, 41)).requests(Prompts())))
    crops = Crops(photo, BOXES[:2], SIZE)
    images = [read(request) for request in crops.requests(Prompts())]
    failed = ModelFailed("out of memory")
    answers = [Labeled(image=images[0]), Labeled(image=images[1], error=failed)]
    assert crops.together(answers, overlap=0.5).error is failed
