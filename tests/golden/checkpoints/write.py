"""Run by make.py within one version of transformers: writes that version's tiny checkpoints."""

from __future__ import annotations

import importlib
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import transformers

from tests.golden.checkpoints import documented
from tests.golden.checkpoints.layout import PICKLE, SAFETENSORS, made, read_layout

INDEX = "layout.json"
OTHERS = "others.npz"
NEW_NAMES = (
    *("Sam2ImageProcessor", "Sam3ImageProcessor", "Sam3LiteTextConfig", "Sam3LiteTextModel"),
    *("MMGroundingDinoConfig", "MMGroundingDinoForObjectDetection"),
    *("RfDetrConfig", "RfDetrDinov2Config", "RfDetrForInstanceSegmentation"),
    *("RfDetrForObjectDetection", "RfDetrImageProcessor"),
)
"""What the builders import and older versions lack, or have as "...Fast"."""

RESULT = "result.npz"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A checkpoint: who builds it, since (and without) which version, and what it is asked."""

    module: str
    since: tuple[int, int]
    side: int
    ask: Callable[[Path, PIL.Image.Image], documented.Arrays]
    build: str = "build"
    told: tuple[tuple[str, Any], ...] = ()
    without: tuple[tuple[int, int], ...] = ()


def _sam2(build: str = "build") -> Case:
    ask = documented.promptable("Sam2Model", "Sam2Processor")
    return Case(module="sam2", since=(4, 57), side=128, ask=ask, build=build)


def _detr(build: str, since: tuple[int, int] = (4, 57), model: str = "ObjectDetection") -> Case:
    ask = documented.closed_set(f"AutoModelFor{model}")
    return Case(module="detr", since=since, side=64, ask=ask, build=build)


NEWEST = (5, 24)
CASES = {
    "segformer": Case(module="segformer", since=(4, 26), side=64, ask=documented.semantic),
    "mask2former": Case(
        module="mask2former",
        since=(4, 26),
        side=64,
        ask=documented.universal("Mask2FormerForUniversalSegmentation"),
    ),
    "oneformer": Case(
        module="oneformer",
        since=(4, 26),
        side=64,
        ask=documented.universal("OneFormerForUniversalSegmentation"),
    ),
    "eomt": Case(
        module="eomt",
        since=(4, 57),
        side=64,
        ask=documented.universal("EomtForUniversalSegmentation", ("panoptic",)),
    ),
    "eomt-semantic": Case(
        module="eomt",
        since=(4, 57),
        side=64,
        ask=documented.universal("EomtForUniversalSegmentation", ("semantic",)),
        build="build_semantic",
    ),
    "sam": Case(
        module="sam",
        since=(4, 40),
        side=128,
        ask=documented.promptable("SamModel", "SamProcessor"),
    ),
    "sam-hq": Case(
        module="sam_hq",
        since=(4, 57),
        side=128,
        ask=documented.promptable("SamHQModel", "SamHQProcessor"),
    ),
    "sam2": _sam2(),
    "sam2-video": _sam2("build_video"),
    "edgetam": Case(
        module="edgetam",
        since=(4, 57),
        side=128,
        ask=documented.promptable("EdgeTamModel", "Sam2Processor"),
    ),
    "sam3-tracker": Case(
        module="sam3_tracker",
        since=(5, 0),
        side=112,
        ask=documented.promptable("Sam3TrackerModel", "Sam3TrackerProcessor"),
    ),
    "sam3": Case(module="sam3", since=(5, 0), side=112, ask=documented.sam3("Sam3Model")),
    "sam3-lite-text": Case(
        module="sam3",
        since=NEWEST,
        side=112,
        ask=documented.sam3("Sam3LiteTextModel"),
        build="build_lite_text",
    ),
    "grounding-dino": Case(
        module="grounding_dino", since=(4, 40), side=96, ask=documented.grounding_dino
    ),
    "mm-grounding-dino": Case(
        module="grounding_dino",
        since=(4, 57),
        side=96,
        ask=documented.grounding_dino,
        told=(("mm", True),),
        without=((5, 0),),  # its own call errs, and no other version has these heads
    ),
    "owlv2": Case(module="owlv2", since=(4, 40), side=96, ask=documented.owlv2),
    "florence2": Case(module="florence2", since=(4, 57), side=64, ask=documented.florence2),
    "vitmatte": Case(module="vitmatte", since=(4, 40), side=64, ask=documented.vitmatte),
    "rt-detr": _detr("rt_detr"),
    "rt-detr-v2": _detr("rt_detr_v2"),
    "d-fine": _detr("d_fine"),
    "rf-detr": _detr("rf_detr", NEWEST),
    "rf-detr-seg": _detr("rf_detr_segmentation", NEWEST, "InstanceSegmentation"),
}


def write(target: Path, only: list[str]) -> None:
    """All checkpoints that this version of transformers can make, each as a zip."""
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    transformers.utils.logging.set_verbosity_error()
    if hasattr(transformers.utils.logging, "disable_progress_bar"):
        transformers.utils.logging.disable_progress_bar()
    shapes = _make_builders_fit()
    target.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        if case.since <= version and version not in case.without and (not only or name in only):
            with tempfile.TemporaryDirectory() as folder:
                _write(case, Path(folder), shapes, target / f"{name}.zip")
            print(transformers.__version__, name, (target / f"{name}.zip").stat().st_size)


def _write(case: Case, folder: Path, shapes: dict[str, tuple[int, ...]], target: Path) -> None:
    shapes.clear()
    _add_new_names()
    builder = importlib.import_module(f"tests.tiny_models.{case.module}")
    getattr(builder, case.build)(folder, **dict(case.told))
    result = case.ask(folder, PIL.Image.fromarray(documented.picture(case.side)))
    dark = case.ask(folder, PIL.Image.fromarray(documented.picture(case.side)[::-1] // 3))
    if all(np.array_equal(result[key], dark[key]) for key in result):
        raise SystemExit(f"{target.name}: what it says does not depend on the image")
    layout = read_layout(folder, shapes)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.iterdir()):
            if path.name not in (SAFETENSORS, PICKLE):
                # The file names the folder in which it was made; those on the hub name a dataset.
                text = path.read_text(encoding="utf-8")
                _add(archive, path.name, text.replace(str(folder), "shi-labs/oneformer_demo"))
        _add(archive, INDEX, layout.to_json())
        _add(archive, OTHERS, _npz(layout.others))
        _add(archive, RESULT, _npz(result))


def _add(archive: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    """With a date of its own: the same content shall give the same file."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _npz(arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _make_builders_fit() -> dict[str, tuple[int, ...]]:
    """Let tests/tiny_models, written for the newest version, work with this one.

    Parameters are not moved by noise but made of their names; the shapes of those that were are in
    what is returned.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def fill(model: Any, seed: int) -> Any:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                # Single numbers are scales that D-FINE takes roots of.
                if parameter.requires_grad and parameter.numel() > 1:
                    shapes[name] = tuple(parameter.shape)
                    parameter.copy_(made(name, tuple(parameter.shape)))
            for name, buffer in model.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    shapes[name] = tuple(buffer.shape)
                    buffer.copy_(made(name, tuple(buffer.shape)))
        return model

    setattr(importlib.import_module("tests.tiny_models.perturb"), "perturb", fill)  # noqa: B010
    _read_classes_of_oneformer_here()
    _describe_repvit()
    if transformers.__version__.startswith("4."):
        _make_tokenizers_fit()
    return shapes


def _describe_repvit() -> None:
    """EdgeTAM's configuration asks the hub for its default backbone, to tell what differs."""
    try:
        module = importlib.import_module("transformers.models.edgetam.configuration_edgetam")
    except ModuleNotFoundError:
        return

    class Described:
        @staticmethod
        def from_pretrained(name: str, **told: Any) -> Any:
            return transformers.TimmWrapperConfig(architecture="repvit_m1", **told)

    module.AutoConfig = Described  # type: ignore[attr-defined]


def _add_new_names() -> None:
    for name in NEW_NAMES:
        if not hasattr(sys.modules["transformers"], name):
            fast = getattr(sys.modules["transformers"], f"{name}Fast", None)
            # Looked up anew: importing a part of transformers may replace its module.
            setattr(sys.modules["transformers"], name, fast)


def _make_tokenizers_fit() -> None:
    """Version 4 reads vocabularies from files."""
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    def reading(kind: str) -> Callable[..., Any]:
        def make(vocab: dict[str, int], merges: list[str] | None = None, **told: Any) -> Any:
            with tempfile.TemporaryDirectory() as folder:
                if merges is None:
                    path = Path(folder) / "vocab.txt"
                    path.write_text("\n".join(sorted(vocab, key=lambda piece: vocab[piece])))
                    return getattr(transformers, f"{kind}Fast")(str(path), **told)
                path, merged = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
                path.write_text(json.dumps(vocab))
                merged.write_text("#version: 0.2\n" + "\n".join(merges))
                return getattr(transformers, f"{kind}Fast")(str(path), str(merged), **told)

        return make

    slow = importlib.import_module("transformers.convert_slow_tokenizer")
    slow.bytes_to_unicode = bytes_to_unicode  # type: ignore[attr-defined]
    tokenizers = importlib.import_module("tests.tiny_models.tokenizers")
    for kind in ("BertTokenizer", "CLIPTokenizer", "BartTokenizer"):
        setattr(tokenizers, kind, reading(kind))


def _read_classes_of_oneformer_here() -> None:
    """Older versions ask the hub for the list of classes even if it lies in a folder."""
    module = importlib.import_module("transformers.models.oneformer.image_processing_oneformer")
    module.hf_hub_download = lambda folder, file, **_: str(Path(folder) / file)  # type: ignore[attr-defined]


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
