"""YOLO against Ultralytics' own call sequence, on tiny checkpoints of the real architectures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from premask.errors import MissingWeights, UnknownCategory, UnsafeWeights, UnsupportedPrompt
from premask.images import Image
from premask.masks import Mask
from premask.models.families.yolo.checkpoints import read_model
from premask.models.families.yolo.finder import YoloFinder
from premask.models.options import YoloOptions
from premask.models.weights.pickle_data import class_names
from premask.prompts import Exemplar, Hint, Phrase, Prompts
from premask.recipes.class_names import known_classes
from premask.recipes.recipe import recipe_of
from tests.models.detector_checks import (
    asking,
    assert_differ,
    assert_on_image,
    assert_same,
    assert_threads_do_not_mix,
    photos,
    photos_of_three_sizes,
)
from tests.tiny_models import yolo as tiny

# After premask's own modules, so that they are the ones that import it first.
from ultralytics import YOLO, YOLOE  # isort: skip
from ultralytics.nn.autobackend import AutoBackend  # isort: skip
from ultralytics.nn.tasks import ClassificationModel, DetectionModel  # isort: skip
from ultralytics.utils import IterableSimpleNamespace  # isort: skip
from ultralytics.utils.loss import v8DetectionLoss  # isort: skip

OPTIONS = YoloOptions(threshold=0.55, iou=0.5)
FACE, CUP = (170.0, 60.0, 280.0, 220.0), (60.0, 30.0, 250.0, 260.0)
NOTHING_SAID = Prompts()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yolo")
    for kind in tiny.KINDS:
        tiny.save(tiny.model_of(kind), path / f"{kind}.pt")
    tiny.build_clip(path / "clip-vit-base-patch32")
    return path


@pytest.fixture(scope="module")
def finders(folder: Path) -> dict[str, YoloFinder]:
    return {kind: finder_of(folder, kind) for kind in tiny.KINDS}


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return photos()


def finder_of(folder: Path, kind: str) -> YoloFinder:
    return YoloFinder(weights=folder / f"{kind}.pt", device="cpu")


def find(
    finder: YoloFinder,
    image: Image,
    prompts: Prompts = NOTHING_SAID,
    options: YoloOptions = OPTIONS,
) -> list[Hint]:
    return finder.find([image], [prompts], options)[0]


def as_documented(model: Any, image: Image, **settings: Any) -> list[Hint]:
    """`model.predict` of Ultralytics, on what OpenCV would have read."""
    (result,) = model.predict(
        image.rgb[..., ::-1],
        conf=OPTIONS.threshold,
        iou=OPTIONS.iou,
        retina_masks=True,
        verbose=False,
        device="cpu",
        **settings,
    )
    masks = [None] * len(result.boxes) if result.masks is None else result.masks.data
    hints = [
        Hint(
            label=result.names[int(number)],
            box_xyxy=tuple(box.tolist()),
            score=float(score),
            mask=None if mask is None else Mask.from_array(mask.numpy()),
        )
        for number, box, score, mask in zip(
            result.boxes.cls, result.boxes.xyxy, result.boxes.conf, masks, strict=True
        )
    ]
    assert hints
    return sorted(hints, key=lambda hint: -(hint.score or 0))


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_own_classes_are_found_as_documented(
    finders: dict[str, YoloFinder], folder: Path, images: list[Image], kind: str
) -> None:
    """The file is read by Ultralytics' own loader on the other side."""
    model = YOLO(folder / f"{kind}.pt")
    for image in (images[0], images[2], images[4]):
        found = find(finders[kind], image)
        assert_same(found, as_documented(model, image), pixels=0.02, score=1e-5, mask_pixels=4)
        assert_on_image(found, image)
        assert {hint.label for hint in found} <= {"cup", "woman", "Käse"}
        assert all((hint.mask is not None) == ("seg" in kind) for hint in found)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_classes_are_read_from_the_file_alone(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the weights were read"))
    recipe = recipe_of("yolo").with_settings({"find.model": f"yolo:{folder / kind}.pt"})
    assert known_classes(recipe, NOTHING_SAID) == ("cup", "woman", "Käse")
    chosen = recipe.with_settings({"select.labels": ("Käse", "cup")})
    assert known_classes(chosen, NOTHING_SAID) == ("cup", "Käse")
    with pytest.raises(UnknownCategory, match="Did you mean 'woman'"):
        known_classes(recipe.with_settings({"select.labels": ("women",)}), NOTHING_SAID)


def test_classes_of_the_averaged_model_count_and_lists_are_numbered(tmp_path: Path) -> None:
    """As earlier versions of Ultralytics wrote them, in the middle of a training."""
    model, averaged = tiny.model_of("yolov8"), tiny.model_of("yolov8")
    averaged.names = ["cat", "dog", "cow"]
    torch.save({"model": model, "ema": averaged}, tmp_path / "last.pt")
    assert class_names(tmp_path / "last.pt") == {0: "cat", 1: "dog", 2: "cow"}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint"])
def test_a_broken_file_names_no_classes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pt").write_bytes(content)
    assert class_names(tmp_path / "broken.pt") == {}


def test_phrases_are_read_by_clip(
    finders: dict[str, YoloFinder], folder: Path, images: list[Image]
) -> None:
    """What `set_classes` of Ultralytics stores, made by the text encoder of transformers."""
    words = ["a red cup", "woman", "a chair", "sky"]
    clip = CLIPTextModelWithProjection.from_pretrained(folder / "clip-vit-base-patch32").eval()
    tokens = CLIPTokenizer.from_pretrained(folder / "clip-vit-base-patch32")(
        words, padding="max_length", return_tensors="pt"
    )
    with torch.inference_mode():
        features = clip(**tokens).text_embeds
    model = YOLO(folder / "yolov8-worldv2.pt")
    model.model.txt_feats = (features / features.norm(dim=-1, keepdim=True))[None].clone()
    model.model.model[-1].nc = len(words)
    model.model.names = dict(enumerate(words))
    for image in images[:3]:
        found = find(finders["yolov8-worldv2"], image, asking(*words))
        assert_same(found, as_documented(model, image), pixels=0.02, score=1e-4)


def test_exemplars_are_shown_as_documented(
    finders: dict[str, YoloFinder], folder: Path, images: list[Image]
) -> None:
    model = YOLOE(folder / "yoloe-26-seg.pt")
    shown = {"bboxes": np.array([FACE, CUP, CUP]), "cls": np.array([0, 0, 1])}
    expected = as_documented(model, images[0], visual_prompts=shown)
    exemplars = [
        Exemplar(box_xyxy=FACE, label="object0"),
        Exemplar(box_xyxy=CUP, label="object0"),
        Exemplar(box_xyxy=CUP, label="object1"),
    ]
    found = find(finders["yoloe-26-seg"], images[0], Prompts(exemplars=tuple(exemplars)))
    assert_same(found, expected, pixels=0.02, score=1e-5, mask_pixels=4)


def test_what_was_asked_is_forgotten(finders: dict[str, YoloFinder], images: list[Image]) -> None:
    """A model that was told what to look for finds its own classes afterwards."""
    asked = {
        "yolov8-worldv2": asking("a red cup", "woman", "sky", "sea"),
        "yoloe-26-seg": Prompts(exemplars=(Exemplar(box_xyxy=CUP, label="this"),)),
    }
    for kind, prompts in asked.items():
        before = find(finders[kind], images[0])
        assert_differ(before, find(finders[kind], images[0], prompts))
        assert find(finders[kind], images[0]) == before


@pytest.mark.parametrize("kind", ["yolo26-seg", "yolov8"])
def test_results_do_not_depend_on_the_batch(
    finders: dict[str, YoloFinder], images: list[Image], kind: str
) -> None:
    """Not even in the last digit, on a CPU."""
    together = finders[kind].find(images, [NOTHING_SAID] * len(images), OPTIONS)
    for image, found in zip(images, together, strict=True):
        assert found == find(finders[kind], image)
    assert finders[kind].find([], [], OPTIONS) == []


def inputs_of(finder: YoloFinder, *, half: bool = False) -> list[torch.Tensor]:
    """A list that takes what the network gets from now on."""
    seen: list[torch.Tensor] = []
    vocabulary: Any = finder._vocabulary(half=half)
    network = vocabulary._predictor.model.backend.model
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    return seen


@pytest.mark.parametrize("kind", ["yolo26-seg", "yolov8"])
def test_photos_of_several_sizes_share_a_batch_if_the_network_sees_one(
    folder: Path, images: list[Image], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: each is seen as it is alone, bit by bit, and what is found differs by rounding.

    The square photo is seen in another shape, and changes nothing for the others.
    """
    finder = finder_of(folder, kind)
    seen = inputs_of(finder)
    mixed = photos_of_three_sizes()
    mixed.insert(1, images[0])
    alone = [find(finder, image) for image in mixed]
    alone_seen = torch.cat([seen[index] for index in (0, 2, 3)])
    seen.clear()
    monkeypatch.setattr(finder, "_at_once", 4)
    together = finder.find(mixed, [NOTHING_SAID] * 4, OPTIONS)
    assert [tuple(pixels.shape) for pixels in seen] == [(3, 3, 64, 96), (1, 3, 96, 96)]
    assert torch.equal(seen[0], alone_seen)
    for found, expected in zip(together, alone, strict=True):
        assert_same(found, expected, pixels=0.02, score=1e-5, mask_pixels=20)


def test_exemplars_are_of_one_size(
    finders: dict[str, YoloFinder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What of a box is on the image depends on its size, even if the network sees both alike."""
    finder = finders["yoloe-26-seg"]
    monkeypatch.setattr(finder, "_at_once", 4)
    mixed = photos_of_three_sizes()[1::-1]
    prompts = Prompts(exemplars=(Exemplar(box_xyxy=(100, 100, 500, 390), label="this"),))
    for image, found in zip(mixed, finder.find(mixed, [prompts] * 2, OPTIONS), strict=True):
        assert found == find(finder, image, prompts)


@pytest.mark.parametrize("kind", ["yolo26-seg", "yolov8-worldv2", "yoloe-26-seg"])
def test_halves_are_for_gpus_and_for_who_asks(
    folder: Path, images: list[Image], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network in halves on the CPU stands for one on a GPU."""
    wanted = YoloOptions(threshold=0.55, iou=0.5, half=True)
    finder = finder_of(folder, kind)
    full = find(finder, images[0])
    assert find(finder, images[0], options=wanted) == full
    monkeypatch.setattr(finder, "_device", torch.device("cuda"))
    asked: list[bool] = []

    def as_on_a_gpu(*, fp16: bool, **settings: Any) -> AutoBackend:
        asked.append(fp16)
        made = AutoBackend(fp16=False, **settings)
        made.backend.fp16 = fp16
        made.backend.model.half()
        return made

    monkeypatch.setattr("ultralytics.engine.predictor.AutoBackend", as_on_a_gpu)
    seen = inputs_of(finder, half=True)
    halves = find(finder, images[0], options=wanted)
    assert asked == [True]
    assert [pixels.dtype for pixels in seen] == [torch.float16]
    assert halves[0].score == pytest.approx(full[0].score, abs=0.04)
    assert all((hint.mask is None) == ("seg" not in kind) for hint in halves)
    assert find(finder, images[0]) == full, "full floats are still there"
    assert asked == [True]


def test_questions_share_no_batch(finders: dict[str, YoloFinder], images: list[Image]) -> None:
    """Images of one size, of each of which something else is asked."""
    same = [images[0], images[1], images[0], images[0]]
    like = [
        Prompts(exemplars=(Exemplar(box_xyxy=box, label=label),))
        for box, label in ((CUP, "cup"), (CUP, "cup"), (FACE, "face"))
    ]
    prompts = [*like, NOTHING_SAID]
    together = finders["yoloe-26-seg"].find(same, prompts, OPTIONS)
    for image, asked, found in zip(same, prompts, together, strict=True):
        assert_same(
            found,
            find(finders["yoloe-26-seg"], image, asked),
            pixels=0.02,
            score=1e-5,
            mask_pixels=4,
        )
    assert {hint.label for hint in together[2]} == {"face"}


def test_red_is_red(folder: Path, images: list[Image]) -> None:
    """A network that sees only one color finds what has that color, so channels are in order."""
    model = read_model(folder / "yolov8.pt")
    with torch.no_grad():
        model.model[0].conv.weight[:, 1:] = 0
    tiny.save(model, folder / "red.pt")
    finder = finder_of(folder, "red")
    rgb = np.array(images[0].rgb)
    for channel in (1, 2):
        rgb[..., channel] = 200
    as_seen = find(finder, Image.from_rgb(rgb, name="only red"))
    assert_same(as_seen, find(finder, images[0]))
    rgb[..., 0] = 200
    assert_differ(as_seen, find(finder, Image.from_rgb(rgb, name="gray")))


def test_the_options_are_used(finders: dict[str, YoloFinder], images: list[Image]) -> None:
    finder = finders["yolov8"]
    plain = find(finder, images[0])
    strict = find(finder, images[0], options=YoloOptions(threshold=0.7, iou=0.5))
    assert 0 < len(strict) < len(plain)
    assert min(hint.score or 0 for hint in strict) > 0.7
    assert len(find(finder, images[0], options=YoloOptions(threshold=0.55, iou=0.1))) < len(plain)
    larger = YoloOptions(threshold=0.55, iou=0.5, image_size=160)
    assert_differ(plain, find(finder, images[0], options=larger))


def test_another_image_is_another_result(
    finders: dict[str, YoloFinder], images: list[Image]
) -> None:
    assert_differ(find(finders["yolo26-seg"], images[0]), find(finders["yolo26-seg"], images[1]))


def test_two_threads_do_not_mix(finders: dict[str, YoloFinder], images: list[Image]) -> None:
    prompts = [asking("cup", "sky"), asking("woman", "sea", "chair")]
    assert_threads_do_not_mix(
        lambda index: [find(finders["yolov8-worldv2"], images[index], prompts[index])]
    )


def test_negative_phrases_take_away(finders: dict[str, YoloFinder], images: list[Image]) -> None:
    words = asking("cup", "sky").phrases
    both = find(finders["yolov8-worldv2"], images[0], Prompts(phrases=words))
    best = both[0].label
    unwanted = tuple(Phrase(text=phrase.text, positive=phrase.text != best) for phrase in words)
    kept = find(finders["yolov8-worldv2"], images[0], Prompts(phrases=unwanted))
    assert best not in {hint.label for hint in kept}
    assert all(hint in both for hint in kept)


@pytest.mark.parametrize(
    ("kind", "prompts", "reason"),
    [
        ("yolov8", asking("cup"), "select.labels=cup"),
        ("yolov8", Prompts(exemplars=(Exemplar(box_xyxy=CUP),)), "trained for"),
        ("yolov8-worldv2", Prompts(exemplars=(Exemplar(box_xyxy=CUP),)), "in words"),
        ("yolov8-worldv2", asking("cup", "x" * 90), "reads 77 at once"),
        ("yolov8-worldv2", asking(" "), "without words"),
        ("yoloe-26-seg", asking("cup"), "set_classes"),
        ("yoloe-26-seg", Prompts(exemplars=(Exemplar(box_xyxy=CUP, positive=False),)), "negative"),
        ("yoloe-26-seg", Prompts(exemplars=(Exemplar(box_xyxy=(-9, 0, 0, 9)),)), "no pixel"),
    ],
)
def test_what_can_not_be_asked_is_refused(
    finders: dict[str, YoloFinder], images: list[Image], kind: str, prompts: Prompts, reason: str
) -> None:
    with pytest.raises(UnsupportedPrompt, match=reason):
        find(finders[kind], images[0], prompts)


def test_without_clip_it_is_said_how_to_get_it(
    folder: Path, images: list[Image], tmp_path: Path
) -> None:
    (tmp_path / "yolov8-worldv2.pt").write_bytes((folder / "yolov8-worldv2.pt").read_bytes())
    finder = finder_of(tmp_path, "yolov8-worldv2")
    assert find(finder, images[0], options=YoloOptions(threshold=0.01))
    with pytest.raises(MissingWeights, match="hf download openai/clip-vit-base-patch32"):
        find(finder, images[0], asking("cup"))


def test_clip_is_read_as_it_was_published(
    folder: Path, finders: dict[str, YoloFinder], images: list[Image], tmp_path: Path
) -> None:
    """Its repository has a pickle, with buffers that newer versions do not write down."""
    kind, clip = "yolov8-worldv2", "clip-vit-base-patch32"
    shutil.copytree(folder / clip, tmp_path / clip)
    shutil.copy(folder / f"{kind}.pt", tmp_path)
    weights = load_file(tmp_path / clip / "model.safetensors")
    for part, length in {"text": 77, "vision": 50}.items():
        weights[f"{part}_model.embeddings.position_ids"] = torch.arange(length)[None]
    torch.save(weights, tmp_path / clip / "pytorch_model.bin")
    (tmp_path / clip / "model.safetensors").unlink()
    options = YoloOptions(threshold=0.01)
    expected = find(finders[kind], images[0], asking("cup", "a red bus"), options)
    assert (
        find(finder_of(tmp_path, kind), images[0], asking("cup", "a red bus"), options) == expected
    )
    assert expected


# --- files


def test_a_missing_weight_is_found_out(folder: Path, tmp_path: Path) -> None:
    model = read_model(folder / "yolov8.pt")
    del model.model[5].conv.weight
    tiny.save(model, tmp_path / "part.pt")
    with pytest.raises(MissingWeights, match="incomplete"):
        finder_of(tmp_path, "part")


def test_plain_tensors_are_no_model(tmp_path: Path) -> None:
    torch.save({"model": {"weight": torch.ones(3)}}, tmp_path / "tensors.pt")
    with pytest.raises(MissingWeights, match="holds no model"):
        finder_of(tmp_path, "tensors")


def test_other_tasks_are_named(tmp_path: Path) -> None:
    file = tiny.configurations() / "v8" / "yolov8-cls.yaml"
    tiny.save(ClassificationModel(str(file), nc=3, verbose=False), tmp_path / "sorts.pt")
    with pytest.raises(MissingWeights, match="holds a ClassificationModel"):
        finder_of(tmp_path, "sorts")


def test_files_of_all_ages_are_read(folder: Path, images: list[Image], tmp_path: Path) -> None:
    """In half floats; with a running average; with paths, numbers and losses beside the model."""
    model = read_model(folder / "yolov8.pt")
    expected = find(finder_of(folder, "yolov8"), images[0])
    model.args = IterableSimpleNamespace(imgsz=tiny.SIDE, box=7.5, cls=0.5, dfl=1.5)
    beside = {
        "train_args": {"imgsz": tiny.SIDE, "data": Path("a/b.yaml")},
        "best_fitness": np.float64(0.5),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
        "loss": v8DetectionLoss(model),
        # What the segmentation models of 2023 and 2024 keep: `self.detect = Detect.forward`.
        "method": type(model.model[-1]).forward.__get__(model.model[-1]),
    }
    torch.save({"model": None, "ema": model, **beside}, tmp_path / "running.pt")
    assert_same(find(finder_of(tmp_path, "running"), images[0]), expected)
    torch.save({"model": model.half(), "ema": None, **beside}, tmp_path / "halves.pt")
    halves = find(finder_of(tmp_path, "halves"), images[0])
    assert halves[0].score == pytest.approx(expected[0].score, abs=0.02)


class CallsTheModel:
    """A checkpoint that lets Ultralytics' own constructor evaluate a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __reduce__(self) -> tuple[Any, ...]:
        layers = [[-1, 1, "Conv", [8, 3, 2]]]
        settings = {"activation": self._text, "nc": 1, "backbone": layers, "head": []}
        return DetectionModel, (settings,)


def test_a_model_that_evaluates_a_text_is_refused(tmp_path: Path) -> None:
    """All names in this file are allowed ones, and torch's `weights_only` alone would run it."""
    ran = tmp_path / "ran"
    torch.save(
        {"model": CallsTheModel(f"__import__('pathlib').Path({str(ran)!r}).touch()")},
        tmp_path / "evil.pt",
    )
    with pytest.raises(UnsafeWeights, match=r"calls ultralytics\.nn\.tasks\.DetectionModel"):
        finder_of(tmp_path, "evil")
    assert not ran.exists()
    with torch.serialization.safe_globals([DetectionModel]):
        torch.load(tmp_path / "evil.pt", weights_only=True)
    assert ran.exists(), "the attack is no attack, so that this test would prove nothing"


def test_names_that_no_model_needs_are_refused(tmp_path: Path) -> None:
    torch.save({"model": subprocess.Popen}, tmp_path / "evil.pt")
    with pytest.raises(UnsafeWeights, match=r"subprocess\.Popen"):
        finder_of(tmp_path, "evil")


def test_ultralytics_keeps_to_itself(folder: Path, tmp_path: Path) -> None:
    """It writes and prints nothing, and what its import changes in the process is changed back."""
    program = f"""
import os, cv2, torch, PIL.Image
opens, saves = PIL.Image.open, torch.save
environment, threads = dict(os.environ), (cv2.getNumThreads(), torch.get_num_threads())
from pathlib import Path
import numpy as np
from premask.images import read_image
from premask.models.options import YoloOptions
from premask.models.weights.pickle_data import class_names
from premask.models.families.yolo.finder import YoloFinder
from premask.prompts import Prompts
finder = YoloFinder(weights=Path({str(folder / "yolo11-seg.pt")!r}), device="cpu")
image = read_image(np.full((90, 70, 3), 99, np.uint8))
finder.find([image], [Prompts()], YoloOptions())
os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # torch's own
assert dict(os.environ) == environment
assert (cv2.getNumThreads(), torch.get_num_threads()) == threads
assert (PIL.Image.open, torch.save) == (opens, saves)
import ultralytics.utils
assert not ultralytics.utils.ONLINE and not ultralytics.utils.AUTOINSTALL
"""
    home, work, own = (tmp_path / name for name in ("home", "work", "own"))
    for folder in (home, work):
        folder.mkdir()
    source = Path(__file__).parents[2] / "plugin"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PREMASK_HOME": str(own),
        "PYTHONPATH": str(source),
    }
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not list(home.iterdir())
    assert not list(work.iterdir())


def test_the_layers_of_the_first_yolo_world_may_be_loaded() -> None:
    """Its images inform its words through this one."""
    from premask.models.families.yolo.checkpoints import LAYERS

    assert torch.nn.AdaptiveMaxPool2d in LAYERS
