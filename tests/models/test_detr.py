from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import (
    AutoImageProcessor,
    DFineForObjectDetection,
    RfDetrForInstanceSegmentation,
    RfDetrForObjectDetection,
    RfDetrImageProcessor,
    RTDetrForObjectDetection,
    RTDetrV2ForObjectDetection,
)

from premask.errors import MissingWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.families.detr import DetrFinder
from premask.models.options import DetrOptions
from premask.models.parts import torch_runtime
from premask.models.parts.detections import hints_of
from premask.prompts import Prompts
from tests.models.detector_checks import (
    assert_differ,
    assert_on_image,
    assert_same,
    assert_same_but_for_rounding,
    assert_threads_do_not_mix,
    distances,
    drop_a_weight,
    photos,
)
from tests.tiny_models import detr

ALL = DetrOptions(threshold=0)
CLASSES: dict[str, Any] = {
    "rt_detr": RTDetrForObjectDetection,
    "rt_detr_v2": RTDetrV2ForObjectDetection,
    "d_fine": DFineForObjectDetection,
    "rf_detr": RfDetrForObjectDetection,
    "rf_detr_segmentation": RfDetrForInstanceSegmentation,
}
KINDS = pytest.mark.parametrize("kind", CLASSES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in detr.BUILDERS}
    for kind, build in detr.BUILDERS.items():
        build(folders[kind])
    return folders


@pytest.fixture(scope="module")
def finders(folders: dict[str, Path]) -> dict[str, DetrFinder]:
    return {kind: DetrFinder(weights=folder, device="cpu") for kind, folder in folders.items()}


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


@pytest.fixture(scope="module")
def library(folders: dict[str, Path]) -> dict[str, tuple[Any, Any]]:
    """transformers' own processor and model of each kind."""
    return {
        kind: (
            AutoImageProcessor.from_pretrained(folders[kind]),
            model_class.from_pretrained(folders[kind]).eval(),
        )
        for kind, model_class in CLASSES.items()
    }


def documented(processor: Any, model: Any, image: Image) -> Any:
    """What transformers' own sequence gives for one image."""
    picture = PIL.Image.fromarray(image.rgb)
    with torch.no_grad():
        return model(**processor(images=picture, return_tensors="pt"))


@KINDS
@pytest.mark.parametrize("index", [0, 2])
def test_boxes_are_those_of_the_library(
    finders: dict[str, DetrFinder],
    library: dict[str, tuple[Any, Any]],
    images: list[Image],
    kind: str,
    index: int,
) -> None:
    image = images[index]
    processor, model = library[kind]
    outputs = documented(processor, model, image)
    (result,) = processor.post_process_object_detection(
        outputs, threshold=0, target_sizes=[image.size_hw]
    )
    labels = [model.config.id2label[label] for label in result["labels"].tolist()]
    boxes, scores = result["boxes"].numpy(), result["scores"].numpy()
    expected = hints_of(boxes, scores, labels, image.size_hw)
    found = finders[kind].find([image], [Prompts()], ALL)[0]
    if kind != "rf_detr_segmentation":
        assert len(found) == 20
        assert len(set(labels)) > 1
        assert_same(found, expected, pixels=1e-3, score=1e-6)
    else:
        assert found
        assert distances(found, expected).max() < 1e-3


@pytest.mark.parametrize("index", [0, 2, 3])
def test_masks_are_those_of_the_library(
    finders: dict[str, DetrFinder],
    library: dict[str, tuple[Any, Any]],
    images: list[Image],
    index: int,
) -> None:
    image = images[index]
    processor, model = library["rf_detr_segmentation"]
    outputs = documented(processor, model, image)
    (result,) = processor.post_process_instance_segmentation(
        outputs, threshold=0, target_sizes=[image.size_hw], return_binary_maps=True
    )
    found = finders["rf_detr_segmentation"].find([image], [Prompts()], ALL)[0]
    assert len(found) > 5
    assert [hint.mask for hint in found] == [
        Mask.from_array(pixels.numpy()) for pixels in result["segmentation"]
    ]
    infos = result["segments_info"]
    names = [model.config.id2label[info["label_id"]] for info in infos]
    assert [hint.label for hint in found] == names
    assert [hint.score for hint in found] == pytest.approx([e["score"] for e in infos], abs=1e-6)


@KINDS
def test_images_of_all_sizes_whatever_the_batch(
    finders: dict[str, DetrFinder], images: list[Image], kind: str
) -> None:
    together = finders[kind].find(images, [Prompts()] * len(images), ALL)
    assert_differ(together[0], together[1])
    for image, found in zip(images, together, strict=True):
        alone = finders[kind].find([image], [Prompts()], ALL)[0]
        assert_same_but_for_rounding(found, alone)
        assert_on_image(found, image)


def test_shapes_that_the_processor_would_pad(
    folders: dict[str, Path], images: list[Image], tmp_path: Path
) -> None:
    for file in folders["rf_detr"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    size = {"shortest_edge": 64, "longest_edge": 128}
    RfDetrImageProcessor(size=size).save_pretrained(tmp_path)
    finder = DetrFinder(weights=tmp_path, device="cpu")
    wide = Image.from_rgb(np.ascontiguousarray(images[0].rgb[:256]), name="wide")
    together = finder.find([images[0], wide, images[1]], [Prompts()] * 3, ALL)
    for image, found in zip([images[0], wide, images[1]], together, strict=True):
        assert_same_but_for_rounding(found, finder.find([image], [Prompts()], ALL)[0])


def test_two_threads_do_not_mix(finders: dict[str, DetrFinder], images: list[Image]) -> None:
    finder = finders["d_fine"]
    assert_threads_do_not_mix(
        lambda index: finder.find([images[index]], [Prompts()], ALL), pixels=1e-2
    )


def test_the_threshold_is_the_lowest_score(
    finders: dict[str, DetrFinder], images: list[Image]
) -> None:
    every = finders["rt_detr"].find(images[:1], [Prompts()], ALL)[0]
    found = finders["rt_detr"].find(images[:1], [Prompts()], DetrOptions(threshold=0.6))[0]
    assert found == [hint for hint in every if (hint.score or 0) > 0.6]
    assert 0 < len(found) < len(every)


@KINDS
def test_boxes_are_never_in_halves(
    finders: dict[str, DetrFinder],
    folders: dict[str, Path],
    images: list[Image],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(torch_runtime, "dtype_on", lambda device: torch.bfloat16)
    found = DetrFinder(weights=folders[kind], device="cpu").find(images[:1], [Prompts()], ALL)
    assert found == finders[kind].find(images[:1], [Prompts()], ALL)


def test_a_missing_weight_is_no_random_weight(folders: dict[str, Path], tmp_path: Path) -> None:
    drop_a_weight(folders["d_fine"], tmp_path / "broken", "encoder")
    with pytest.raises(MissingWeights, match="missing_keys"):
        DetrFinder(weights=tmp_path / "broken", device="cpu")


def test_a_missing_processor_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    for file in folders["d_fine"].iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(MissingWeights, match=r"preprocessor_config\.json.*[Dd]ownload"):
        DetrFinder(weights=tmp_path, device="cpu")
