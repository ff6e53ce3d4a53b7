"""Mask2Former, OneFormer, EoMT: what the library reads from the same weights, in each task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from premask.errors import MissingWeights, UnknownCategory
from premask.images import Image
from premask.models.families.oneformer import oneformer_finder
from premask.models.options import EomtOptions, QuerySegmentationOptions
from premask.models.parts.query_segmentation import QueryFinder, contested
from premask.prompts import Prompts
from tests.models.detector_checks import (
    assert_same,
    assert_same_but_for_rounding,
    assert_threads_do_not_mix,
    drop_a_weight,
    photos,
    photos_of_three_sizes,
    pixels_seen_by,
)
from tests.models.query_segmentation_checks import (
    FAMILIES,
    TASKS,
    assert_agree,
    found,
    hints_of_classes,
    hints_of_segments,
    loose,
    mask_of,
    small_photos,
)
from tests.tiny_models import oneformer

# OneFormer tells its users to name the classes that are no things.
pytestmark = pytest.mark.filterwarnings("ignore:`label_ids_to_fuse` unset")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in FAMILIES}
    for name, folder in folders.items():
        FAMILIES[name].build(folder)
    return folders


@pytest.fixture(scope="module")
def finders(folders: dict[str, Path]) -> dict[str, QueryFinder]:
    return {
        name: FAMILIES[name].finder(weights=folder, device="cpu")
        for name, folder in folders.items()
    }


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return small_photos()


WHOLE = [(name, task) for name in ("mask2former", "oneformer") for task in TASKS]


@pytest.mark.parametrize("index", [0, 2, 3, 4])
@pytest.mark.parametrize(("name", "task"), [*WHOLE, ("eomt", "panoptic")])
def test_finds_are_what_the_library_reads(
    folders: dict[str, Path],
    finders: dict[str, QueryFinder],
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
    folders: dict[str, Path], finders: dict[str, QueryFinder], name: str, task: str
) -> None:
    """OneFormer's masks are smoothed when they are made smaller; Mask2Former's are not."""
    rgb = np.ascontiguousarray(photos()[2].rgb[60:240:23, 100:340:23])
    image, options = Image.from_rgb(rgb, name="small"), loose(name, task)
    result = FAMILIES[name].documented(folders[name], image, options)
    semantic = task == "semantic"
    expected = hints_of_classes(np.asarray(result)) if semantic else hints_of_segments(result)
    assert_same(found(finders[name], image, options), expected, score=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", FAMILIES)
def test_results_do_not_depend_on_the_batch(
    finders: dict[str, QueryFinder], images: list[Image], name: str, task: str
) -> None:
    finder, options = finders[name], loose(name, task)
    alone = [found(finder, image, options) for image in images]
    for hints, expected in zip(finder.find(images, [Prompts()] * 5, options), alone, strict=True):
        assert_same(hints, expected)
    assert alone[0] != alone[1]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_as_a_gpu_has_it_changes_no_more_than_rounding(
    finders: dict[str, QueryFinder],
    images: list[Image],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finder, options = finders[name], loose(name, "semantic")
    alone = [found(finder, image, options) for image in images]
    monkeypatch.setattr(finder, "_at_once", 3)
    for hints, expected in zip(finder.find(images, [Prompts()] * 5, options), alone, strict=True):
        assert_same_but_for_rounding(hints, expected)


@pytest.mark.parametrize("name", ["mask2former", "oneformer"])
def test_photos_of_several_sizes_share_a_batch_if_they_are_resized_to_one(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: each is seen as it is alone, bit by bit."""
    finder: Any = FAMILIES[name].finder(weights=folders[name], device="cpu")
    seen = pixels_seen_by(finder._network._model)
    images, options = photos_of_three_sizes(), loose(name, "semantic")
    alone = [found(finder, image, options) for image in images]
    expected = torch.cat(seen)
    seen.clear()
    monkeypatch.setattr(finder, "_at_once", 3)
    together = finder.find(images, [Prompts()] * 3, options)
    assert len(seen) == 1
    assert torch.equal(seen[0], expected)
    for hints, expected_hints in zip(together, alone, strict=True):
        assert_same_but_for_rounding(hints, expected_hints)


@pytest.mark.parametrize("name", FAMILIES)
def test_threads_do_not_mix(
    finders: dict[str, QueryFinder], images: list[Image], name: str
) -> None:
    options = loose(name, "semantic")
    assert_threads_do_not_mix(lambda index: [found(finders[name], images[index], options)])


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
@pytest.mark.parametrize("name", FAMILIES)
def test_no_pixel_belongs_to_two(
    finders: dict[str, QueryFinder], images: list[Image], name: str, task: str
) -> None:
    masks = [mask_of(hint) for hint in found(finders[name], images[0], loose(name, task))]
    total = sum(mask.area for mask in masks)
    assert total == masks[0].union(*masks[1:]).area
    if task == "semantic":
        assert total == 160 * 240


@pytest.mark.parametrize("task", TASKS)
def test_categories_are_picked_by_name(
    finders: dict[str, QueryFinder], images: list[Image], task: str
) -> None:
    options = loose("mask2former", task)
    everything = found(finders["mask2former"], images[0], options)
    picky = QuerySegmentationOptions(
        task=task, threshold=0.15, visible=options.visible, categories=("Horse",)
    )
    horses = found(finders["mask2former"], images[0], picky)
    assert horses == [hint for hint in everything if hint.label == "horse"]
    assert 0 < len(horses) < len(everything) or task == "panoptic"


def test_an_unknown_category_is_told_the_nearest_one(
    finders: dict[str, QueryFinder], images: list[Image]
) -> None:
    with pytest.raises(UnknownCategory, match="Did you mean 'horse'"):
        found(finders["eomt"], images[0], EomtOptions(categories=("hors",)))


def test_the_task_is_said_to_oneformer(
    finders: dict[str, QueryFinder], images: list[Image]
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
        segments = contested(lambda index: strengths[index].clone(), scores, numbers, visible)
        return [(segment.number, segment.mask.area) for segment in segments]

    assert areas(0.8) == [(1, 12)]
    assert areas(0.4) == [(1, 12), (2, 8)]
    assert areas(0.0) == [(1, 12), (2, 8)]


@pytest.mark.parametrize("name", FAMILIES)
def test_halves_are_close(
    folders: dict[str, Path],
    finders: dict[str, QueryFinder],
    images: list[Image],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = loose(name, "semantic")
    exact = found(finders[name], images[0], options)
    monkeypatch.setattr(
        "premask.models.parts.torch_runtime.dtype_on", lambda device: torch.bfloat16
    )
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
