"""The faces agree: the terminal, FiftyOne and Label Studio make the same masks of one image."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from ml_backend.server.app import create_app
from ml_backend.server.state import ServerState
from ml_backend.settings import read_settings
from premask.annotations import Annotation
from premask.cli import main
from premask.labels.coco import read_coco
from premask.labels.fiftyone import annotation_from_detection
from premask.labels.label_studio import annotations_from_regions
from premask.masks import Mask
from tests.ml_backend.label_studio_calls import MemoryFetcher, predict_call, results
from tests.tiny import TinyModels

Found = list[tuple[str, Mask | None]]

WIDTH, HEIGHT = 256, 250
FACE_XYXY = (80, 20, 145, 115)
CUP_XY = (112, 60)

CONFIG = """
<View>
  <Image name="img" value="$image"/>
  <BrushLabels name="brush" toName="img">{labels}</BrushLabels>
  <KeyPointLabels name="point" toName="img" smart="true">{labels}</KeyPointLabels>
  <RectangleLabels name="box" toName="img" smart="true" smartOnly="true">{labels}</RectangleLabels>
</View>
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recipe and one way of asking, as each face has it.

    `pointed` is where a person points, in pixels: a point, or the corners of a box.
    """

    recipe: str
    labels: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    pointed: tuple[int, ...] = ()
    named: tuple[str, ...] = ()


CASES = {
    "the subject of a photo": Case(recipe="subject", labels=("subject",)),
    "faces, and grown masks": Case(recipe="faces", labels=("face",), settings={"refine.grow": 5}),
    "a click": Case(recipe="click", labels=("person",), pointed=CUP_XY),
    "a box": Case(recipe="click", labels=("person",), pointed=FACE_XYXY),
    "phrases": Case(recipe="dino-sam2", labels=("cat", "cup"), named=("cat", "cup")),
    "a class for each pixel": Case(recipe="clothes", labels=()),
}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    """A photo whose sides differ, so that nobody can mix them up."""
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    PIL.Image.fromarray(astronaut).reduce(2).crop((0, 0, WIDTH, HEIGHT)).save(path)
    return path


@pytest.fixture(params=list(CASES), ids=lambda name: str(name).replace(" ", "-"))
def case(request: pytest.FixtureRequest, tiny: TinyModels) -> Case:
    """The case, with tiny models in the place of those of the hub."""
    case = CASES[request.param]
    if case.recipe == "dino-sam2":
        models = {"find.model": tiny["grounding-dino"], "outline.model": tiny["sam2"]}
        loose = {"find.threshold": 0.0, "select.top": 3}
        return Case(**{**asdict(case), "settings": {**models, **loose}})
    if case.recipe == "clothes":
        from tests.tiny_models.segformer import NAMES

        settings = {"find.model": tiny["segformer"]}
        return Case(**{**asdict(case), "settings": settings, "labels": NAMES[1:]})
    return case


def test_the_faces_agree(
    case: Case,
    photo: Path,
    tmp_path: Path,
    fo: Any,
    operator: Callable[[str], Any],
    u2netp_weights: Path,
) -> None:
    """Bit by bit, in the same order, and by the same labels."""
    in_the_terminal = by_terminal(case, photo, tmp_path)
    assert in_the_terminal
    assert all(mask is not None and mask.area for _, mask in in_the_terminal)
    assert by_fiftyone(case, photo, fo, operator) == in_the_terminal
    assert by_label_studio(case, photo, tmp_path) == in_the_terminal


def by_terminal(case: Case, photo: Path, folder: Path) -> Found:
    flags = ["annotate", str(photo), "--recipe", case.recipe, "--out", str(folder / "out")]
    flags += [flag for setting in texts(case) for flag in ("--set", setting)]
    flags += ["--text", *case.named] if case.named else []
    if case.pointed:
        kind = "--points" if len(case.pointed) == 2 else "--boxes"
        flags += [kind, ",".join(map(str, case.pointed)), "--label", case.labels[0]]
    assert main(flags) == 0
    (labeled,) = read_coco(folder / "out" / "coco.json")
    return found(labeled.annotations)


def by_fiftyone(case: Case, photo: Path, fo: Any, operator: Callable[[str], Any]) -> Found:
    dataset = fo.Dataset()
    try:
        sample = fo.Sample(filepath=str(photo))
        dataset.add_sample(sample)
        options = {"recipe": case.recipe, "settings": case.settings, "label_field": "found"}
        if case.pointed:
            sample["shown"] = shown(case, fo)
            sample.save()
            operator("outline_labels")(dataset, source_field="shown", **options)
        else:
            operator("label_samples")(dataset, phrases=case.named, **options)
        dataset.reload()
        detections = dataset.first()["found"].detections
        names = ("label", "bounding_box", "mask", "source")
        fields = [{name: detection[name] for name in names} for detection in detections]
        return found(annotation_from_detection(values, (HEIGHT, WIDTH)) for values in fields)
    finally:
        dataset.delete()


def shown(case: Case, fo: Any) -> Any:
    """Where a person points, as a label of FiftyOne: shares of the image."""
    if len(case.pointed) == 2:
        x, y = case.pointed
        points = [((x + 0.5) / WIDTH, (y + 0.5) / HEIGHT)]
        return fo.Keypoints(keypoints=[fo.Keypoint(label=case.labels[0], points=points)])
    x0, y0, x1, y1 = case.pointed
    box = [x0 / WIDTH, y0 / HEIGHT, (x1 - x0) / WIDTH, (y1 - y0) / HEIGHT]
    return fo.Detections(detections=[fo.Detection(label=case.labels[0], bounding_box=box)])


def by_label_studio(case: Case, photo: Path, folder: Path) -> Found:
    labels = "".join(f'<Label value="{label}"/>' for label in case.labels)
    context = {"result": [drawn(case)]} if case.pointed else None
    call = predict_call("/photo.png", config=CONFIG.format(labels=labels), context=context)
    with serving(case, photo, folder) as client:
        (item,) = results(client, call)
    return found(annotations_from_regions(item["result"]))


def drawn(case: Case) -> dict[str, Any]:
    """Where a person points, as a region of Label Studio: percent of the image."""
    percent = [100 / WIDTH, 100 / HEIGHT]
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    region = {**size, "id": "r1", "to_name": "img", "origin": "manual"}
    x, y = (side * scale for side, scale in zip(case.pointed, percent, strict=False))
    value: dict[str, Any] = {"x": x, "y": y, "rotation": 0}
    if len(case.pointed) == 2:
        value |= {"x": x + percent[0] / 2, "y": y + percent[1] / 2, "width": 0.2}
        value["keypointlabels"] = list(case.labels)
        return {**region, "value": value, "from_name": "point", "type": "keypointlabels"}
    x0, y0, x1, y1 = case.pointed
    value |= {"width": (x1 - x0) * percent[0], "height": (y1 - y0) * percent[1]}
    value["rectanglelabels"] = list(case.labels)
    return {**region, "value": value, "from_name": "box", "type": "rectanglelabels"}


class serving:  # noqa: N801 (it reads as the verb that it is)
    """A backend in this process that answers for the photo."""

    def __init__(self, case: Case, photo: Path, folder: Path) -> None:
        part = "interactive_" if case.pointed else ""
        flags = {
            f"{part}recipe": case.recipe,
            "interactive_settings" if case.pointed else "recipe_settings": texts(case),
            "events_folder": str(folder),
            "embedding_megabytes": 0,
        }
        file = io.BytesIO(photo.read_bytes())
        fetcher = MemoryFetcher({"/photo.png": file.getvalue()})
        self._backend = ServerState(read_settings(environment={}, flags=flags), fetcher)
        self._stack = ExitStack()

    def __enter__(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from starlette.testclient import TestClient
        return self._stack.enter_context(TestClient(create_app(self._backend)))

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def texts(case: Case) -> tuple[str, ...]:
    return tuple(f"{path}={value}" for path, value in case.settings.items())


def found(annotations: Iterator[Annotation] | tuple[Annotation, ...]) -> Found:
    return [(annotation.label, annotation.mask) for annotation in annotations]
