"""BiRefNet: the official network's output and keys, the documented steps around it, any size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torchvision import transforms

from premask.errors import InvalidSetting, MissingWeights, UnsafeWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.families.birefnet import matter as birefnet
from premask.models.families.birefnet.matter import BirefnetMatter, network_size
from premask.models.families.birefnet.network import BiRefNet, shape_of
from premask.models.families.birefnet.swin import SwinShape
from premask.models.options import BirefnetOptions
from premask.prompts import Prompts
from tests.models.detector_checks import assert_threads_do_not_mix, drop_a_weight, photos
from tests.tiny_models import birefnet as tiny

GOLDEN = Path(__file__).parents[1] / "golden" / "birefnet"
SHAPES = {
    "t": SwinShape(width=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window=7),
    "l": SwinShape(width=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), window=12),
}
SMALL = BirefnetOptions(width=64, height=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("birefnet")
    tiny.build(folder)
    return folder


@pytest.fixture(scope="module")
def matter(folder: Path) -> BirefnetMatter:
    return BirefnetMatter(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def agreed_image(height: int, width: int) -> torch.Tensor:
    channel, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    image = np.sin(0.05 * x * (channel + 1)) + np.cos(0.07 * y) + 0.3 * np.sin(0.011 * x * y)
    return torch.from_numpy(image.astype(np.float32))[None]


def test_the_output_is_the_official_networks() -> None:
    network = BiRefNet(SHAPES["t"]).eval()
    network.load_state_dict(tiny.agreed_weights(network))
    with torch.inference_mode():
        logits = network(agreed_image(128, 160))[0, 0].numpy()
    golden = np.load(GOLDEN / "golden_swin_v1_t_128x160.npy").reshape(128, 160)
    np.testing.assert_allclose(logits, golden, rtol=0, atol=1e-4)


@pytest.mark.parametrize("encoder", SHAPES)
def test_the_keys_are_the_official_ones(encoder: str) -> None:
    text = (GOLDEN / f"keys_swin_v1_{encoder}.json").read_text(encoding="utf-8")
    with torch.device("meta"):
        weights = BiRefNet(SHAPES[encoder]).state_dict()
    described = {
        name: [list(values.shape), str(values.dtype).removeprefix("torch.")]
        for name, values in weights.items()
    }
    assert described == json.loads(text)
    assert shape_of(weights) == SHAPES[encoder]


def documented(folder: Path, image: Image) -> NDArray[np.float64]:
    """Alpha 0 to 255 by the steps of the model card, with bilinear enlarging in floats."""
    weights = load_file(folder / "model.safetensors")
    network = BiRefNet(tiny.SHAPE).eval()
    network.load_state_dict(weights)
    prepare = transforms.Compose(
        [
            transforms.Resize((SMALL.height, SMALL.width)),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    with torch.no_grad():
        activation = network(prepare(PIL.Image.fromarray(image.rgb))[None]).sigmoid()[0, 0]
    picture = PIL.Image.fromarray(activation.numpy())
    resized = picture.resize(image.size_hw[::-1], PIL.Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float64) * 255


@pytest.mark.parametrize("index", range(5))
def test_alpha_is_what_the_documented_steps_give(
    folder: Path, matter: BirefnetMatter, images: list[Image], index: int
) -> None:
    (alpha,) = matter.matte([images[index]], [None], SMALL)
    expected = documented(folder, images[index])
    assert expected.std() > 5
    # Pillow and torch resize a few pixels to neighboring values; the mean is that of rounding.
    np.testing.assert_allclose(alpha, expected, rtol=0, atol=2.1)
    assert np.abs(alpha - expected).mean() < 0.27


def test_results_do_not_depend_on_the_batch(matter: BirefnetMatter, images: list[Image]) -> None:
    for together, image in zip(matter.matte(images, [None] * 5, SMALL), images, strict=True):
        np.testing.assert_array_equal(together, matter.matte([image], [None], SMALL)[0])
    one, other = matter.matte(images[:2], [None] * 2, SMALL)
    assert not np.array_equal(one, other)


def test_a_batch_as_a_gpu_has_it_changes_no_more_than_rounding(
    matter: BirefnetMatter, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = matter.matte(images, [None] * 5, SMALL)
    monkeypatch.setattr(matter, "_at_once", 4)
    for one, other in zip(matter.matte(images, [None] * 5, SMALL), alone, strict=True):
        np.testing.assert_allclose(one.astype(int), other, atol=1)


def test_with_a_mask_the_network_sees_its_surroundings_only(
    matter: BirefnetMatter, images: list[Image]
) -> None:
    pixels = np.zeros((512, 512), np.bool_)
    pixels[100:300, 200:300] = True
    masks = [Mask.from_array(pixels), Mask.empty((512, 512))]
    around, nothing = matter.matte(images[:2], masks, SMALL)
    view = np.ascontiguousarray(images[0].rgb[70:330, 170:330])
    expected = np.zeros((512, 512), np.uint8)
    (expected[70:330, 170:330],) = matter.matte([Image.from_rgb(view, name="")], [None], SMALL)
    np.testing.assert_array_equal(around, expected)
    assert around.any()
    assert not nothing.any()


def test_the_subject_is_found_with_its_mask(matter: BirefnetMatter, images: list[Image]) -> None:
    found = matter.find(images[:1], [Prompts()], SMALL)
    (alpha,) = matter.matte(images[:1], [None], SMALL)
    ((subject,),) = found
    assert subject.mask == Mask.from_array(alpha >= 128)
    assert (subject.label, subject.score) == ("subject", None)
    assert_threads_do_not_mix(lambda index: matter.find([images[index]], [Prompts()], SMALL))


@pytest.mark.parametrize(
    ("size_hw", "options", "expected"),
    [
        ((500, 333), BirefnetOptions(), (1024, 1024)),
        ((500, 333), BirefnetOptions(width=2560, height=1440), (1440, 2560)),
        ((500, 333), BirefnetOptions(width=0, height=0), (512, 320)),
        ((100, 4000), BirefnetOptions(width=0, height=0), (256, 2304)),
        ((4000, 6000), BirefnetOptions(width=0, height=0), (1536, 2304)),
        ((500, 333), BirefnetOptions(width=1000, height=1), (32, 992)),
    ],
)
def test_the_network_sees_multiples_of_32(
    size_hw: tuple[int, int], options: BirefnetOptions, expected: tuple[int, int]
) -> None:
    assert network_size(size_hw, options) == expected


def test_an_image_can_be_seen_at_its_own_size(matter: BirefnetMatter, images: list[Image]) -> None:
    (alpha,) = matter.matte(images[2:3], [None], BirefnetOptions(width=0, height=0))
    (square,) = matter.matte(images[2:3], [None], SMALL)
    assert alpha.shape == images[2].size_hw
    assert not np.array_equal(alpha, square)


def test_images_of_different_sizes_do_not_share_a_batch(
    matter: BirefnetMatter, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    views = [images[0].rgb[:64, :64], images[2].rgb[:70, :300], images[3].rgb[:300, :64]]
    small = [Image.from_rgb(np.ascontiguousarray(view), name="") for view in views]
    options = BirefnetOptions(width=0, height=32)
    alone = [matter.matte([image], [None], options)[0] for image in small]
    monkeypatch.setattr(matter, "_at_once", 4)
    for one, other in zip(matter.matte(small, [None] * 3, options), alone, strict=True):
        np.testing.assert_allclose(one.astype(int), other, atol=1)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_what_training_puts_before_the_names_is_taken_off(
    folder: Path, tmp_path: Path, matter: BirefnetMatter, images: list[Image], prefix: str
) -> None:
    weights = load_file(folder / "model.safetensors")
    named = {f"{prefix}{name}": values for name, values in weights.items()}
    save_file(named, tmp_path / "model.safetensors")
    other = BirefnetMatter(weights=tmp_path / "model.safetensors", device="cpu")
    assert_same_alpha(matter, other, images)


def test_tensors_in_a_pickle_are_read(
    folder: Path, tmp_path: Path, matter: BirefnetMatter, images: list[Image]
) -> None:
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "fine-tuned.pth")
    other = BirefnetMatter(weights=tmp_path / "fine-tuned.pth", device="cpu")
    assert_same_alpha(matter, other, images)


def test_a_pickle_that_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": Path("/")}, tmp_path / "odd.pth")
    with pytest.raises(UnsafeWeights, match="nothing in it was run"):
        BirefnetMatter(weights=tmp_path / "odd.pth", device="cpu")


def assert_same_alpha(one: BirefnetMatter, other: BirefnetMatter, images: list[Image]) -> None:
    """Equal but for rounding: how numbers are added up depends on where tensors lie in memory."""
    (alpha,), (again,) = (loaded.matte(images[:1], [None], SMALL) for loaded in (one, other))
    np.testing.assert_allclose(alpha.astype(int), again, atol=1)


@pytest.mark.parametrize("name", ["conv_out1.0.bias", "bb.patch_embed.proj.weight"])
def test_a_missing_weight_is_no_random_number(folder: Path, tmp_path: Path, name: str) -> None:
    drop_a_weight(folder, tmp_path / "broken", name)
    with pytest.raises(MissingWeights, match="another architecture, or the file is incomplete"):
        BirefnetMatter(weights=tmp_path / "broken", device="cpu")


def test_a_weight_too_many_is_another_model(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "more": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(MissingWeights, match="more"):
        BirefnetMatter(weights=tmp_path, device="cpu")


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"model\.safetensors can't be read"):
        BirefnetMatter(weights=tmp_path, device="cpu")


def test_halves_are_close(
    folder: Path, matter: BirefnetMatter, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """float16, as on a GPU: torchvision has no deformed convolution in bfloat16."""
    monkeypatch.setattr(birefnet, "float16_on_gpu", lambda device: torch.float16)
    halved = BirefnetMatter(weights=folder, device="cpu")
    (exact,), (close,) = (loaded.matte(images[:1], [None], SMALL) for loaded in (matter, halved))
    assert np.abs(exact.astype(int) - close).max() <= 4
    assert not np.array_equal(exact, close)


def test_an_unknown_device_is_named(folder: Path) -> None:
    with pytest.raises(InvalidSetting, match="no device 'gpu'"):
        BirefnetMatter(weights=folder, device="gpu")
