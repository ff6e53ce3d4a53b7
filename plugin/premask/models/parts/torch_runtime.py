"""What all torch families share: device, number type, strict loading, batches that fit."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from transformers.utils import logging as transformers_logging

from premask.errors import InvalidSetting, MissingWeights, PremaskError
from premask.images import Image
from premask.models.parts.known_differences import NO_DIFFERENCES, KnownDifferences
from premask.models.parts.weights_folder import (
    ADVICE,
    readable_weights,
    require_readable_settings,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

SIZE = "size_hw"
"""The name under which an embedding's bytes hold the image's height and width, as a tensor."""

_LOADING = threading.Lock()
"""Held while loading, which changes settings of the whole process: torch's default number type, and
how much transformers prints."""

_PRODUCTS = threading.RLock()
"""Held while the process multiplies full floats in a way of its own."""

MOST_AT_ONCE = 32
"""Images in a network together, however much memory there is: more would be hardly faster."""


def device_of(name: str) -> torch.device:
    """The device of this name; `auto` is the GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidSetting(
            f"There is no device '{name}'. Say cpu, cuda, cuda:1, ... or auto."
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InvalidSetting(
            f"This machine's torch sees no GPU, so '{name}' can't be used: use cpu."
        )
    return device


def dtype_on(device: torch.device) -> torch.dtype:
    """Half floats on a GPU: bfloat16 if it computes in those, else float16. Elsewhere float32."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def place_of(device: torch.device) -> str:
    """What embeddings of a model on this device depend on: one for a CPU is of no use on a GPU."""
    return f"{device.type} {dtype_on(device)}"


def half_arithmetic(device: torch.device) -> torch.autocast:
    """Let the large matrix products run in the device's half floats, and the rest in full floats.

    For models that predict boxes and were loaded with dtype=torch.float32. In bfloat16 alone, a
    box's side could have no more than 128 places in the right half of an image.
    """
    dtype = dtype_on(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def load_processor(processor_class: Any, folder: Path, **settings: Any) -> Any:
    """The processor of transformers that goes with the weights in a folder."""
    require_readable_settings(folder)
    with _explained(folder):
        processor = processor_class.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **settings
        )
    tokenizer = getattr(processor, "tokenizer", None)
    # Without its files transformers 5 makes a tokenizer that knows no word.
    if tokenizer and not any((folder / name).is_file() for name in _files_of(tokenizer)):
        raise MissingWeights(
            f"The folder {folder} lacks a file that goes with its weights: one of "
            f"{', '.join(_files_of(tokenizer))}. {ADVICE}"
        )
    return processor


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Whatever a library raises at a broken folder becomes `MissingWeights`.

    What it raises depends on where the settings make no sense: ValueError, TypeError, KeyError,
    errors of its own. A missing package and too little memory are other matters.
    """
    try:
        yield
    except (ImportError, MemoryError, torch.OutOfMemoryError, PremaskError):
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MissingWeights(
            f"The folder {folder} lacks a file that goes with its weights, or one of them is not "
            f"what it is called: {reason} {ADVICE}"
        ) from error


def _files_of(tokenizer: Any) -> list[str]:
    return [name for name in tokenizer.vocab_files_names.values() if "merges" not in name]


def network_input(processor: Any, image: Image, device: torch.device, **settings: Any) -> Any:
    """What the processor makes of one image, on the device; `pixel_values` is (n, 3, h, w)."""
    return processed(processor, pixels_on(device, image), device, **settings)


def processed(processor: Any, pixels: torch.Tensor, device: torch.device, **settings: Any) -> Any:
    """The same for pixels (3, height, width) that are on the device."""
    return processor(
        images=[pixels],
        input_data_format="channels_first",
        return_tensors="pt",
        device=device,
        **settings,
    )


def pixels_on(device: torch.device, image: Image) -> torch.Tensor:
    """The image (3, height, width) of uint8, on its way to the device."""
    if device.type != "cuda":
        # A copy, as torch takes no memory that can't be written to.
        return torch.from_numpy(image.rgb.transpose(2, 0, 1).copy())
    # From pinned memory the copy goes on while the host prepares the next image. The pixels go as
    # they lie: a host would take several times as long to put one color behind the other.
    pinned = torch.empty(image.rgb.shape, dtype=torch.uint8, pin_memory=True)
    pinned.numpy()[...] = image.rgb
    return pinned.to(device, non_blocking=True).permute(2, 0, 1).contiguous()


def load_strictly(
    model_class: Any,
    folder: Path,
    *,
    device: torch.device,
    known: KnownDifferences = NO_DIFFERENCES,
    **settings: Any,
) -> Any:
    """A transformers model from a folder; `MissingWeights` if a weight is missing or left over.

    transformers itself fills what is missing with random numbers and goes on. What may be missing
    or left over is `known`.
    """
    require_readable_settings(folder)
    written_as, written = readable_weights(folder)
    settings = {"dtype": dtype_on(device), **settings}
    with _LOADING, _silence(), _explained(folder):
        model, report = model_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=written_as == "safetensors",
            weights_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **settings,
        )
    missing = report["missing_keys"]
    report |= known.unexplained(missing, report["unexpected_keys"])
    _require_complete(report, model_class, folder)
    known.share(model, missing, written)
    return model.to(device).eval()


def fill_strictly(
    model_class: Any,
    config: Any,
    state: Mapping[str, torch.Tensor],
    *,
    source: Path,
    device: torch.device,
) -> Any:
    """A transformers model of these weights, in full floats; `source` is where they come from."""
    with _LOADING, _silence():
        model, report = model_class.from_pretrained(
            None,
            config=config,
            state_dict=dict(state),
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
        )
    _require_complete(report, model_class, source)
    return model.to(device).eval()


def _require_complete(
    report: Mapping[str, Iterable[object]], model_class: Any, source: Path
) -> None:
    wrong = {kind: sorted(map(str, keys)) for kind, keys in report.items() if keys}
    if wrong:
        listed = "; ".join(f"{kind}: {', '.join(keys[:5])}" for kind, keys in wrong.items())
        raise MissingWeights(
            f"The weights in {source} do not fit {model_class.__name__} ({listed}). They are of "
            "another architecture, or the file is incomplete: download them again."
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep transformers from printing bars and reports: `MissingWeights` says what is wrong."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    # The public function would switch off the bars of huggingface_hub's downloads, too.
    transformers_logging._tqdm_active = False
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging._tqdm_active = bars


def images_at_once(device: torch.device, most: int) -> int:
    """How many images go into a network together.

    On a CPU it is one: more would be no faster, and so a result does not depend, not even in its
    last digit, on which other images were in the batch.
    """
    return most if device.type == "cuda" else 1


def images_that_fit(device: torch.device, each_megabytes: int) -> int:
    """How many images go into a network together, of which each takes about so much memory.

    On a CPU it is one, as above. Of what is free on a GPU, half is taken: other models want some,
    too, and where it was too much after all, `in_batches` goes on with less.
    """
    if device.type != "cuda":
        return 1
    free: int = torch.cuda.mem_get_info(device)[0]
    return max(1, min(MOST_AT_ONCE, free // 2 // (each_megabytes * 2**20)))


@contextmanager
def quick_products(device: torch.device) -> Iterator[None]:
    """Let a GPU multiply full floats in TF32: several times as fast, with 10 bits of each factor.

    For networks that can't run in half floats, as they add up coordinates in the number type of
    their input; sums stay full floats. The setting is one of the whole process, so it is held by
    one at a time.
    """
    with _matrix_products(device, "high"):
        yield


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """No TF32, whoever else allows it: a click would move by half a pixel of the network's 1024."""
    with _matrix_products(device, "highest"):
        yield


@contextmanager
def _matrix_products(device: torch.device, precision: str) -> Iterator[None]:
    if device.type != "cuda":
        yield
        return
    with _PRODUCTS:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(precision)
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def compile_on_gpu(network: torch.nn.Module, device: torch.device) -> bool:
    """Let torch compile the network when it is first called; False, and nothing, without a GPU.

    The names of its weights stay as they are. What is won by it has not been measured on a GPU;
    SAM 2, SAM 3 and BiRefNet are traced in one piece, with equal results.
    """
    if device.type != "cuda":
        return False
    network.compile()
    return True


class FittingSizes:
    """How many of a kind went into the device's memory together, where it was fewer than wanted.

    An adapter keeps one, or else every call would run out of memory again before it goes on.
    """

    def __init__(self) -> None:
        self._sizes: dict[Hashable, int] = {}

    def of(self, kind: Hashable, wanted: int) -> int:
        """As many as are wanted, or as have fitted."""
        return min(wanted, self._sizes.get(kind, wanted))

    def remember(self, kind: Hashable, size: int) -> None:
        self._sizes[kind] = size


def in_batches(
    run: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    size: int,
    fitting: FittingSizes | None = None,
    kind: Hashable = None,
) -> list[Result]:
    """Run on `size` items at a time, or on fewer if the device's memory does not suffice.

    `fitting` remembers for the next call how many of this kind do.
    """
    fitting = fitting or FittingSizes()
    size = fitting.of(kind, size)
    results: list[Result] = []
    while len(results) < len(items):
        batch = items[len(results) : len(results) + size]
        try:
            results.extend(run(batch))
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            size = len(batch) // 2
            fitting.remember(kind, size)
            torch.cuda.empty_cache()
            warnings.warn(
                f"The device's memory did not suffice for {len(batch)} at a time: going on with "
                f"{size}.",
                RuntimeWarning,
                stacklevel=2,
            )
    return results


def in_alike_batches(
    run: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    size: int,
    key: Callable[[Item], Hashable],
    fitting: FittingSizes | None = None,
) -> list[Result]:
    """Run on items that have one key together; the results are in the order of the items.

    Such batches need no padding, which would change results a little.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(key(item), []).append(index)
    results: dict[int, Result] = {}
    for kind, indices in groups.items():
        batch = in_batches(run, [items[index] for index in indices], size, fitting, kind)
        results.update(zip(indices, batch, strict=True))
    return [results[index] for index in range(len(items))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchEmbedding:
    """What a torch model remembers of one image: tensors by name, and the image's size.

    `home` is the device of its model, while it waits elsewhere.
    """

    size_hw: tuple[int, int]
    tensors: dict[str, torch.Tensor]
    home: torch.device | None = None

    @property
    def nbytes(self) -> int:
        """The memory that the tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def is_on_gpu(self) -> bool:
        """Whether it takes the memory of a GPU."""
        return any(tensor.device.type == "cuda" for tensor in self.tensors.values())

    def on_host(self) -> TorchEmbedding:
        """The same in the machine's memory; it knows where it came from."""
        home = next(iter(self.tensors.values())).device
        moved = {name: tensor.to("cpu") for name, tensor in self.tensors.items()}
        return TorchEmbedding(size_hw=self.size_hw, tensors=moved, home=home)

    def back(self) -> TorchEmbedding:
        """The same where it came from."""
        moved = {name: tensor.to(self.home) for name, tensor in self.tensors.items()}
        return TorchEmbedding(size_hw=self.size_hw, tensors=moved)

    def to_bytes(self) -> bytes:
        """In the form of safetensors, which can hold numbers only, and no code."""
        plain = {name: tensor.contiguous().cpu() for name, tensor in self.tensors.items()}
        return bytes(save({**plain, SIZE: torch.tensor(self.size_hw)}))


def embedding_from_bytes(data: bytes, device: torch.device) -> TorchEmbedding:
    """Read back what `TorchEmbedding.to_bytes` wrote; ValueError for anything else."""
    try:
        tensors = {name: tensor.to(device) for name, tensor in load(data).items()}
        height, width = tensors.pop(SIZE).tolist()
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"This is no embedding: {error}.") from error
    return TorchEmbedding(size_hw=(height, width), tensors=tensors)
