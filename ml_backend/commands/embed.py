"""push --embed-only: look at each image of a project once, so that its first click is fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ml_backend.predict.task_images import TaskImages
from ml_backend.project.label_config import LabelConfig, Page
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.protocol import Json
from premask.errors import InvalidRequest, InvalidSetting
from premask.images import Image
from premask.models.pool import ModelPool
from premask.recipes.recipe import Recipe
from premask.runs.pipeline import BATCH_SIZE
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.runs.warming import storable_models, warm


@dataclass(frozen=True, slots=True, kw_only=True)
class _TaskImage:
    """One of the images of the task that is the `number`th, or why it has none."""

    number: int
    task: Json
    page: Page | InvalidRequest


@dataclass(slots=True, kw_only=True)
class Warming:
    """One run; what is on disk already is not made again."""

    client: LabelStudioClient
    project: int
    config: LabelConfig
    images: TaskImages
    pool: ModelPool
    recipes: Sequence[Recipe]
    made: int = 0
    kept: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def run(self, show: ProgressWatcher) -> None:
        """Embed every image with every model that answers clicks and can keep what it sees."""
        wanted = tuple(dict.fromkeys(name for recipe in self.recipes for name in recipe.models))
        models = storable_models(wanted, self.pool)
        if not models:
            raise InvalidSetting(
                f"No model of the recipe {self._named()} remembers an image on disk "
                f"({', '.join(wanted)}). Name a recipe that does with "
                "--interactive-recipe, the same one as for the server."
            )
        counter = ProgressCounter(total=self.client.count(self.project), on_progress=show)
        for warmed in warm(
            self._task_images(), self._read, models=models, pool=self.pool, batch_size=BATCH_SIZE
        ):
            self.made += warmed.made
            self.kept += warmed.kept
            if warmed.error is not None:
                self.failures[warmed.item.task["id"]] = str(warmed.error)
            # Tasks are counted, which may have several images.
            counter.done, counter.failed = warmed.item.number, len(self.failures)
            counter.tell()

    def summary(self) -> list[str]:
        """What was done, and what was not, in sentences."""
        lines = [f"failed: task {task}: {reason}" for task, reason in self.failures.items()]
        lines.append(
            f"{self.made} embeddings made for {self._named()}, {self.kept} kept from before, "
            f"{len(self.failures)} tasks failed"
        )
        return lines

    def _named(self) -> str:
        return " and ".join(f"'{recipe.name}'" for recipe in self.recipes)

    def _task_images(self) -> Iterator[_TaskImage]:
        for number, task in enumerate(self.client.tasks(self.project), start=1):
            config = self.config.of_task(task["data"])
            for image in config.images:
                pages: Sequence[Page | InvalidRequest]
                try:
                    pages = config.pages(image, task["data"])
                except InvalidRequest as error:
                    pages = [error]
                for page in pages:
                    yield _TaskImage(number=number, task=task, page=page)

    def _read(self, wanted: _TaskImage) -> Image:
        if isinstance(wanted.page, InvalidRequest):
            raise wanted.page
        return self.images.image(wanted.page.url, task_id=wanted.task["id"], keep=False)
