"""FiftyOne with the plugin as people install it, and a dataset of real photos."""

from __future__ import annotations

import asyncio
import functools
import http.server
import importlib
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.errors import ModelFailed
from premask.images import Image
from premask.masks import Mask
from premask.prompts import Prompts

CHECKOUT = Path(__file__).parents[2]
PHOTOS = ("astronaut", "chelsea", "coffee")

Operator = Callable[..., Any]


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def archive_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The repository, as its host packs it."""
    folder = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(folder / "premask.zip", "w") as archive:
        for path in _packed():
            archive.write(path, Path("premask-main", path.relative_to(CHECKOUT)))
    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/premask.zip"
        server.shutdown()


def _packed() -> Iterator[Path]:
    """List the files that an installation needs."""
    yield from (CHECKOUT / name for name in ("fiftyone.yml", "pyproject.toml", "README.md"))
    for folder in ("operators", "plugin"):
        yield from (p for p in (CHECKOUT / folder).rglob("*") if "__pycache__" not in p.parts)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of a woman, a cat and a cup, small enough to be quick."""
    import skimage.data

    folder = tmp_path_factory.mktemp("photos")
    return [_saved(getattr(skimage.data, name)(), folder / f"{name}.png") for name in PHOTOS]


@pytest.fixture
def photo_dataset(fo: Any, photos: list[Path]) -> Iterator[Any]:
    """A dataset of the photos, in their order."""
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in photos], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture
def part(plugin: Any) -> Callable[[str], Any]:
    """Get a module of the plugin, such as `work.labeling`, as FiftyOne has loaded it."""
    operator = plugin.get_operator("@premask/premask/label_samples")
    package = type(operator).__module__.removesuffix(".menu.label_samples")
    return lambda name: sys.modules[f"{package}.{name}"]


class Finder:
    """Stands for a recipe's stages: finds what a test wants, and remembers where it looked."""

    def __init__(self) -> None:
        self.looked_at: list[str] = []
        self.prompts: list[Prompts] = []
        self.boxes: dict[str, list[Any]] = {}
        self.broken: set[str] = set()

    def find(self, stem: str, *boxes: tuple[int, int, int, int], label: str = "thing") -> None:
        """Let these boxes be found in the photo of this name from now on."""
        self.boxes[stem] = [(label, box) for box in boxes]

    def run_stages(
        self, images: list[Image], prompts: list[Prompts], recipe: Any, pool: Any
    ) -> list[tuple[Annotation, ...]]:
        """Stand in for the function of this name, which the pipeline calls."""
        stems = [Path(image.name).stem for image in images]
        if self.broken & set(stems):
            raise ModelFailed(f"{stems} can't be looked at.")
        self.looked_at += stems
        self.prompts += prompts
        return [
            tuple(filled(label, box, image.size_hw) for label, box in self.boxes.get(stem, []))
            for stem, image in zip(stems, images, strict=True)
        ]


def filled(label: str, box: tuple[int, int, int, int], size_hw: tuple[int, int]) -> Annotation:
    """Make an annotation of a box without its first pixel, so that mask and box differ."""
    x0, y0, x1, y1 = box
    pixels = np.ones((y1 - y0, x1 - x0), np.bool_)
    pixels[0, 0] = False
    mask = Mask.from_crop(pixels, (x0, y0), size_hw)
    return Annotation(label=label, box_xyxy=box, mask=mask, score=0.75, source=("finder",))


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch, u2netp_weights: Path) -> Finder:
    """Put a `Finder` in the place of the recipe's stages."""
    finder = Finder()
    monkeypatch.setattr("premask.runs.pipeline.run_stages", finder.run_stages)
    return finder


@pytest.fixture
def label(operator: Operator, photo_dataset: Any) -> Callable[..., Any]:
    """Label the photos, or a view of them, and return the run."""

    def labeled(samples: Any = None, **options: Any) -> Any:
        run = operator("label_samples")(samples or photo_dataset, **options).result
        photo_dataset.reload()
        photo_dataset.clear_cache()
        return run

    return labeled


@pytest.fixture
def form(plugin: Any) -> Operator:
    """Return the fields of an operator's form as the App gets them, or of its output."""

    def fields(name: str, dataset: Any, params: Any = None, results: Any = None) -> Any:
        executor = importlib.import_module("fiftyone.operators.executor")
        request = {"dataset_name": dataset.name, "params": params or {}, "results": results}
        request["target"] = "inputs" if results is None else "outputs"
        uri = f"@premask/premask/{name}"
        resolved = executor.resolve_type(plugin.OperatorRegistry(), uri, request)
        return asyncio.run(resolved).to_json()["type"]["properties"]

    return fields


def _saved(rgb: NDArray[np.uint8], path: Path) -> Path:
    PIL.Image.fromarray(rgb).reduce(2).save(path)
    return path
