"""What all torch families share: batches that fit, devices by name, embeddings as bytes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from premask.errors import InvalidSetting, MissingWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.options import DetrOptions, VitMatteOptions
from premask.models.registry import build
from premask.prompts import Prompts

torch = pytest.importorskip("torch", reason="pip install 'premask[torch]'")

from transformers import (  # noqa: E402
    Sam2ImageProcessor,
    Sam3ImageProcessor,
    SegformerForSemanticSegmentation,
)
from transformers.utils import logging as transformers_logging  # noqa: E402

from premask.models.families import detr as detr_family  # noqa: E402
from premask.models.families import vitmatte as vitmatte_family  # noqa: E402
from premask.models.parts.square_pixels import network_pixels  # noqa: E402
from premask.models.parts.torch_runtime import (  # noqa: E402
    FittingSizes,
    TorchEmbedding,
    device_of,
    dtype_on,
    embedding_from_bytes,
    exact_products,
    images_that_fit,
    in_alike_batches,
    in_batches,
    load_strictly,
    quick_products,
)
from tests.models.detector_checks import drop_a_weight  # noqa: E402
from tests.tiny_models import detr, segformer, vitmatte  # noqa: E402


class SmallMemory:
    """Squares numbers; the device has room for three of them."""

    def __init__(self, room: int = 3) -> None:
        self.room = room
        self.tried: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.tried.append(len(items))
        if len(items) > self.room:
            raise torch.OutOfMemoryError("no room")
        return [item * item for item in items]


def test_what_does_not_fit_goes_on_with_half_and_says_so() -> None:
    network = SmallMemory()
    with pytest.warns(RuntimeWarning) as said:
        results = in_batches(network, list(range(10)), 8)
    assert results == [number * number for number in range(10)]
    assert network.tried == [8, 4, 2, 2, 2, 2, 2]
    assert [str(warning.message)[-33:] for warning in said] == [
        "for 8 at a time: going on with 4.",
        "for 4 at a time: going on with 2.",
    ]


def test_the_size_that_fitted_is_remembered_for_its_kind() -> None:
    network, fitting = SmallMemory(), FittingSizes()
    with pytest.warns(RuntimeWarning):
        in_batches(network, list(range(8)), 8, fitting, "large")
    network.tried.clear()
    in_batches(network, list(range(8)), 8, fitting, "large")  # a warning would be an error here
    assert network.tried == [2, 2, 2, 2]
    network.room = 8
    in_batches(network, list(range(8)), 8, fitting, "small")
    assert network.tried[4:] == [8]
    in_alike_batches(network, [1, 2, 3, 4], 8, lambda number: "large", fitting)
    assert network.tried[5:] == [2, 2]


def test_one_that_does_not_fit_alone_is_an_error() -> None:
    with pytest.warns(RuntimeWarning), pytest.raises(torch.OutOfMemoryError):
        in_batches(SmallMemory(room=0), [1, 2], 2)


def test_what_is_alike_shares_its_batch_and_keeps_its_place() -> None:
    network = SmallMemory(room=9)
    numbers = [3, 10, 4, 12, 11, 5]
    results = in_alike_batches(network, numbers, 2, lambda number: number >= 10)
    assert results == [number * number for number in numbers]
    assert sorted(network.tried) == [1, 1, 2, 2]


def test_a_device_that_is_not_there_says_so() -> None:
    with pytest.raises(InvalidSetting, match="no device 'gpu'"):
        device_of("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(InvalidSetting, match="sees no GPU"):
            device_of("cuda")
        assert device_of("auto").type == "cpu"


def test_the_cpu_calculates_in_full_floats() -> None:
    assert dtype_on(torch.device("cpu")) == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_embedding_is_the_same_behind_its_bytes(dtype: object) -> None:
    tensors = {"0": torch.randn(1, 2, 3).to(dtype), "1": torch.randn(4).to(dtype)}
    embedding = TorchEmbedding(size_hw=(30, 40), tensors=tensors)
    back = embedding_from_bytes(embedding.to_bytes(), torch.device("cpu"))
    assert back.size_hw == (30, 40)
    assert back.tensors.keys() == tensors.keys()
    assert all(torch.equal(back.tensors[name], tensors[name]) for name in tensors)
    assert back.nbytes == embedding.nbytes


GPU = torch.device("cuda")


@pytest.mark.parametrize(("free_gigabytes", "expected"), [(1, 1), (8, 4), (40, 20), (140, 32)])
def test_batches_are_as_large_as_free_memory_allows(
    free_gigabytes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torch.cuda, "mem_get_info", lambda device: (free_gigabytes * 2**30, 141 * 2**30)
    )
    assert images_that_fit(GPU, 1024) == expected
    assert images_that_fit(torch.device("cpu"), 1024) == 1


def test_only_what_asks_for_it_multiplies_in_tf32() -> None:
    usual = torch.get_float32_matmul_precision()
    with quick_products(GPU):
        assert torch.get_float32_matmul_precision() == "high"
        with exact_products(GPU):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == usual
    with quick_products(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == usual


def test_a_click_waits_while_others_multiply_in_tf32() -> None:
    """The setting is one of the whole process."""
    seen: list[str] = []

    def click() -> None:
        with exact_products(GPU):
            seen.append(torch.get_float32_matmul_precision())

    with quick_products(GPU):
        thread = threading.Thread(target=click)
        thread.start()
        thread.join(0.05)
        assert seen == []
    thread.join()
    assert seen == ["highest"]


@pytest.mark.parametrize("family", ["detr", "vitmatte"])
def test_networks_in_full_floats_use_it(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the CPU were a GPU: what is seen is the setting while the network runs."""
    module: Any = {"detr": detr_family, "vitmatte": vitmatte_family}[family]
    {"detr": detr, "vitmatte": vitmatte}[family].build(tmp_path)
    adapter: Any = build(family, tmp_path, "cpu")
    monkeypatch.setattr(module, "quick_products", lambda device: quick_products(GPU))
    seen: list[str] = []
    adapter._model.register_forward_pre_hook(
        lambda *_: seen.append(torch.get_float32_matmul_precision())
    )
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[20:40, 20:40] = 200
    image, mask = Image.from_rgb(rgb, name="a"), Mask.from_array(rgb[..., 0])
    if family == "detr":
        adapter.find([image], [Prompts()], DetrOptions())
    else:
        adapter.matte([image], [mask], VitMatteOptions())
    assert seen == ["high"]


def test_an_embedding_goes_to_the_host_and_back() -> None:
    embedding = TorchEmbedding(size_hw=(3, 4), tensors={"0": torch.randn(2, 3)})
    assert not embedding.is_on_gpu
    away = embedding.on_host()
    assert away.home == torch.device("cpu")
    assert torch.equal(away.back().tensors["0"], embedding.tensors["0"])
    assert away.back().home is None


def test_loading_prints_nothing_and_leaves_the_librarys_voice_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    segformer.build(tmp_path / "whole")
    drop_a_weight(tmp_path / "whole", tmp_path / "lacking", "classifier")
    monkeypatch.setattr(transformers_logging, "_tqdm_active", True)
    verbosity = transformers_logging.get_verbosity()
    # The library's own one writes to the stream that was there when it was imported.
    handler = logging.StreamHandler()
    transformers_logging.add_handler(handler)
    capfd.readouterr()
    load(tmp_path / "whole")
    with pytest.raises(MissingWeights):
        load(tmp_path / "lacking")
    transformers_logging.remove_handler(handler)
    assert capfd.readouterr() == ("", "")
    assert transformers_logging.is_progress_bar_enabled()
    assert transformers_logging.get_verbosity() == verbosity < transformers_logging.ERROR


def test_weights_of_another_shape_are_named(tmp_path: Path) -> None:
    segformer.build(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "decoder_hidden_size": 32}))
    with pytest.raises(MissingWeights, match=r"mismatched_keys: .*decode_head.*\[32"):
        load(tmp_path)


def load(folder: Path) -> Any:
    return load_strictly(SegformerForSemanticSegmentation, folder, device=torch.device("cpu"))


@pytest.mark.parametrize("size_hw", [(1080, 1920), (90, 61), (64, 64), (40, 7)])
@pytest.mark.parametrize("processor", [Sam2ImageProcessor(), Sam3ImageProcessor()], ids=type)
def test_pixels_that_are_resized_as_they_lie_are_the_processors(
    size_hw: tuple[int, int], processor: Any
) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    expected = processor(images=[rgb], return_tensors="pt")["pixel_values"]
    encoder = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32)
    pixels = network_pixels(processor, [Image.from_rgb(rgb, name="image")], encoder)
    assert torch.equal(pixels, expected)
    assert pixels.is_contiguous()
