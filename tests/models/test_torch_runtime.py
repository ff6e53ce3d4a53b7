"""What all torch families share: batches that fit, devices by name, embeddings as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from premask.errors import InvalidSetting

torch = pytest.importorskip("torch", reason="pip install 'premask[torch]'")

from premask.models.torch_runtime import (  # noqa: E402
    TorchEmbedding,
    device_of,
    dtype_on,
    embedding_from_bytes,
    in_alike_batches,
    in_batches,
)


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
    assert [str(each.message)[-33:] for each in said] == [
        "for 8 at a time: going on with 4.",
        "for 4 at a time: going on with 2.",
    ]


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
