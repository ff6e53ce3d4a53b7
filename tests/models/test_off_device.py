"""How often the host waits for a device: as often for forty masks as for two, in every family."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from premask.images import Image
from premask.masks import Mask
from premask.models.options import (
    DetrOptions,
    EomtOptions,
    NoOptions,
    QuerySegmentationOptions,
    Sam3Options,
    SegformerOptions,
    YoloOptions,
)
from premask.models.parts import off_device
from premask.models.parts.mask_logits import Canvas, masks_from_logits
from premask.models.parts.off_device import crops_of, masks_on_host, on_host
from premask.models.parts.query_segmentation import contested
from premask.models.registry import build
from premask.prompts import Hint, Phrase, Prompts
from tests.tiny import TinyModels
from tests.tiny_models import detr, yolo

pytestmark = pytest.mark.filterwarnings("ignore:`label_ids_to_fuse` unset")

aten = torch.ops.aten
WAITING = (
    *(aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten.is_nonzero),
    *(aten._unique2, aten.unique_consecutive, aten.repeat_interleave),
)
"""Operations whose result the host has to know before it goes on."""

READING = {torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.__array__}

ON_CPU_ONLY = {"above", "count", "of_host"}
"""Functions of off_device.py that ask numpy, but only where there is no device to leave."""


class Waits(TorchDispatchMode):  # type: ignore[misc]  # torch gives it no types
    """Counts what would make the host wait, if the tensors were on a GPU.

    All that one call of `on_host` hands out counts as one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: list[str] = []
        self.calls: set[FrameType] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        flags = func.overloadpacket is aten.index and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if flags or func.overloadpacket in WAITING:
            self.elsewhere.append(str(func))
        return func(*args, **(kwargs or {}))

    def note(self, name: str) -> None:
        """Something is read, by whoever called."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename == off_device.__file__:
            if frame.f_code.co_name in ON_CPU_ONLY:
                return
            if frame.f_code.co_name == "on_host":
                self.calls.add(frame)
                return
            frame = frame.f_back
        self.elsewhere.append(name)


class _Reads(TorchFunctionMode):  # type: ignore[misc]  # torch gives it no types
    """Tells `waits` of what leaves torch altogether, which no dispatch mode sees."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self._waits = waits

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if func in READING:
            self._waits.note(func.__name__)
        return func(*args, **(kwargs or {}))


def waits_of(work: Callable[[], object]) -> tuple[int, list[str]]:
    """How often something leaves by `on_host`, and what else makes the host wait."""
    waits = Waits()
    with _Reads(waits), waits:
        work()
    return len(waits.calls), waits.elsewhere


def test_what_a_gpu_would_wait_for_is_seen() -> None:
    numbers = torch.arange(4)
    for work in (
        lambda: numbers[1].item(),
        lambda: float(numbers[1]),
        lambda: bool(numbers.any()),
        lambda: numbers[numbers > 1],
        lambda: numbers.nonzero(),
        lambda: numbers.tolist(),
        lambda: numbers.numpy(),
        lambda: numbers.cpu(),
        lambda: np.asarray(numbers),
    ):
        assert waits_of(work)[1], work
    assert waits_of(lambda: on_host(numbers, numbers + 1)) == (1, [])
    assert waits_of(lambda: numbers[torch.tensor([1, 2])] + 1) == (0, [])


def image() -> Image:
    return Image.from_rgb(np.ascontiguousarray(skimage.data.astronaut()[:200, :240]), name="a")


def boxes(count: int) -> list[Hint]:
    return [
        Hint(label="", box_xyxy=(10.0 + 3 * place, 20, 60.0 + 3 * place, 90))
        for place in range(count)
    ]


@pytest.mark.parametrize(
    "family",
    ["sam", "sam-hq", "sam2", "edgetam", "sam3-tracker", "sam2-official", "sam31-tracker"],
)
def test_outlines_leave_together(family: str, tiny: TinyModels) -> None:
    segmenter: Any = build(family, Path(tiny[family].partition(":")[2]), "cpu")
    segmenter._objects_at_once = 64
    embeddings = segmenter.embed([image()])

    def outline(count: int) -> tuple[int, list[str]]:
        return waits_of(lambda: segmenter.segment(embeddings, [boxes(count)], NoOptions()))

    outline(1)  # what is made once
    exits, elsewhere = outline(2)
    assert outline(40) == (exits, elsewhere)
    assert exits == 2


PHRASE = Prompts(phrases=(Phrase(text="cat"),))
QUERIES = QuerySegmentationOptions(threshold=0, visible=0)

FINDERS: dict[str, tuple[str, Any, Prompts, int]] = {
    "sam3": ("sam3", Sam3Options(threshold=0), PHRASE, 2),
    "sam31": ("sam31", Sam3Options(threshold=0), PHRASE, 2),
    "rf-detr": ("detr", DetrOptions(threshold=0), Prompts(), 2),
    "yolo": ("yolo", YoloOptions(threshold=0.01, iou=1), Prompts(), 3),
    "mask2former instance": ("mask2former", replace(QUERIES, task="instance"), Prompts(), 1),
    "mask2former panoptic": ("mask2former", QUERIES, Prompts(), 1),
    "oneformer instance": ("oneformer", replace(QUERIES, task="instance"), Prompts(), 1),
    "oneformer panoptic": ("oneformer", QUERIES, Prompts(), 1),
    "eomt instance": ("eomt", EomtOptions(task="instance", threshold=0), Prompts(), 4),
    "eomt panoptic": ("eomt", EomtOptions(threshold=0, visible=0), Prompts(), 1),
}
"""Each with the most that it may find, and how often something leaves its device."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def weights(request: pytest.FixtureRequest, tiny: TinyModels, tmp_path: Path) -> Path:
    """A checkpoint of the family that draws masks."""
    if request.param == "rf-detr":
        detr.rf_detr_segmentation(tmp_path)
        return tmp_path
    if request.param == "yolo":
        yolo.save(yolo.model_of("yolo11-seg"), tmp_path / "tiny.pt")
        return tmp_path / "tiny.pt"
    return Path(tiny[FINDERS[request.param][0]].partition(":")[2])


@pytest.mark.parametrize(("name", "weights"), [(n, n) for n in FINDERS], indirect=["weights"])
def test_found_masks_leave_together(name: str, weights: Path) -> None:
    family, options, prompts, expected = FINDERS[name]
    finder: Any = build(family, weights, "cpu")
    seen = finder.embed([image()]) if hasattr(finder, "embed") else [image()]

    def find(options: Any) -> list[Hint]:
        hints: list[Hint] = finder.find(seen, [prompts], options)[0]
        return hints

    many = find(options)
    assert all(hint.mask is not None for hint in many)
    scores = sorted((hint.score or 0 for hint in many), reverse=True)
    fewer = replace(options, threshold=scores[min(2, len(scores) - 1)])
    few = find(fewer)
    assert 0 < len(few) < len(many)
    assert waits_of(lambda: find(fewer)) == waits_of(lambda: find(options))
    assert waits_of(lambda: find(options))[0] == expected


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("segformer", SegformerOptions()),
        ("mask2former", replace(QUERIES, task="semantic")),
        ("oneformer", replace(QUERIES, task="semantic")),
        ("eomt", EomtOptions(task="semantic")),
    ],
)
def test_classes_leave_as_one_map(family: str, options: Any, tiny: TinyModels) -> None:
    finder: Any = build(family, Path(tiny[family].partition(":")[2]), "cpu")
    (hints,) = finder.find([image()], [Prompts()], options)
    one = replace(options, categories=(hints[0].label,))
    exits, elsewhere = waits_of(lambda: finder.find([image()], [Prompts()], options))
    assert waits_of(lambda: finder.find([image()], [Prompts()], one)) == (exits, elsewhere)
    assert exits == 2


def logits(count: int) -> torch.Tensor:
    return torch.randn(count, 32, 32, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("number", [2, 40])
def test_parts_ask_nothing_else_however_many_masks(number: int) -> None:
    canvases, several = [Canvas(side=128, size_hw=(90, 130))] * number, logits(number)
    assert waits_of(lambda: masks_from_logits(several, canvases)) == (1, [])
    likely, numbers = several.sigmoid(), torch.arange(number)
    segments = waits_of(lambda: list(contested(likely.__getitem__, numbers / 40, numbers, 0)))
    assert segments == (1, [])


def test_values_are_the_same_behind_one_copy() -> None:
    """What only happens where there is a device: all bytes in a row, and apart again."""
    tensors = [
        torch.randn(3, 5),
        torch.randn(7, 4).T > 0,
        torch.arange(6).reshape(2, 3),
        torch.tensor(2.5),
        torch.zeros(0, 4),
        torch.randint(0, 255, (5,), dtype=torch.uint8),
        torch.randn(3).half(),
    ]
    packed = off_device._packed(tensors)
    assert packed.ndim == 1
    for array, expected in zip(
        off_device._unpacked(packed.numpy(), tensors), on_host(*tensors), strict=True
    ):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_more_than_leaves_at_once_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = [flags > 0 for flags in logits(9)]
    expected = [Mask.from_array(flags.numpy()) for flags in pixels]
    assert list(masks_on_host(crops_of(pixels))) == expected
    monkeypatch.setattr(off_device, "TOGETHER_BYTES", 3 * 32 * 32)
    at_once: list[int] = []

    def counted() -> Iterator[torch.Tensor]:
        for flags in pixels:
            at_once.append(len(at_once))
            yield flags

    masks = masks_on_host(crops_of(counted()))
    assert next(masks) == expected[0]
    assert len(at_once) < len(pixels)
    assert [expected[0], *masks] == expected


def sources() -> list[Path]:
    folder = Path(off_device.__file__).parents[1]
    return [path for path in folder.rglob("*.py") if path.name != "off_device.py"]


def test_nothing_else_copies_off_a_device() -> None:
    # What is kept as bytes, an image's embedding or a clip's state, needs no numpy; and kernels.py
    # stands for code that transformers would download for a GPU.
    allowed = {"torch_runtime.py", "memory_tracking.py", "looking.py", "kernels.py"}
    copying = [path.name for path in sources() if ".cpu()" in path.read_text()]
    assert set(copying) <= allowed
