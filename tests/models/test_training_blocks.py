"""Each block of docs/training.md trains for a few steps, and what it finds is read back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask
from premask import Annotation, Image, Labeled, Mask
from premask.cli import main

DOCS = Path(__file__).parents[2] / "docs" / "training.md"
BLOCKS = dict(
    re.findall(r"^## ([^\n]+)\n```python\n(.*?)^```", DOCS.read_text("utf-8"), re.M | re.S)
)
COMMANDS = re.findall(r"^    premask (.*)", DOCS.read_text("utf-8"), re.M)
SIDE = 64
FEW = (
    *("rpn_pre_nms_top_n_train", "rpn_pre_nms_top_n_test", "rpn_post_nms_top_n_train"),
    *("rpn_post_nms_top_n_test", "box_detections_per_img", "box_batch_size_per_image"),
)
"""What Mask R-CNN looks at by the hundred, of which a small picture needs few."""


def shapes(folder: Path, count: int = 10) -> None:
    """Pictures with a red square and a green disk each, and labels for them."""
    labeled = []
    (folder / "photos").mkdir()
    for place in range(count):
        draws = np.random.default_rng(place)
        rows, columns = np.mgrid[:SIDE, :SIDE]
        (x, y), side = draws.integers(4, 20, 2), int(draws.integers(14, 22))
        square = (rows - y < side) & (rows >= y) & (columns - x < side) & (columns >= x)
        disk = np.hypot(rows - 46, columns - 44 + x // 2) < side // 2
        rgb = np.full((SIDE, SIDE, 3), 90, np.uint8)
        rgb[square], rgb[disk] = (220, 30, 30), (30, 200, 60)
        name = f"{place}.png"
        PIL.Image.fromarray(rgb).save(folder / "photos" / name)
        found = [
            Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask)
            for label, mask in (
                ("square", Mask.from_array(square)),
                ("disk", Mask.from_array(disk)),
            )
        ]
        image = Image(name=name, size_hw=(SIDE, SIDE))
        labeled.append(Labeled(image=image, annotations=tuple(found)))
    premask.write(labeled, "coco", folder / "labels.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sets that the page's own commands make."""
    folder = tmp_path_factory.mktemp("training")
    shapes(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMANDS:
            assert main(command.split()) == 0
    return folder


def executed(block: str, folder: Path, changes: dict[str, str], **given: Any) -> dict[str, Any]:
    """Run a block where its sets are; each change is of one line, and has to be one."""
    for line, replacement in changes.items():
        assert len(re.findall(line, block)) == 1, line
        block = re.sub(line, replacement, block)
    names: dict[str, Any] = {"__name__": "block", **given}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(block, str(DOCS), "exec"), names)
        names["images"] = list(names["predictions"])
    return names


def falls(losses: list[float]) -> bool:
    """The mean of the last quarter is clearly below that of the first."""
    quarter = len(losses) // 4
    return float(np.mean(losses[-quarter:])) < 0.9 * float(np.mean(losses[:quarter]))


def check(names: dict[str, Any]) -> None:
    assert falls(names["losses"]), names["losses"]
    assert len(names["images"]) == 2
    found = {found.label for one in names["images"] for found in one.annotations}
    assert found
    assert found <= {"square", "disk"}


def tiny(folder: Path, build: Callable[[Path], None]) -> str:
    path = folder / f"tiny-{build.__module__.rpartition('.')[2]}-{build.__name__}"
    build(path)
    return f'checkpoint = "{path.as_posix()}"'


def test_every_block_is_executed() -> None:
    tests = Path(__file__).read_text("utf-8")
    assert len(BLOCKS) == 6
    assert all(f'BLOCKS["{name}"]' in tests for name in BLOCKS)


# Where Ray is installed, Ultralytics asks it for a trial, and Ray warns that there is none.
@pytest.mark.filterwarnings("ignore:`get_trial_id` is meant:UserWarning")
def test_ultralytics(folder: Path) -> None:
    pytest.importorskip("ultralytics")
    names = executed(
        BLOCKS["Ultralytics"],
        folder,
        {
            'checkpoint = "yolo11n-seg.pt"': 'checkpoint = "yolo11n-seg.yaml"',
            "epochs, size = 100, 640": "epochs, size = 4, 64",
            "save_conf=True": "save_conf=True, conf=0.0001",
            "imgsz=size\\)\n": "imgsz=size, project=str(Path.cwd()), name='train', workers=0, "
            "plots=False, batch=4, warmup_epochs=0, optimizer='AdamW', lr0=0.003)\n",
        },
    )
    table = (folder / "train/results.csv").read_text().splitlines()
    columns = [name.strip() for name in table[0].split(",")]
    place = columns.index("train/seg_loss")
    losses = [float(line.split(",")[place]) for line in table[1:]]
    assert losses[-1] < losses[0], losses
    found = {found.label for one in names["images"] for found in one.annotations}
    assert found
    assert found <= {"square", "disk"}
    assert (folder / "yolo-predictions.json").is_file()


def test_mask_rcnn(folder: Path) -> None:
    models: Any = pytest.importorskip("torchvision.models.detection")
    backbones: Any = pytest.importorskip("torchvision.models.detection.backbone_utils")

    def tiny_mask_rcnn(num_classes: int) -> Any:
        backbone = backbones.resnet_fpn_backbone(
            backbone_name="resnet18", weights=None, trainable_layers=5
        )
        few: dict[str, int] = dict.fromkeys(FEW, 16)
        return models.MaskRCNN(backbone, num_classes, min_size=SIDE, max_size=SIDE, **few)

    block = BLOCKS["Mask R-CNN of torchvision"]
    changes = {
        "epochs = 20": "epochs = 2",
        r'maskrcnn_resnet50_fpn\(weights_backbone="DEFAULT", num_classes': "tiny(num_classes",
    }
    check(executed(block, folder, changes, tiny=tiny_mask_rcnn))


def test_mask2former(folder: Path) -> None:
    from tests.tiny_models.mask2former import build

    changes = {'checkpoint = ".*"': tiny(folder, build), "epochs = 20": "epochs = 3"}
    changes |= {"lr=1e-4": "lr=1e-3", "threshold=0.3": "threshold=0.0"}
    check(executed(BLOCKS["Mask2Former of transformers, for instances"], folder, changes))


def test_segformer(folder: Path) -> None:
    from tests.tiny_models.segformer import build

    changes = {'checkpoint = ".*"': tiny(folder, build), "epochs = 20": "epochs = 4"}
    names = executed(BLOCKS["SegFormer of transformers, for class maps"], folder, changes)
    check(names)


@pytest.mark.parametrize("kind", ["d_fine", "rf_detr"])
def test_boxes_of_detrs(kind: str, folder: Path) -> None:
    from tests.tiny_models.detr import BUILDERS

    changes = {'checkpoint = ".*"': tiny(folder, BUILDERS[kind]), "epochs = 20": "epochs = 4"}
    changes |= {"lr=1e-4": "lr=1e-3", "threshold=0.3": "threshold=0.0"}
    check(executed(BLOCKS["D-FINE or RF-DETR of transformers, for boxes"], folder, changes))


def test_masks_of_rf_detr(folder: Path) -> None:
    from tests.tiny_models.detr import rf_detr_segmentation

    changes = {'checkpoint = ".*"': tiny(folder, rf_detr_segmentation), "epochs = 20": "epochs = 3"}
    changes |= {"lr=1e-4": "lr=1e-3", "threshold=0.3": "threshold=0.0"}
    names = executed(BLOCKS["RF-DETR of transformers, for instances"], folder, changes)
    check(names)
    assert all(found.mask for one in names["images"] for found in one.annotations)
