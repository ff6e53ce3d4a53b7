"""Tiny YOLOs of Ultralytics: detection, segmentation, YOLO-World, YOLOE; and a tiny CLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import CLIPConfig, CLIPModel

from premask.models.families.yolo.library import tasks
from tests.tiny_models.perturb import perturb
from tests.tiny_models.tokenizers import clip_tokenizer

NAMES = {0: "cup", 1: "woman", 2: "Käse"}
SIDE = 96

KINDS = {
    "yolo26-seg": (tasks.SegmentationModel, "26/yolo26-seg.yaml"),
    "yolo11-seg": (tasks.SegmentationModel, "11/yolo11-seg.yaml"),
    "yolov8": (tasks.DetectionModel, "v8/yolov8.yaml"),
    "yolov8-worldv2": (tasks.WorldModel, "v8/yolov8-worldv2.yaml"),
    "yoloe-26-seg": (tasks.YOLOESegModel, "26/yoloe-26-seg.yaml"),
}


def build(folder: Path) -> None:
    """Write a YOLO-World, which takes phrases, and beside it the CLIP that encodes them."""
    save(model_of("yolov8-worldv2"), folder / "yolov8-worldv2.pt")
    build_clip(folder / "clip-vit-base-patch32")


def save(model: Any, path: Path) -> None:
    """Write a checkpoint as Ultralytics does after training."""
    torch.save({"epoch": -1, "ema": None, "model": model, "train_args": {"imgsz": SIDE}}, path)


def model_of(kind: str) -> Any:
    """A model of the real architecture, a sixteenth as wide, that makes something of its image."""
    torch.manual_seed(0)
    kind_of_model, file = KINDS[kind]
    settings = yaml.safe_load((configurations() / file).read_text())
    settings.update(scales={"n": [0.33, 0.0625, 1024]}, scale="n")
    model = kind_of_model(settings, nc=len(NAMES), verbose=False)
    if isinstance(model, tasks.YOLOEModel):
        model.eval().set_classes(
            NAMES, torch.nn.functional.normalize(torch.randn(1, 3, 512), dim=2)
        )
    wake(perturb(model, seed=1))
    model.names = dict(NAMES)
    model.args = {"imgsz": SIDE}
    model.task = "segment" if isinstance(model, tasks.SegmentationModel) else "detect"
    return model.eval()


def wake(model: Any) -> None:
    """Let each layer vary as it does after training, and the scores with it."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        model.train()(torch.rand(8, 3, SIDE, SIDE))
        for name, parameter in model.named_parameters():
            scores = "cv3" in name and name.endswith("2.bias")
            if scores or ("cv4" in name and name.endswith("bias") and parameter.numel() == 1):
                parameter.zero_()


def configurations() -> Path:
    """Where Ultralytics' own descriptions of its models lie."""
    return Path(tasks.__file__).parents[1] / "cfg" / "models"


def build_clip(folder: Path) -> None:
    """A CLIP whose texts are vectors of 512 numbers, which is what YOLO-World wants."""
    torch.manual_seed(0)
    part = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = {
        **part,
        "vocab_size": 514,
        "max_position_embeddings": 77,
        "bos_token_id": 512,
        "eos_token_id": 513,
    }
    vision = {**part, "image_size": 32, "patch_size": 16}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=512)
    perturb(CLIPModel(config), seed=1).save_pretrained(folder)
    clip_tokenizer(77).save_pretrained(folder)
