"""SAM 2 and the tracker of SAM 3 as the hub has them: in the folders of their video models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Sam2VideoModel

from premask.errors import MissingWeights
from premask.models.parts.promptable import PromptableSegmenter
from premask.models.registry import FAMILIES
from tests.models.promptable_checkpoints import BOX, assert_same, boxed, load, outline, photos
from tests.models.promptable_library import Library
from tests.tiny_models import sam2, sam3_tracker


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
    assert all(torch.equal(values, expected[name]) for name, values in weights.items())
    (mask,) = outline(ours, photos()[0], [boxed()])
    assert_same([mask], outline(load("sam3-tracker", alone), photos()[0], [boxed()]))
