"""The YOLO format as Ultralytics' own loader reads it: from anywhere, and with the very masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import skimage.data
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb

from premask.annotations import Annotation, Labeled
from premask.errors import UnreadableImage
from premask.images import Image, read_image
from premask.labels.yolo import write_yolo
from premask.masks import Mask

from ultralytics.data import YOLODataset  # isort: skip
from ultralytics.data.augment import Format  # isort: skip
from ultralytics.data.utils import check_det_dataset  # isort: skip
from ultralytics.utils import DEFAULT_CFG, IterableSimpleNamespace  # isort: skip


def photo(name: str, rgb: NDArray[np.uint8]) -> Labeled:
    """A photo and areas of its colors, many shapes, with holes and thin ends."""
    numbers = felzenszwalb(rgb, scale=300, sigma=0.8, min_size=150)
    masks = [Mask.from_array(numbers == number) for number in range(numbers.max() + 1)]
    return Labeled(
        image=Image.from_rgb(rgb, name=name),
        annotations=tuple(
            Annotation(label="area", box_xyxy=mask.box_xyxy, mask=mask) for mask in masks
        ),
    )


def save(labeled: Labeled, folder: Path) -> None:
    path = folder / "images" / labeled.image.name
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(labeled.image.rgb).save(path)


def loaded(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What Ultralytics trains on, in the images' own size: name, and `masks` and `bboxes`."""
    data = check_det_dataset(str(folder / "data.yaml"))
    settings = IterableSimpleNamespace(**{**vars(DEFAULT_CFG), "overlap_mask": False})
    dataset = YOLODataset(
        img_path=data["train"], data=data, task="segment", augment=False, hyp=settings
    )
    # As the dataset itself does it, but for the size: masks are those of the whole image.
    form = Format(
        bbox_format="xyxy", normalize=False, return_mask=True, mask_ratio=1, mask_overlap=False
    )
    for index in range(len(dataset)):
        sample = dataset.get_image_and_label(index)
        with PIL.Image.open(sample["im_file"]) as picture:
            sample["img"] = np.asarray(picture.convert("RGB"))
        yield Path(sample["im_file"]).name, form(sample)


def test_ultralytics_draws_the_masks_that_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tmp_path / "dataset"
    photos = [
        photo("chelsea.png", skimage.data.chelsea()),
        photo("train/images/rocket.png", skimage.data.rocket()),
    ]
    for labeled in photos:
        save(labeled, dataset)
    write_yolo(photos, dataset)
    # A folder of the same name where the program is started must not be taken for the dataset.
    decoy = tmp_path / "elsewhere"
    save(photo("decoy.png", skimage.data.chelsea()[:64, :64]), decoy)
    monkeypatch.chdir(decoy)
    found = dict(loaded(dataset))
    assert set(found) == {"chelsea.png", "rocket.png"}
    ious, sides = [], []
    for labeled in photos:
        sample = found[Path(labeled.image.name).name]
        drawn = sample["masks"].numpy().astype(np.bool_)
        assert len(drawn) == len(labeled.annotations)
        for pixels, box, annotation in zip(
            drawn, sample["bboxes"].numpy(), labeled.annotations, strict=True
        ):
            assert annotation.mask is not None
            ious.append(annotation.mask.iou(Mask.from_array(pixels)))
            sides.append(np.abs(box - annotation.box_xyxy).max())
    assert len(ious) > 50
    assert np.mean(ious) >= 0.995
    assert max(sides) < 0.05


def test_ultralytics_keeps_an_image_of_masks_and_boxes(tmp_path: Path) -> None:
    rgb = skimage.data.chelsea()
    box = Annotation(label="cat", box_xyxy=(20, 30, 120, 90))
    both = photo("both.png", rgb)
    labeled = Labeled(image=both.image, annotations=(*both.annotations, box))
    only_box = Labeled(image=Image.from_rgb(rgb, name="box.png"), annotations=(box,))
    for one in (labeled, only_box):
        save(one, tmp_path)
    write_yolo([labeled, only_box], tmp_path)
    counts = {name: len(sample["masks"]) for name, sample in loaded(tmp_path)}
    assert counts == {"both.png": len(labeled.annotations), "box.png": 1}


def test_ultralytics_does_not_change_what_is_said_of_a_broken_image() -> None:
    """It puts its own function in the place of Pillow's, which wants to install a package."""
    with pytest.raises(UnreadableImage, match="no image of a kind that is read"):
        read_image(b"hello, this is text", "a.jpg")
