"""push --embed-only: look at each image of a project once, so that its first click is fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from ml_backend.client import LabelStudioClient
from ml_backend.images import TaskImages
from ml_backend.label_config import LabelConfig
from ml_backend.protocol import Json
from premask.errors import InvalidSetting, PremaskError
from premask.images import Image
from premask.models.capabilities import Restorer
from premask.models.pool import ModelPool
from premask.pipeline import Progress
from premask.recipes import Recipe

FETCHED_AHEAD = 4


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
        models = self._models()
        started, total = time.monotonic(), self.client.count(self.project)
        for done, (task, fetching) in enumerate(self._fetched(), start=1):
            try:
                for image in fetching.result():
                    self._embed(image, models)
            except PremaskError as error:
                self.failures[task] = str(error)
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
        models = [name for name in self.recipe.models if isinstance(self.pool.get(name), Restorer)]
        if not models:
            raise InvalidSetting(
                f"No model of the recipe '{self.recipe.name}' remembers an image on disk "
                f"({', '.join(self.recipe.models)}). Name a recipe that does with "
                "--interactive-recipe, the same one as for the server."
            )
        return models

    def _embed(self, image: Image, models: list[str]) -> None:
        for model in models:
            if self.pool.is_stored(model, image):
                self.kept += 1
            else:
                self.pool.embed(model, [image])
                self.made += 1

    def _fetched(self) -> Iterator[tuple[int, Future[list[Image]]]]:
        """The images of each task; the next ones are fetched while the model works."""
        tasks = self.client.tasks(self.project)
        with ThreadPoolExecutor(FETCHED_AHEAD, "premask-fetch") as readers:

            def begin(task: Json) -> tuple[int, Future[list[Image]]]:
                return task["id"], readers.submit(self._images_of, task)

            waiting = [begin(task) for task in islice(tasks, FETCHED_AHEAD)]
            while waiting:
                yield waiting.pop(0)
                waiting += [begin(task) for task in islice(tasks, 1)]

    def _images_of(self, task: Json) -> list[Image]:
        urls = [self.config.image_url(name, task["data"]) for name in self.config.images]
        return [self.images.image(url, task_id=task["id"], keep=False) for url in urls]
