"""The families by name, each with its adapter as a text: its library is imported at first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from premask.errors import MissingDependency
from premask.models.options import (
    BirefnetOptions,
    ClosedFormOptions,
    DetrOptions,
    EomtOptions,
    EverythingOptions,
    Florence2Options,
    FlowOptions,
    GrabcutOptions,
    GroundingDinoOptions,
    HaarOptions,
    NoOptions,
    Owlv2Options,
    QuerySegmentationOptions,
    Sam3Options,
    Sam3VideoOptions,
    SamHqOptions,
    SegformerOptions,
    VitMatteOptions,
    YoloOptions,
)

OLDEST_TRANSFORMERS = (5, 23)
"""As pyproject.toml has it: the oldest version that the tests of checkpoints pass with."""

Stage = Literal["find", "outline", "matte", "track"]


def _always(options: object) -> bool:
    return True


def _never(options: object) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of model: its adapter, the stages it answers, and the extra that it needs.

    `options` are its own settings by stage, and `prompts` how its find stage can be told what to
    look for ("phrases", "exemplars"). `needs_prompts` says whether, with these options, it finds
    only that. A `guided` one mattes the edge of a mask that it is given, and finds no subject.
    `label` is what it calls all that it finds, where it knows only one kind of object.
    `model_types` is what config.json calls it in a folder of weights.
    """

    adapter: str
    stages: tuple[Stage, ...]
    extra: str
    options: Mapping[Stage, type[Any]] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    needs_prompts: Callable[[Any], bool] = _never
    model_types: tuple[str, ...] = ()
    guided: bool = False
    label: str = ""

    def options_type(self, stage: Stage) -> type[Any]:
        """The settings dataclass that its adapter takes in this stage."""
        return self.options.get(stage, NoOptions)


FAMILIES: dict[str, Family] = {
    "haar": Family(
        adapter="premask.models.families.haar:HaarFinder",
        stages=("find",),
        extra="offline",
        options={"find": HaarOptions},
        label="face",
    ),
    "grabcut": Family(
        adapter="premask.models.families.grabcut:GrabcutSegmenter",
        stages=("outline",),
        extra="offline",
        options={"outline": GrabcutOptions},
    ),
    "u2net": Family(
        adapter="premask.models.families.u2net:U2netMatter",
        stages=("find", "matte"),
        extra="offline",
        label="subject",
    ),
    "flow": Family(
        adapter="premask.models.families.flow.tracker:FlowTracker",
        stages=("track",),
        extra="offline",
        options={"track": FlowOptions},
    ),
    "closed-form": Family(
        adapter="premask.models.families.closed_form:ClosedFormMatter",
        stages=("matte",),
        extra="offline",
        options={"matte": ClosedFormOptions},
        guided=True,
    ),
    "birefnet": Family(
        adapter="premask.models.families.birefnet.matter:BirefnetMatter",
        stages=("find", "matte"),
        extra="torch",
        options={"find": BirefnetOptions, "matte": BirefnetOptions},
        label="subject",
    ),
    "vitmatte": Family(
        adapter="premask.models.families.vitmatte:VitMatteMatter",
        stages=("matte",),
        extra="torch",
        options={"matte": VitMatteOptions},
        model_types=("vitmatte",),
        guided=True,
    ),
    "segformer": Family(
        adapter="premask.models.families.segformer:SegformerFinder",
        stages=("find",),
        extra="torch",
        options={"find": SegformerOptions},
        model_types=("segformer",),
    ),
    "mask2former": Family(
        adapter="premask.models.families.mask2former:mask2former_finder",
        stages=("find",),
        extra="torch",
        options={"find": QuerySegmentationOptions},
        model_types=("mask2former",),
    ),
    "oneformer": Family(
        adapter="premask.models.families.oneformer:oneformer_finder",
        stages=("find",),
        extra="torch",
        options={"find": QuerySegmentationOptions},
        model_types=("oneformer",),
    ),
    "eomt": Family(
        adapter="premask.models.families.eomt:eomt_finder",
        stages=("find",),
        extra="torch",
        options={"find": EomtOptions},
        model_types=("eomt",),
    ),
    "sam": Family(
        adapter="premask.models.families.sam:sam_segmenter",
        stages=("find", "outline"),
        extra="torch",
        options={"find": EverythingOptions},
        label="object",
        model_types=("sam",),
    ),
    "sam-hq": Family(
        adapter="premask.models.families.sam_hq:sam_hq_segmenter",
        stages=("find", "outline"),
        extra="torch",
        options={"find": EverythingOptions, "outline": SamHqOptions},
        label="object",
        model_types=("sam_hq",),
    ),
    "sam2": Family(
        adapter="premask.models.families.sam2:sam2_segmenter",
        stages=("find", "outline", "track"),
        extra="torch",
        options={"find": EverythingOptions},
        label="object",
        model_types=("sam2", "sam2_video"),
    ),
    "sam2-official": Family(
        adapter="premask.models.families.sam2_official.segmenter:sam2_official_segmenter",
        stages=("find", "outline", "track"),
        extra="sam2",
        options={"find": EverythingOptions},
        label="object",
    ),
    "edgetam": Family(
        adapter="premask.models.families.edgetam:edgetam_segmenter",
        stages=("find", "outline", "track"),
        extra="torch",
        options={"find": EverythingOptions},
        label="object",
        model_types=("edgetam", "edgetam_video"),
    ),
    "sam3-tracker": Family(
        adapter="premask.models.families.sam3_tracker:sam3_tracker_segmenter",
        stages=("find", "outline", "track"),
        extra="torch",
        options={"find": EverythingOptions},
        label="object",
        model_types=("sam3_tracker", "sam3_tracker_video"),
    ),
    "sam3": Family(
        adapter="premask.models.families.sam3:sam3_finder",
        stages=("find",),
        extra="torch",
        options={"find": Sam3Options},
        prompts=("phrases", "exemplars"),
        needs_prompts=_always,
        model_types=("sam3", "sam3_video", "sam3_lite_text"),
    ),
    "sam3-video": Family(
        adapter="premask.models.families.sam3_video.tracker:sam3_video_tracker",
        stages=("track",),
        extra="torch",
        options={"track": Sam3VideoOptions},
        prompts=("phrases",),
        needs_prompts=_always,
    ),
    "sam31": Family(
        adapter="premask.models.families.sam31.adapters:sam31_finder",
        stages=("find",),
        extra="torch",
        options={"find": Sam3Options},
        prompts=("phrases", "exemplars"),
        needs_prompts=_always,
    ),
    "sam31-tracker": Family(
        adapter="premask.models.families.sam31.adapters:sam31_tracker_segmenter",
        stages=("find", "outline"),
        extra="torch",
        options={"find": EverythingOptions},
        label="object",
    ),
    "grounding-dino": Family(
        adapter="premask.models.families.grounding_dino:grounding_dino_finder",
        stages=("find",),
        extra="torch",
        options={"find": GroundingDinoOptions},
        prompts=("phrases",),
        needs_prompts=_always,
        model_types=("grounding-dino", "mm-grounding-dino"),
    ),
    "owlv2": Family(
        adapter="premask.models.families.owlv2:owlv2_finder",
        stages=("find",),
        extra="torch",
        options={"find": Owlv2Options},
        prompts=("phrases", "exemplars"),
        needs_prompts=_always,
        model_types=("owlv2",),
    ),
    "florence2": Family(
        adapter="premask.models.families.florence2.finder:florence2_finder",
        stages=("find",),
        extra="torch",
        options={"find": Florence2Options},
        prompts=("phrases",),
        needs_prompts=Florence2Options.takes_phrases,
        model_types=("florence2",),
    ),
    "detr": Family(
        adapter="premask.models.families.detr:DetrFinder",
        stages=("find",),
        extra="torch",
        options={"find": DetrOptions},
        model_types=("rt_detr", "rt_detr_v2", "d_fine", "rf_detr"),
    ),
    "yolo": Family(
        adapter="premask.models.families.yolo.finder:YoloFinder",
        stages=("find",),
        extra="yolo",
        options={"find": YoloOptions},
        prompts=("phrases", "exemplars"),
    ),
}


_TORCH = ("torch", "torchvision", "transformers", "safetensors", "timm", "huggingface_hub")

LIBRARIES: dict[str, tuple[str, ...]] = {
    "offline": ("onnxruntime", "cv2"),
    "torch": _TORCH,
    "yolo": (*_TORCH, "ultralytics"),
    "sam2": (*_TORCH, "sam2"),
}
"""What the families of an extra import, by the names that Python has for it."""


def build(family_name: str, weights: Path | None, device: str) -> Any:
    """Import the family's adapter and give it its weights."""
    family = FAMILIES[family_name]
    if family.extra == "torch":
        _require_recent_transformers()
    module_name, class_name = family.adapter.split(":")
    try:
        adapter = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("premask"):
            raise
        raise MissingDependency(
            f"The models of the family '{family_name}' need the package '{error.name}', which is "
            f"not installed. Install it with: pip install 'premask[{family.extra}]'"
        ) from error
    return adapter(weights=weights, device=device)


def _require_recent_transformers() -> None:
    """Older versions lack classes, or load files of other versions and answer otherwise."""
    try:
        installed = metadata.version("transformers")
    except metadata.PackageNotFoundError:
        return  # whose import will say so
    if tuple(int(part) for part in installed.split(".")[:2]) < OLDEST_TRANSFORMERS:
        oldest = ".".join(map(str, OLDEST_TRANSFORMERS))
        raise MissingDependency(
            f"transformers {installed} is too old: premask's results are those of {oldest} and "
            f"newer. Upgrade it with: pip install --upgrade 'transformers>={oldest}'"
        )
