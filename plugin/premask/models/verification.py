"""Whether a model's real weights load and answer: the report of somebody who has the model hub."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from premask.errors import ImageWeights, PremaskError
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import PhraseTracker
from premask.models.catalog import Checkpoint
from premask.models.pool import ModelPool
from premask.models.registry import Stage
from premask.models.weights.installed import installed_weights, weights_identity
from premask.models.weights.kinds import HubWeights
from premask.prompts import BoxPrompt, Phrase, Prompts
from premask.version import __version__

DRAWN = "red disc"
"""What there is in the picture that `drawn_image` draws."""

PACKAGES = (
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "torch",
    "torchvision",
    "transformers",
    "safetensors",
    "huggingface-hub",
    "ultralytics",
    "ultralytics-opencv-headless",
    "sam2",
)

Row = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found out, line by line, and whether all of it is as it should be."""

    rows: tuple[Row, ...]
    passed: bool


def verify(checkpoint: Checkpoint, pool: ModelPool, image: Image, phrase: str) -> Verification:
    """Load the weights of this machine strictly, and ask the model about one image.

    An error is a line of the report: whoever reads it needs all the other lines as well.
    """
    rows = [*_software(pool.device), *_weights(checkpoint)]
    loading, passed = _attempt(partial(_loaded, checkpoint, pool))
    rows.append(("loading", loading))
    if passed:
        rows.append(("image", f"{image.name}, {image.size_hw[1]} x {image.size_hw[0]}"))
    for stage in checkpoint.stages if passed else ():
        answer, answered = _attempt(partial(_ANSWERS[stage], checkpoint, pool, image, phrase))
        rows.append((stage, answer))
        passed = passed and answered
    rows.append(("result", "passed" if passed else "FAILED"))
    return Verification(rows=tuple(rows), passed=passed)


def drawn_image() -> Image:
    """A red disc and a blue square on a bright ground, for those who name no photo."""
    y, x = np.mgrid[:480, :640]
    rgb = np.stack([220 - y / 8, 225 - x / 10, 200 + y / 12], axis=-1).astype(np.uint8)
    rgb[(x - 220) ** 2 + (y - 250) ** 2 < 110**2] = (200, 30, 40)
    rgb[280:420, 420:560] = (30, 60, 190)
    return Image.from_rgb(rgb, name="drawn")


def _software(device: str) -> Iterator[Row]:
    yield "premask", __version__
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    yield "device", device


def _weights(checkpoint: Checkpoint) -> Iterator[Row]:
    yield "family", checkpoint.family
    path = installed_weights(checkpoint)
    if path is None:
        yield "weights", "none needed"
        return
    if isinstance(checkpoint.weights, HubWeights):
        yield "repository", checkpoint.weights.hub
        yield "commit", weights_identity(checkpoint)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            yield file.name, f"{file.stat().st_size:,} bytes, sha256 {_digest(file)}"
        if file.suffix == ".safetensors":
            yield "", _tensors(file)
        elif file.name == "config.json":
            yield "", _config(file)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _tensors(path: Path) -> str:
    """How many tensors of which type: eight bytes of length, then JSON, then the numbers."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, path.stat().st_size)))
        kinds = Counter(entry["dtype"] for name, entry in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no header of safetensors"
    return f"{kinds.total()} tensors ({', '.join(f'{kinds[kind]} {kind}' for kind in kinds)})"


def _config(path: Path) -> str:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        wanted = ("model_type", "architectures", "transformers_version")
        return ", ".join(f"{key} {config[key]}" for key in wanted if key in config)
    except (ValueError, TypeError) as error:
        return f"no JSON: {error}"


def _attempt(ask: Callable[[], str]) -> tuple[str, bool]:
    """What was answered and how long it took, or the error, and whether there was none."""
    started = time.perf_counter()
    try:
        answer = ask()
    except ImageWeights as error:
        # Fine-tunes for images are whole without what follows objects.
        return f"not asked: {error}", True
    except PremaskError as error:
        return f"{type(error).__name__}: {error}", False
    except Exception as error:  # Any error of a model library belongs into the report.
        return f"{type(error).__name__}: {error} (not explained by premask)", False
    return f"{answer}; {time.perf_counter() - started:.2f} s", True


def _loaded(checkpoint: Checkpoint, pool: ModelPool) -> str:
    model = pool.load(checkpoint.name)
    return f"{type(model).__name__}, every weight fits"


def _find(checkpoint: Checkpoint, pool: ModelPool, image: Image, phrase: str) -> str:
    options = checkpoint.options_for("find")
    if hasattr(options, "points_per_side"):
        # "Everything" asks at 32 x 32 points, which takes minutes without a GPU.
        options = dataclasses.replace(options, points_per_side=8)
    listens = checkpoint.needs_prompts(options)
    prompts = Prompts(phrases=(Phrase(text=phrase),) if listens else ())
    (hints,) = pool.finder(checkpoint.name).find([image], [prompts], options)
    labels = Counter(hint.label for hint in hints)
    scores = [hint.score for hint in hints if hint.score is not None]
    words = [f"{len(hints)} objects"]
    words += [f"best score {max(scores):.3f}"] if scores else ["no scores"]
    words += [f"{label} {count}" for label, count in labels.most_common(5)]
    words += [f"{sum(hint.mask is not None for hint in hints)} with a mask"]
    return ", ".join(words)


def _outline(checkpoint: Checkpoint, pool: ModelPool, image: Image, phrase: str) -> str:
    hints = Prompts(boxes=(BoxPrompt(box_xyxy=_middle(image)),)).hints()
    embeddings = pool.embed(checkpoint.name, [image])
    segmenter = pool.segmenter(checkpoint.name)
    ((outline,),) = segmenter.segment(embeddings, [hints], checkpoint.options_for("outline"))
    share = outline.mask.area / (image.size_hw[0] * image.size_hw[1])
    score = "no score" if outline.score is None else f"score {outline.score:.3f}"
    return f"a mask of {share:.1%} of the image from a box, {score}"


def _matte(checkpoint: Checkpoint, pool: ModelPool, image: Image, phrase: str) -> str:
    x0, y0, x1, y1 = _middle(image)
    pixels = np.zeros(image.size_hw, np.bool_)
    pixels[y0:y1, x0:x1] = True
    mask = Mask.from_array(pixels) if checkpoint.is_guided else None
    matter = pool.matter(checkpoint.name)
    (alpha,) = matter.matte([image], [mask], checkpoint.options_for("matte"))
    opaque, soft = np.mean(alpha >= 250), np.mean((alpha > 5) & (alpha < 250))
    return f"alpha from {alpha.min()} to {alpha.max()}, {opaque:.1%} opaque, {soft:.1%} soft"


def _track(checkpoint: Checkpoint, pool: ModelPool, image: Image, phrase: str) -> str:
    """Follow through the image, and the image moved to the right by a sixteenth."""
    tracker, options = pool.tracker(checkpoint.name), checkpoint.options_for("track")
    moved = Image.from_rgb(np.roll(image.rgb, image.size_hw[1] // 16, axis=1), name="moved")
    seen = tracker.embed([image, moved])
    if isinstance(tracker, PhraseTracker):
        looking = tracker.look_for([Phrase(text=phrase)], image.size_hw, options)
        sightings = [*looking.step(0, seen[0]), *looking.step(1, seen[1]), *looking.finish()]
        counts = ", ".join(str(len(found)) for _, found in sightings)
        return f"objects in two frames: {counts}"
    (hint,) = Prompts(boxes=(BoxPrompt(box_xyxy=_middle(image)),)).hints()
    tracking = tracker.begin(image.size_hw, options)
    first = tracking.step(0, seen[0], {1: hint})[1]
    second = tracking.step(1, seen[1], {})[1]
    return f"masks of {first.mask.area} and {second.mask.area} pixels in two frames, from a box"


def _middle(image: Image) -> tuple[int, int, int, int]:
    """A box about what people photograph, and about the disc that is drawn."""
    height, width = image.size_hw
    return width // 6, height // 4, width * 11 // 20, height * 4 // 5


_ANSWERS: dict[Stage, Callable[[Checkpoint, ModelPool, Image, str], str]] = {
    "find": _find,
    "outline": _outline,
    "matte": _matte,
    "track": _track,
}
