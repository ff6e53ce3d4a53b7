"""push --embed-only: look at each image of a project once, so that its first click is fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from ml_backend.predict.batching import Batches
from ml_backend.predict.task_images import TaskImages
from ml_backend.project.label_config import LabelConfig
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.protocol import Json
from premask.errors import InvalidSetting, PremaskError
from premask.images import Image
from premask.models.capabilities import Restorer
from premask.models.pool import ModelPool
from premask.recipes.recipe import Recipe
from premask.runs.ordered_work import in_order
from premask.runs.pipeline import BATCH_SIZE, explained
from premask.runs.progress import Progress

WORKERS = 2 * BATCH_SIZE
"""One batch is fetched while the model looks at the other one."""

_Batches = Batches[Image, list[bool]]


@dataclass(slots=True, kw_only=True)
class Warming:
    """One run; what is on disk already is not made again."""

    client: LabelStudioClient
    project: int
    config: LabelConfig
    images: TaskImages
    pool: ModelPool
    recipe: Recipe
    made: int = 0
    kept: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def run(self, show: Callable[[Progress], object]) -> None:
        """Embed every image with every model of the recipe that can keep what it sees."""
        batches = Batches(partial(self._embed, self._models()), size=BATCH_SIZE, calls=1)
        started, total = time.monotonic(), self.client.count(self.project)
        tasks = self.client.tasks(self.project)
        work = in_order(partial(self._see, batches), tasks, workers=WORKERS, name="premask-embed")
        with closing(work) as seeings:
            for done, (task, seeing) in enumerate(seeings, start=1):
                self._count(task["id"], seeing)
                seconds, failed = time.monotonic() - started, len(self.failures)
                show(Progress(done=done, failed=failed, total=max(total, done), seconds=seconds))

    def summary(self) -> list[str]:
        """What was done, and what was not, in sentences."""
        lines = [f"failed: task {task}: {reason}" for task, reason in self.failures.items()]
        lines.append(
            f"{self.made} embeddings made for '{self.recipe.name}', {self.kept} kept from before, "
            f"{len(self.failures)} tasks failed"
        )
        return lines

    def _models(self) -> list[str]:
        models = [name for name in self.recipe.models if isinstance(self.pool.load(name), Restorer)]
        if not models:
            raise InvalidSetting(
                f"No model of the recipe '{self.recipe.name}' remembers an image on disk "
                f"({', '.join(self.recipe.models)}). Name a recipe that does with "
                "--interactive-recipe, the same one as for the server."
            )
        return models

    def _see(self, batches: _Batches, task: Json) -> list[bool]:
        """Whether each embedding of the task's images was made only now."""
        new: list[bool] = []
        for name in self.config.images:
            url = self.config.image_url(name, task["data"])
            image = self.images.image(url, task_id=task["id"], keep=False)
            try:
                new += batches.result_of(image)
            except Exception as error:
                raise explained(error, image, self.recipe) from error
        return new

    def _embed(self, models: Sequence[str], images: Sequence[Image]) -> list[list[bool]]:
        """Which of these models had not seen each image yet; now they have."""
        new = [[not self.pool.is_stored(model, each) for model in models] for each in images]
        for place, model in enumerate(models):
            unseen = [image for image, is_new in zip(images, new, strict=True) if is_new[place]]
            self.pool.embed(model, unseen)
        return new

    def _count(self, task: int, seeing: Future[list[bool]]) -> None:
        try:
            new = seeing.result()
        except PremaskError as error:
            self.failures[task] = str(error)
        else:
            self.made += sum(new)
            self.kept += len(new) - sum(new)
