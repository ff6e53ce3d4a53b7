"""SAM 2, EdgeTAM and the tracker of SAM 3 give what the sequences in transformers' manual give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    EdgeTamModel,
    Sam2Model,
    Sam2Processor,
    Sam2VideoModel,
    Sam3TrackerModel,
    Sam3TrackerProcessor,
)

from premask.errors import MissingWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.parts.mask_logits import logits_from_mask
from premask.models.parts.promptable import PromptableSegmenter
from premask.models.registry import FAMILIES
from premask.prompts import Hint
from tests.models.promptable_checkpoints import (
    BESIDE,
    BOX,
    CLICK,
    TINY,
    assert_same,
    boxed,
    click,
    clicked,
    load,
    outline,
    photos,
    rough,
)
from tests.tiny_models import sam2, sam3_tracker

CLASSES = {
    "sam2": (Sam2Model, Sam2Processor),
    "edgetam": (EdgeTamModel, Sam2Processor),
    "sam3-tracker": (Sam3TrackerModel, Sam3TrackerProcessor),
}


class Library:
    """One of the three, asked as its documentation says."""

    def __init__(self, family: str, folder: Path) -> None:
        model_class, processor_class = CLASSES[family]
        self.model = model_class.from_pretrained(folder).eval()
        self.processor = processor_class.from_pretrained(folder)

    def outlines(
        self, image: Image, multimask: bool, masks: torch.Tensor | None = None, **prompts: Any
    ) -> list[Outline]:
        """The best mask of each object."""
        inputs = self.processor(images=np.array(image.rgb), return_tensors="pt", **prompts)
        sizes = inputs.pop("original_sizes")
        with torch.inference_mode():
            output = self.model(**inputs, input_masks=masks, multimask_output=multimask)
        (found,) = self.processor.post_process_masks(output.pred_masks, sizes)
        (scores,) = output.iou_scores
        best = scores.argmax(dim=-1).tolist()
        return [
            Outline(mask=Mask.from_array(of_one[choice].numpy()), score=float(score[choice]))
            for of_one, score, choice in zip(found, scores, best, strict=True)
        ]


@pytest.fixture(params=CLASSES, scope="module")
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(family)
    TINY[family].build(folder)
    return folder


@pytest.fixture(scope="module")
def ours(family: str, folder: Path) -> PromptableSegmenter:
    return load(family, folder)


@pytest.fixture(scope="module")
def library(family: str, folder: Path) -> Library:
    return Library(family, folder)


@pytest.fixture(params=[0, 1, 2], scope="module")
def image(request: pytest.FixtureRequest) -> Image:
    """A wide photo, a wider one, and a tall one."""
    return photos()[int(request.param)]


def test_clicks_give_the_best_of_three(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    points, labels = [[[[*CLICK]], [[*BESIDE]]]], [[[1], [1]]]
    expected = library.outlines(image, True, input_points=points, input_labels=labels)
    hints = [clicked(click(*CLICK)), clicked(click(*BESIDE))]
    assert_same(outline(ours, image, hints), expected)


def test_several_points_give_one_mask(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    points, labels = [[[[*CLICK], [*BESIDE]]]], [[[1, 0]]]
    expected = library.outlines(image, False, input_points=points, input_labels=labels)
    hint = clicked(click(*CLICK), click(*BESIDE, positive=False))
    assert_same(outline(ours, image, [hint]), expected)


def test_ragged_points_give_what_each_object_gives_alone(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    """The library would pad them, which its network sees; we never pad."""
    objects = [[[*CLICK], [*BESIDE]], [[*CLICK], [*BESIDE], [100.0, 100.0]]]
    expected = [
        library.outlines(image, False, input_points=[[points]], input_labels=[[[1] * len(points)]])[
            0
        ]
        for points in objects
    ]
    hints = [clicked(*(click(x, y) for x, y in points)) for points in objects]
    assert_same(outline(ours, image, hints), expected)


def test_boxes_give_a_mask_each(ours: PromptableSegmenter, library: Library, image: Image) -> None:
    boxes = [list(BOX), [10.0, 20.0, 100.0, 90.0], [33.0, 5.0, 290.0, 280.5]]
    expected = library.outlines(image, False, input_boxes=[boxes])
    assert_same(outline(ours, image, [boxed((a, b, c, d)) for a, b, c, d in boxes]), expected)


def test_a_box_goes_with_points(ours: PromptableSegmenter, library: Library, image: Image) -> None:
    expected = library.outlines(
        image,
        False,
        input_boxes=[[list(BOX)]],
        input_points=[[[[*CLICK], [*BESIDE]]]],
        input_labels=[[[1, 0]]],
    )
    hint = boxed(BOX, click(*CLICK), click(*BESIDE, positive=False))
    assert_same(outline(ours, image, [hint]), expected)


def test_a_rough_mask_goes_in_as_logits_with_its_box(
    ours: PromptableSegmenter, library: Library, image: Image
) -> None:
    mask = rough(image.size_hw)
    network = ours._network
    low = logits_from_mask(mask, network.canvas(image.size_hw), network.low_side)
    box_xyxy = [float(side) for side in mask.box_xyxy]
    expected = library.outlines(image, False, low[None, None], input_boxes=[[box_xyxy]])
    assert_same(outline(ours, image, [Hint(label="", mask=mask)]), expected)


# --- what the hub has of SAM 2: the weights of the video model


@pytest.fixture(scope="module")
def video_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam2_video")
    sam2.build_video(folder)
    return folder


def image_weights(segmenter: PromptableSegmenter) -> dict[str, torch.Tensor]:
    network: Any = segmenter._network
    weights: dict[str, torch.Tensor] = network._model.state_dict()
    return weights


def test_the_video_models_weights_are_used_but_for_its_memory(video_folder: Path) -> None:
    config = json.loads((video_folder / "config.json").read_text())
    assert config["model_type"] in FAMILIES["sam2"].model_types
    ours = image_weights(load("sam2", video_folder))
    theirs = Sam2VideoModel.from_pretrained(video_folder).state_dict()
    assert ours.keys() <= theirs.keys()
    assert all(torch.equal(weights, theirs[name]) for name, weights in ours.items())
    memory = {name.partition(".")[0] for name in theirs.keys() - ours.keys()}
    assert memory == {
        "mask_downsample",
        "memory_attention",
        "memory_encoder",
        "memory_temporal_positional_encoding",
        "no_memory_positional_encoding",
        "no_object_pointer",
        "object_pointer_proj",
        "occlusion_spatial_embedding_parameter",
        "temporal_positional_encoding_projection_layer",
    }


def test_the_video_models_folder_gives_what_the_library_gives(video_folder: Path) -> None:
    image = photos()[0]
    expected = Library("sam2", video_folder).outlines(image, False, input_boxes=[[list(BOX)]])
    assert_same(outline(load("sam2", video_folder), image, [boxed()]), expected)


def test_a_weight_that_is_no_memory_is_not_left_over(video_folder: Path, tmp_path: Path) -> None:
    for file in video_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights["prompt_encoder.something_new"] = torch.zeros(1)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingWeights, match=r"unexpected_keys: prompt_encoder\.something_new"):
        load("sam2", tmp_path)


def test_sam3_is_read_as_it_was_published(tmp_path: Path) -> None:
    alone, published = tmp_path / "alone", tmp_path / "published"
    sam3_tracker.build(alone)
    sam3_tracker.build_published(published)
    ours = load("sam3-tracker", published)
    expected = image_weights(load("sam3-tracker", alone))
    weights = image_weights(ours)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(each, expected[name]) for name, each in weights.items())
    (mask,) = outline(ours, photos()[0], [boxed()])
    assert_same([mask], outline(load("sam3-tracker", alone), photos()[0], [boxed()]))
