"""Labels into FiftyOne's database: a whole run of ours, against the ways that people write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.fiftyone_samples import (
    SIZE_HW,
    found_in_images,
    labels_of,
    new_run,
    start_fiftyone,
    unlabeled,
)
from benchmarks.table import Row, ratio_of
from premask.annotations import Annotation, Labeled
from premask.images import Image
from premask.recipes.recipe import recipe_of
from premask.runs import pipeline

Found = list[list[Annotation]]
Writer = Callable[[Any], None]

REPEATS = 5


def rows() -> Iterator[Row]:
    fo, folder = start_fiftyone()
    found = found_in_images()
    fresh = Fresh(fo, folder)
    with_images, without_images = Ours(folder, found), Ours(folder, found, reads_images=False)
    for name, theirs, goal in (
        ("bare set_values of the same labels", SetValues(fo, found), 1 / 1.2),
        ("sample.save() in a loop", SaveEach(fo, found), None),
    ):
        yield Row(
            what=f"labels written / {name}",
            ratio=fresh.ratio_of(without_images, theirs),
            goal=goal,
            note="200 samples x 20 masks; ours with its merging, provenance and history",
        )
    yield Row(
        what="Label samples / apply_model, both with a model that takes no time",
        ratio=fresh.ratio_of(with_images, ApplyModel(fo, found)),
        note="both read the images",
    )


class Fresh:
    """Datasets without labels, one for each time that something is written."""

    def __init__(self, fo: Any, folder: Path) -> None:
        self._fo, self._folder = fo, folder

    def ratio_of(self, ours: Writer, theirs: Writer) -> float:
        datasets = [unlabeled(self._fo, self._folder) for _ in range(2 * REPEATS)]
        return ratio_of(
            lambda: ours(datasets.pop()), lambda: theirs(datasets.pop()), repeats=REPEATS
        )


class Ours:
    """All that the operator *Label samples* does, except the model's own work."""

    def __init__(self, folder: Path, found: Found, *, reads_images: bool = True) -> None:
        self._folder, self._found, self._reads_images = folder, found, reads_images

    def __call__(self, dataset: Any) -> None:
        from operators.work import labeling

        label = pipeline.label if self._reads_images else self._label
        run = new_run(dataset, self._folder, {"found": "detections"})
        work = labeling.Work(self._job(dataset), run, lambda: False)
        with (
            mock.patch.object(pipeline, "run_stages", self._run_stages),
            mock.patch.object(labeling, "label", label),
        ):
            for _ in work.steps():
                pass
        assert dataset.count("found.detections.mask") == sum(map(len, self._found))

    def _job(self, dataset: Any) -> Any:
        from operators.dataset.writing import outputs_of
        from operators.work.planning import Job

        outputs = outputs_of(["detections"], "found")
        return Job(dataset=dataset, samples=dataset, recipe=recipe_of("faces"), outputs=outputs)

    def _run_stages(self, images: Sequence[Image], *_: Any) -> list[tuple[Annotation, ...]]:
        return [tuple(self._found[int(Path(image.name).stem)]) for image in images]

    def _label(self, requests: Any, *_: Any, **__: Any) -> Iterator[Labeled]:
        for request, found in zip(requests, self._found, strict=True):
            image = Image(name=str(request.image), size_hw=SIZE_HW)
            yield Labeled(image=image, annotations=tuple(found))


class SetValues:
    def __init__(self, fo: Any, found: Found) -> None:
        self._fo, self._found = fo, found

    def __call__(self, dataset: Any) -> None:
        dataset.set_values(
            "found", [labels_of(self._fo, annotations) for annotations in self._found]
        )


class SaveEach:
    def __init__(self, fo: Any, found: Found) -> None:
        self._fo, self._found = fo, found

    def __call__(self, dataset: Any) -> None:
        for sample, found in zip(dataset, self._found, strict=True):
            sample["found"] = labels_of(self._fo, found)
            sample.save()


class ApplyModel:
    def __init__(self, fo: Any, found: Found) -> None:
        self._fo, self._found = fo, found

    def __call__(self, dataset: Any) -> None:
        model = _stub_model(self._fo, self._found)
        dataset.apply_model(model, label_field="found", progress=False)
        assert dataset.count("found.detections.mask") == sum(map(len, self._found))


def _stub_model(fo: Any, found: Found) -> Any:
    answers = iter(found)

    class Stub(fo.Model):  # type: ignore[misc]
        media_type = "image"
        ragged_batches = True
        transforms = None
        preprocess = False

        def predict(self, arg: Any) -> Any:
            return labels_of(fo, next(answers))

    return Stub()
