"""Mask2Former, OneFormer, EoMT: what the library reads from the same weights, in each task."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import (
    EomtForUniversalSegmentation,
    EomtImageProcessor,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    OneFormerForUniversalSegmentation,
    OneFormerProcessor,
)

from premask.errors import InvalidSetting, MissingWeights, UnknownCategory
from premask.images import Image
from premask.masks import Mask
from premask.models.eomt import eomt_finder
from premask.models.mask2former import mask2former_finder
from premask.models.oneformer import oneformer_finder
from premask.models.options import EomtOptions, UniversalOptions
from premask.models.universal import UniversalFinder, contested
from premask.prompts import Hint, Prompts
from tests.models.detector_checks import (
    assert_same,
    assert_same_but_for_rounding,
    assert_threads_do_not_mix,
    drop_a_weight,
    photos,
)
from tests.tiny_models import eomt, mask2former, oneformer

TASKS = ("semantic", "instance", "panoptic")
NAMES = mask2former.NAMES

# OneFormer tells its users to name the classes that are no things.
pytestmark = pytest.mark.filterwarnings("ignore:`label_ids_to_fuse` unset")


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one family is made, found with, and documented."""

    build: Callable[[Path], None]
    finder: Callable[..., UniversalFinder]
    options: type[UniversalOptions]
    visible: float
    documented: Callable[[Path, Image, UniversalOptions], Any]


def picture_of(image: Image) -> PIL.Image.Image:
    return PIL.Image.fromarray(image.rgb)


def read_as_documented(processor: Any, outputs: Any, image: Image, own: UniversalOptions) -> Any:
    sizes = [image.size_hw]
    if own.task == "semantic":
        return processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)[0]
    settings: dict[str, Any] = {"threshold": own.threshold, "target_sizes": sizes}
    if own.task == "panoptic":
        settings["overlap_mask_area_threshold"] = own.visible
        return processor.post_process_panoptic_segmentation(outputs, **settings)[0]
    if isinstance(processor, Mask2FormerImageProcessor):
        settings["return_binary_maps"] = True
    if isinstance(processor, OneFormerProcessor):
        settings["overlap_mask_area_threshold"] = own.visible
    return processor.post_process_instance_segmentation(outputs, **settings)[0]


def mask2former_documented(folder: Path, image: Image, own: UniversalOptions) -> Any:
    model = Mask2FormerForUniversalSegmentation.from_pretrained(folder)
    processor = Mask2FormerImageProcessor.from_pretrained(folder)
    inputs = processor(images=picture_of(image), return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    return read_as_documented(processor, outputs, image, own)


def oneformer_documented(folder: Path, image: Image, own: UniversalOptions) -> Any:
    model = OneFormerForUniversalSegmentation.from_pretrained(folder)
    processor = OneFormerProcessor.from_pretrained(folder)
    inputs = processor(images=picture_of(image), task_inputs=[own.task], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    return read_as_documented(processor, outputs, image, own)


def eomt_documented(folder: Path, image: Image, own: UniversalOptions) -> Any:
    model = EomtForUniversalSegmentation.from_pretrained(folder)
    processor = EomtImageProcessor.from_pretrained(folder)
    inputs = processor(images=picture_of(image), return_tensors="pt")
    offsets = inputs.pop("patch_offsets")
    with torch.no_grad():
        outputs = model(**inputs)
    outputs.patch_offsets = offsets
    return read_as_documented(processor, outputs, image, own)


FAMILIES = {
    "mask2former": Family(
        build=mask2former.build,
        finder=mask2former_finder,
        options=UniversalOptions,
        visible=0.2,
        documented=mask2former_documented,
    ),
    "oneformer": Family(
        build=oneformer.build,
        finder=oneformer_finder,
        options=UniversalOptions,
        visible=0.2,
        documented=oneformer_documented,
    ),
    "eomt": Family(
        build=eomt.build,
        finder=eomt_finder,
        options=EomtOptions,
        visible=0.01,
        documented=eomt_documented,
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in FAMILIES}
    for name, folder in folders.items():
        FAMILIES[name].build(folder)
    return folders


@pytest.fixture(scope="module")
def finders(folders: dict[str, Path]) -> dict[str, UniversalFinder]:
    return {
        name: FAMILIES[name].finder(weights=folder, device="cpu")
        for name, folder in folders.items()
    }


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Small: what the masks of random weights cost grows with the image."""
    views = [image.rgb[100:260, 100:340] for image in photos()[:3]]
    return [
        Image.from_rgb(np.ascontiguousarray(view), name=str(index))
        for index, view in enumerate([*views, views[2][:, :120], views[0][:40, :30]])
    ]


def loose(name: str, task: str) -> UniversalOptions:
    """Tiny models are sure of nothing."""
    return FAMILIES[name].options(task=task, threshold=0.15, visible=FAMILIES[name].visible)


def found(finder: UniversalFinder, image: Image, options: UniversalOptions) -> list[Hint]:
    return finder.find([image], [Prompts()], options)[0]


def hints_of_classes(numbers: NDArray[np.int64]) -> list[Hint]:
    masks = {int(number): Mask.from_array(numbers == number) for number in np.unique(numbers)}
    return [
        Hint(label=NAMES[number], box_xyxy=mask.box_xyxy, mask=mask)
        for number, mask in masks.items()
    ]


def mask_of(hint: Hint) -> Mask:
    assert hint.mask is not None
    return hint.mask


def hints_of_segments(result: Any, *, by_score: bool = True) -> list[Hint]:
    """One a segment, from a map of segment ids, or from one map for each."""
    maps = np.asarray(result["segmentation"])
    hints = []
    for index, segment in enumerate(result["segments_info"]):
        mask = Mask.from_array(maps[index] > 0 if maps.ndim == 3 else maps == segment["id"])
        label, score = NAMES[segment["label_id"]], segment["score"]
        hints.append(Hint(label=label, box_xyxy=mask.box_xyxy, mask=mask, score=score))
    return sorted(hints, key=lambda hint: -(hint.score or 0)) if by_score else hints


WHOLE = [(name, task) for name in ("mask2former", "oneformer") for task in TASKS]


@pytest.mark.parametrize("index", [0, 2, 3, 4])
@pytest.mark.parametrize(("name", "task"), [*WHOLE, ("eomt", "panoptic")])
def test_finds_are_what_the_library_reads(
    folders: dict[str, Path],
    finders: dict[str, UniversalFinder],
    images: list[Image],
    name: str,
    task: str,
    index: int,
) -> None:
    options, image = loose(name, task), images[index]
    result = FAMILIES[name].documented(folders[name], image, options)
    if task == "semantic":
        expected = hints_of_classes(np.asarray(result))
    else:
        expected = hints_of_segments(result)
    assert expected
    assert_same(found(finders[name], image, options), expected, score=1e-6)


@pytest.mark.parametrize(("name", "task"), WHOLE)
def test_images_smaller_than_the_networks_masks(
    folders: dict[str, Path], finders: dict[str, UniversalFinder], name: str, task: str
) -> None:
    """OneFormer's masks are smoothed when they are made smaller; Mask2Former's are not."""
    rgb = np.ascontiguousarray(photos()[2].rgb[60:240:23, 100:340:23])
    image, options = Image.from_rgb(rgb, name="small"), loose(name, task)
    result = FAMILIES[name].documented(folders[name], image, options)
    semantic = task == "semantic"
    expected = hints_of_classes(np.asarray(result)) if semantic else hints_of_segments(result)
    assert_same(found(finders[name], image, options), expected, score=1e-6)


@pytest.mark.parametrize("index", [0, 3])
def test_instances_of_eomt_are_whole_where_the_library_paints_one_over_the_other(
    folders: dict[str, Path], finders: dict[str, UniversalFinder], images: list[Image], index: int
) -> None:
    options, image = loose("eomt", "instance"), images[index]
    painted = hints_of_segments(eomt_documented(folders["eomt"], image, options), by_score=False)
    hints = {round(hint.score or 0, 6): hint for hint in found(finders["eomt"], image, options)}
    assert len(hints) == len(painted) > 2
    for place, expected in enumerate(painted):
        hint = hints[expected.score or 0]
        later = [mask_of(hints[each.score or 0]) for each in painted[place + 1 :]]
        visible = mask_of(hint).difference(*later)
        assert (hint.label, visible) == (expected.label, expected.mask)
    assert any(mask_of(hints[each.score or 0]) != each.mask for each in painted)


@pytest.fixture(scope="module")
def semantic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("semantic")
    eomt.build_semantic(folder)
    return folder


@pytest.mark.parametrize("index", [0, 2, 3, 4])
def test_eomt_joins_the_views_of_a_long_image(
    semantic_folder: Path, images: list[Image], index: int
) -> None:
    """Lying and standing, of one view and of three."""
    finder, options = eomt_finder(weights=semantic_folder, device="cpu"), loose("eomt", "semantic")
    numbers = eomt_documented(semantic_folder, images[index], options)
    expected = hints_of_classes(np.asarray(numbers))
    assert len(expected) > 1
    assert_same(found(finder, images[index], options), expected)


def test_views_of_several_images_do_not_mix(semantic_folder: Path, images: list[Image]) -> None:
    finder, options = eomt_finder(weights=semantic_folder, device="cpu"), loose("eomt", "semantic")
    alone = [found(finder, image, options) for image in images]
    finder._at_once = 4
    for hints, expected in zip(finder.find(images, [Prompts()] * 5, options), alone, strict=True):
        assert_same_but_for_rounding(hints, expected)


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_a_checkpoint_that_tells_classes_only_finds_no_objects(
    semantic_folder: Path, images: list[Image], task: str
) -> None:
    finder = eomt_finder(weights=semantic_folder, device="cpu")
    with pytest.raises(InvalidSetting, match=f"Set task to 'semantic' instead of '{task}'"):
        found(finder, images[0], loose("eomt", task))


def test_classes_of_a_padded_image_lie_where_the_image_does(
    folders: dict[str, Path], finders: dict[str, UniversalFinder], images: list[Image]
) -> None:
    """The library (5.23) stretches image and padding together; on a square there is none."""
    options = loose("eomt", "semantic")
    square = Image.from_rgb(np.ascontiguousarray(images[0].rgb[:160, :160]), name="square")
    numbers = np.asarray(eomt_documented(folders["eomt"], square, options))
    whole = found(finders["eomt"], square, options)
    assert_same(whole, hints_of_classes(numbers))
    # The network pads with black, so black beside its left half changes nothing in that half.
    left = square.rgb[:, :80]
    beside = Image.from_rgb(np.concatenate([left, np.zeros_like(left)], axis=1), name="beside")
    half = Image.from_rgb(np.ascontiguousarray(left), name="half")
    one, other = (found(finders["eomt"], each, options) for each in (half, beside))
    assert_agree(one, [clipped_to(hint, 80) for hint in other], share=0.99)


def clipped_to(hint: Hint, width: int) -> Hint:
    return replace(hint, mask=Mask.from_array(mask_of(hint).to_array()[:, :width]))


def assert_agree(one: list[Hint], other: list[Hint], share: float) -> None:
    """So much of the pixels have the same class in both."""
    masks = {hint.label: mask_of(hint) for hint in other}
    height, width = mask_of(one[0]).size_hw
    nothing = Mask.empty((height, width))
    common = [mask_of(hint).intersection(masks.get(hint.label, nothing)) for hint in one]
    assert sum(mask.area for mask in common) > share * height * width


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", FAMILIES)
def test_results_do_not_depend_on_the_batch(
    finders: dict[str, UniversalFinder], images: list[Image], name: str, task: str
) -> None:
    finder, options = finders[name], loose(name, task)
    alone = [found(finder, image, options) for image in images]
    for hints, expected in zip(finder.find(images, [Prompts()] * 5, options), alone, strict=True):
        assert_same(hints, expected)
    assert alone[0] != alone[1]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_as_a_gpu_has_it_changes_no_more_than_rounding(
    finders: dict[str, UniversalFinder],
    images: list[Image],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finder, options = finders[name], loose(name, "semantic")
    alone = [found(finder, image, options) for image in images]
    monkeypatch.setattr(finder, "_at_once", 3)
    for hints, expected in zip(finder.find(images, [Prompts()] * 5, options), alone, strict=True):
        assert_same_but_for_rounding(hints, expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_threads_do_not_mix(
    finders: dict[str, UniversalFinder], images: list[Image], name: str
) -> None:
    options = loose(name, "semantic")
    assert_threads_do_not_mix(lambda index: [found(finders[name], images[index], options)])


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
@pytest.mark.parametrize("name", FAMILIES)
def test_no_pixel_belongs_to_two(
    finders: dict[str, UniversalFinder], images: list[Image], name: str, task: str
) -> None:
    masks = [mask_of(hint) for hint in found(finders[name], images[0], loose(name, task))]
    total = sum(mask.area for mask in masks)
    assert total == masks[0].union(*masks[1:]).area
    if task == "semantic":
        assert total == 160 * 240


@pytest.mark.parametrize("task", TASKS)
def test_categories_are_picked_by_name(
    finders: dict[str, UniversalFinder], images: list[Image], task: str
) -> None:
    options = loose("mask2former", task)
    everything = found(finders["mask2former"], images[0], options)
    picky = UniversalOptions(
        task=task, threshold=0.15, visible=options.visible, categories=("Horse",)
    )
    horses = found(finders["mask2former"], images[0], picky)
    assert horses == [hint for hint in everything if hint.label == "horse"]
    assert 0 < len(horses) < len(everything) or task == "panoptic"


def test_an_unknown_category_is_told_the_nearest_one(
    finders: dict[str, UniversalFinder], images: list[Image]
) -> None:
    with pytest.raises(UnknownCategory, match="Did you mean 'horse'"):
        found(finders["eomt"], images[0], EomtOptions(categories=("hors",)))


def test_the_task_is_said_to_oneformer(
    finders: dict[str, UniversalFinder], images: list[Image]
) -> None:
    """The same pixels with another sentence give other masks."""
    network = finders["oneformer"]._network
    views = network.look(images[0], loose("oneformer", "semantic")).views
    with torch.no_grad():
        one, other = (
            network.answer(views, loose("oneformer", task))[1] for task in ("semantic", "instance")
        )
    assert (one - other).abs().max() > 1e-3


def test_oneformer_needs_no_file_that_lists_its_classes(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """The library would look for it on the hub."""
    for file in folders["oneformer"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / oneformer.CLASSES_FILE).unlink()
    settings = json.loads((tmp_path / "processor_config.json").read_text(encoding="utf-8"))
    settings["image_processor"]["repo_path"] = "nobody/nothing"
    (tmp_path / "processor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    oneformer_finder(weights=tmp_path, device="cpu")


def test_oneformer_may_bring_what_it_was_trained_with(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    for file in folders["oneformer"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    settings["is_training"] = True
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.text_mapper.prompt_ctx.weight"] = torch.zeros(2, 2)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    oneformer_finder(weights=tmp_path, device="cpu")
    weights["model.something_else.weight"] = torch.zeros(2, 2)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingWeights, match="something_else"):
        oneformer_finder(weights=tmp_path, device="cpu")


def test_a_contestant_that_keeps_too_little_gets_nothing() -> None:
    strengths = torch.zeros(3, 2, 10)
    strengths[0, :, :6], strengths[1, :, 2:], strengths[2, 0, 0] = 0.9, 0.8, 0.4
    scores, numbers = torch.tensor([0.9, 0.8, 0.4]), torch.tensor([1, 2, 3])

    def areas(visible: float) -> list[tuple[int, int]]:
        segments = contested(lambda some: strengths[some], scores, numbers, (2, 10), visible)
        return [(each.number, each.mask.area) for each in segments]

    assert areas(0.8) == [(1, 12)]
    assert areas(0.4) == [(1, 12), (2, 8)]
    assert areas(0.0) == [(1, 12), (2, 8)]


@pytest.mark.parametrize("name", FAMILIES)
def test_halves_are_close(
    folders: dict[str, Path],
    finders: dict[str, UniversalFinder],
    images: list[Image],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = loose(name, "semantic")
    exact = found(finders[name], images[0], options)
    monkeypatch.setattr("premask.models.torch_runtime.dtype_on", lambda device: torch.bfloat16)
    close = found(finders[name], images[0], options)
    assert_agree(exact, close, share=0.9)
    assert exact != close


@pytest.mark.parametrize("name", FAMILIES)
def test_a_missing_weight_is_no_random_number(
    folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    part = {"oneformer": "class_embed"}.get(name, "class_predictor")
    drop_a_weight(folders[name], tmp_path / "broken", part)
    with pytest.raises(MissingWeights, match=part):
        FAMILIES[name].finder(weights=tmp_path / "broken", device="cpu")
