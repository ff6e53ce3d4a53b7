"""SAM 2 from .pt files gives what SAM2ImagePredictor gives, and what transformers gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sam2.sam2_image_predictor import SAM2ImagePredictor
from transformers import Sam2Config, Sam2Model

from premask.errors import MissingWeights, UnsafeWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.families.sam2_official import checkpoint
from premask.models.families.sam2_official import segmenter as adapter
from premask.models.families.sam2_official.checkpoint import CONFIGURATIONS, STABLE_MASKS
from premask.models.families.sam2_official.segmenter import Sam2OfficialNetwork
from premask.models.options import EverythingOptions, NoOptions
from premask.models.parts.mask_logits import logits_from_mask
from premask.models.parts.promptable import PromptableSegmenter
from premask.prompts import Hint, Prompts
from tests.models.detector_checks import assert_threads_do_not_mix
from tests.models.promptable_checkpoints import (
    BESIDE,
    BOX,
    CLICK,
    assert_same,
    boxed,
    click,
    clicked,
    every_kind,
    outline,
    photos,
    pixels_apart,
    rough,
)
from tests.tiny_models import sam2_official as tiny

# SAM2ImagePredictor compiles its transforms by what torch is about to drop; premask doesn't use it.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:`torch.jit.script:{category}")
    for category in ("DeprecationWarning", "FutureWarning")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official")
    tiny.build(path)
    return path


@pytest.fixture(scope="module")
def segmenter(folder: Path) -> PromptableSegmenter:
    return load(folder / "tiny.pt")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    """As build_sam2 makes it, from the tiny configuration."""
    settings = OmegaConf.load(folder / "tiny.yaml")
    model = instantiate(settings.model, sam_mask_decoder_extra_args=STABLE_MASKS)
    model.load_state_dict(torch.load(folder / "tiny.pt", weights_only=True)["model"])
    return model.eval()


def load(path: Path) -> PromptableSegmenter:
    return adapter.sam2_official_segmenter(weights=path, device="cpu")


def predicted(model: Any, image: Image, multimask: bool, **prompts: Any) -> Outline:
    """What the package's manual does for one object."""
    predictor = SAM2ImagePredictor(model)
    side = model.image_size // 4
    # The predictor is written for 1024 pixels, the only size that was released.
    predictor._bb_feat_sizes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
    predictor.set_image(np.array(image.rgb))
    masks, scores, _ = predictor.predict(multimask_output=multimask, **prompts)
    best = int(scores.argmax())
    return Outline(mask=Mask.from_array(masks[best]), score=float(scores[best]))


@pytest.mark.parametrize("index", range(3))
def test_outlines_are_those_of_the_predictor(
    segmenter: PromptableSegmenter, model: Any, images: list[Image], index: int
) -> None:
    image = images[index]
    mask = rough(image.size_hw)
    canvas = Sam2OfficialNetwork(model, torch.device("cpu")).canvas(image.size_hw)
    low = logits_from_mask(mask, canvas, tiny.SIDE // 4)[None].numpy()
    two = {"point_coords": np.array([CLICK, BESIDE]), "point_labels": np.array([1, 0])}
    hints = [
        clicked(click(*CLICK)),
        clicked(click(*CLICK), click(*BESIDE, positive=False)),
        boxed(),
        boxed(BOX, click(*CLICK), click(*BESIDE, positive=False)),
        Hint(label="", mask=mask, points=(click(*CLICK),)),
    ]
    expected = [
        predicted(model, image, True, point_coords=np.array([CLICK]), point_labels=np.array([1])),
        predicted(model, image, False, **two),
        predicted(model, image, False, box=np.array(BOX)),
        predicted(model, image, False, box=np.array(BOX), **two),
        predicted(
            model,
            image,
            False,
            mask_input=low,
            point_coords=np.array([CLICK]),
            point_labels=np.array([1]),
        ),
    ]
    assert_same(outline(segmenter, image, hints), expected)


def test_results_do_not_depend_on_the_batch(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    hints = [every_kind(image.size_hw)[: 10 - index] for index, image in enumerate(images)]
    together = segmenter.segment(segmenter.embed(images), hints, NoOptions())
    for image, asked, outlines in zip(images, hints, together, strict=True):
        assert len(outlines) == len(asked)
        alone = [outline(segmenter, image, [hint])[0] for hint in asked]
        assert_same(outlines, alone)


def test_another_image_is_another_result(
    segmenter: PromptableSegmenter, images: list[Image]
) -> None:
    """One click, in an image and in its mirror image; then with the wrong embedding."""
    mirrored = Image.from_rgb(np.ascontiguousarray(images[0].rgb[:, ::-1]), name="mirrored")
    one, other = segmenter.embed([images[0], mirrored])
    hints = [[clicked(click(*CLICK))]]
    (right,), (wrong,) = (
        segmenter.segment([embedding], hints, NoOptions()) for embedding in (one, other)
    )
    assert pixels_apart(right[0].mask, wrong[0].mask) > 1000
    restored = segmenter.restore(one.to_bytes())
    assert segmenter.segment([restored], hints, NoOptions()) == [right]


def test_two_threads_do_not_mix(segmenter: PromptableSegmenter, images: list[Image]) -> None:
    hints = [[clicked(click(*CLICK))], [boxed(), clicked(click(*BESIDE))]]

    def found(index: int) -> list[list[Hint]]:
        outlines = outline(segmenter, images[index], hints[index])
        return [[Hint(label="", box_xyxy=BOX, mask=outline.mask) for outline in outlines]]

    assert_threads_do_not_mix(found)


def test_everything_is_found(segmenter: PromptableSegmenter, images: list[Image]) -> None:
    options = EverythingOptions(points_per_side=3, min_score=0.0, min_stability=0.0, nms=1.0)
    (found,) = segmenter.find(segmenter.embed(images[:1]), [Prompts()], options)
    assert found
    assert all(hint.mask is not None and hint.mask.area for hint in found)


def test_halves_change_little(
    folder: Path,
    segmenter: PromptableSegmenter,
    images: list[Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the encoder runs in bfloat16."""
    monkeypatch.setattr(adapter, "dtype_on", lambda device: torch.bfloat16)
    halves = load(folder / "tiny.pt")
    (embedding,) = halves.embed(images[:1])
    assert {values.dtype for values in embedding.tensors.values()} == {torch.bfloat16}
    hints = every_kind(images[0].size_hw)
    for one, other in zip(
        outline(halves, images[0], hints), outline(segmenter, images[0], hints), strict=True
    ):
        assert one.score == pytest.approx(other.score, abs=0.03)
        assert one.mask.iou(other.mask) > 0.9


# --- the same weights in transformers

RENAMED = {
    r"^image_encoder\.trunk\.": "vision_encoder.backbone.",
    r"^image_encoder\.neck\.convs\.(\d)\.conv\.": r"vision_encoder.neck.convs.\1.",
    r"^sam_prompt_encoder\.pe_layer\..*": "shared_image_embedding.positional_embedding",
    r"^sam_": "",
    r"^no_mem_embed$": "no_memory_embedding",
    r"patch_embed\.proj\.": "patch_embed.projection.",
    r"mask_downscaling\.0\.": "mask_embed.conv1.",
    r"mask_downscaling\.1\.": "mask_embed.layer_norm1.",
    r"mask_downscaling\.3\.": "mask_embed.conv2.",
    r"mask_downscaling\.4\.": "mask_embed.layer_norm2.",
    r"mask_downscaling\.6\.": "mask_embed.conv3.",
    r"output_upscaling\.0\.": "upscale_conv1.",
    r"output_upscaling\.1\.": "upscale_layer_norm.",
    r"output_upscaling\.3\.": "upscale_conv2.",
    r"\.norm(\d|_final_attn)\.": r".layer_norm\1.",
    r"\.out_proj\.": ".o_proj.",
    r"\.mlp\.layers\.0\.": ".mlp.proj_in.",
    r"\.mlp\.layers\.1\.": ".mlp.proj_out.",
    r"(mlps\.\d|head)\.layers\.0\.": r"\1.proj_in.",
    r"(mlps\.\d|head)\.layers\.2\.": r"\1.proj_out.",
    r"(mlps\.\d|head)\.layers\.1\.": r"\1.layers.0.",
}
"""How transformers calls the parts of SAM 2 that work on single images."""

OF_VIDEO = ("memory_", "maskmem", "mask_downsample.", "obj_ptr", "no_obj", "no_mem_pos")


def in_transformers(state: dict[str, torch.Tensor]) -> Any:
    """The tiny model as transformers has it, with these weights, all of them."""
    weights = {}
    for name, value in state.items():
        if not name.startswith(OF_VIDEO):
            for old, new in RENAMED.items():
                name = re.sub(old, new, name)
            weights[name] = value
    corners = [weights.pop(f"prompt_encoder.point_embeddings.{index}.weight") for index in range(4)]
    weights["prompt_encoder.point_embed.weight"] = torch.cat(corners)
    places = weights["shared_image_embedding.positional_embedding"]
    weights["prompt_encoder.shared_embedding.positional_embedding"] = places
    model = Sam2Model(transformers_sizes())
    model.load_state_dict(weights)
    return model.eval()


def transformers_sizes() -> Sam2Config:
    changes, width = tiny.CHANGES, tiny.WIDTH
    side = tiny.SIDE
    trunk = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [side, side],
        "blocks_per_stage": changes["image_encoder.trunk.stages"],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": changes["image_encoder.trunk.window_spec"],
        "global_attention_blocks": changes["image_encoder.trunk.global_att_blocks"],
        "window_positional_embedding_background_size": [4, 4],
    }
    return Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": trunk,
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
            "fpn_hidden_size": width,
        },
        prompt_encoder_config={"hidden_size": width, "image_size": side, "patch_size": 16},
        mask_decoder_config={"hidden_size": width},
    )


class InTransformers(Sam2OfficialNetwork):
    """The same pixels and prompts, but transformers' model in place of the package's."""

    def __init__(self, model: Any, converted: Any) -> None:
        super().__init__(model, torch.device("cpu"))
        self._converted = converted

    def encode(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = self._converted.get_image_embeddings(pixels)
        return {str(level): features for level, features in enumerate(maps)}

    def decode(
        self, features: dict[str, torch.Tensor], prompts: Any, multimask: bool, options: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        maps = [features[level] for level in sorted(features)]
        output = self._converted(image_embeddings=maps, multimask_output=multimask, **prompts)
        return output.pred_masks, output.iou_scores


def test_transformers_agrees(
    segmenter: PromptableSegmenter, folder: Path, model: Any, images: list[Image]
) -> None:
    """Given the same pixels: masks are equal but for 3 pixels, scores to 0.00001."""
    state = torch.load(folder / "tiny.pt", weights_only=True)["model"]
    other = PromptableSegmenter(InTransformers(model, in_transformers(state)))
    for image in images:
        hints = every_kind(image.size_hw)
        assert_same(outline(segmenter, image, hints), outline(other, image, hints))


# --- files


@pytest.mark.parametrize(
    ("width", "depth", "file"),
    [
        (96, 12, "sam2.1/sam2.1_hiera_t.yaml"),
        (96, 16, "sam2.1/sam2.1_hiera_s.yaml"),
        (112, 24, "sam2/sam2_hiera_b+.yaml"),
        (144, 48, "sam2/sam2_hiera_l.yaml"),
    ],
)
def test_the_released_sizes_are_recognized(
    width: int, depth: int, file: str, tmp_path: Path
) -> None:
    state = {f"image_encoder.trunk.blocks.{i}.norm1.weight": torch.ones(1) for i in range(depth)}
    state["image_encoder.trunk.patch_embed.proj.weight"] = torch.ones(width, 1)
    if "2.1" in file:
        state["no_obj_embed_spatial"] = torch.ones(1)
    found = checkpoint._configuration(state, tmp_path / "tuned.pt")
    assert found == OmegaConf.load(CONFIGURATIONS / file).model


def test_a_released_size_needs_no_configuration(tmp_path: Path) -> None:
    """The real tiny size, with random weights, loads by its shapes alone."""
    settings = OmegaConf.load(CONFIGURATIONS / "sam2.1" / "sam2.1_hiera_t.yaml")
    torch.save(instantiate(settings.model).state_dict(), tmp_path / "whole.pt")
    network: Any = load(tmp_path / "whole.pt")._network
    assert network.canvas((10, 10)).side == 1024
    assert network.low_side == 256


def test_another_size_needs_its_configuration(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tuned.pt").write_bytes((folder / "tiny.pt").read_bytes())
    with pytest.raises(MissingWeights, match=r"8 wide.*as tuned\.yaml"):
        load(tmp_path / "tuned.pt")


@pytest.mark.parametrize("missing", ["sam_mask_decoder.iou_token.weight", "maskmem_tpos_enc"])
def test_incomplete_weights_are_refused(folder: Path, tmp_path: Path, missing: str) -> None:
    state = torch.load(folder / "tiny.pt", weights_only=True)["model"]
    del state[missing]
    with pytest.raises(MissingWeights, match=missing):
        load(saved(state, folder, tmp_path))


def test_weights_left_over_are_refused(folder: Path, tmp_path: Path) -> None:
    state = torch.load(folder / "tiny.pt", weights_only=True)["model"]
    state["something_else"] = torch.ones(1)
    with pytest.raises(MissingWeights, match="something_else"):
        load(saved(state, folder, tmp_path))


def saved(state: dict[str, torch.Tensor], folder: Path, target: Path) -> Path:
    tiny.save(state, target / "tiny.pt")
    (target / "tiny.yaml").write_bytes((folder / "tiny.yaml").read_bytes())
    return target / "tiny.pt"


@pytest.mark.parametrize("content", [{"model": {"weight": torch.ones(1)}}, [1, 2], torch.ones(2)])
def test_other_files_are_no_sam2(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(MissingWeights, match="holds no weights of SAM 2"):
        load(tmp_path / "other.pt")


def test_a_file_that_would_run_is_refused(tmp_path: Path) -> None:
    torch.save({"model": eval}, tmp_path / "evil.pt")
    with pytest.raises(UnsafeWeights, match=r"builtins\.eval"):
        load(tmp_path / "evil.pt")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_encoder", {"_target_": "os.mkdir", "_args_": ["{ran}"]}),
        ("image_encoder.trunk.weights_path", "{ran}"),
        ("image_size", "${oc.env:HOME}"),
    ],
)
def test_a_configuration_that_would_run_is_refused(
    folder: Path, tmp_path: Path, name: str, value: Any
) -> None:
    state = torch.load(folder / "tiny.pt", weights_only=True)["model"]
    weights = saved(state, folder, tmp_path)
    settings = OmegaConf.load(folder / "tiny.yaml")
    OmegaConf.update(settings, f"model.{name}", value)
    text = OmegaConf.to_yaml(settings).replace("{ran}", str(tmp_path / "ran"))
    weights.with_suffix(".yaml").write_text(text)
    with pytest.raises(UnsafeWeights, match="was not used: it says"):
        load(weights)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text",
    [b"", b"[1, 2]", b"model: {a: [", b"model: 3", b"other: 1", b"\xff\xfe\x00", b"model: {}"],
)
def test_an_odd_configuration_is_told_by_its_name(
    folder: Path, tmp_path: Path, text: bytes
) -> None:
    state = torch.load(folder / "tiny.pt", weights_only=True)["model"]
    weights = saved(state, folder, tmp_path)
    weights.with_suffix(".yaml").write_bytes(text)
    with pytest.raises(MissingWeights, match=r"tiny\.yaml' is no configuration of a SAM 2"):
        load(weights)
