"""A project's tasks through the predictor of the server: in order, several under way at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field

from ml_backend.commands.bulk_writer import NewPrediction
from ml_backend.predict.predictor import Prediction, Predictor
from ml_backend.project.label_config import LabelConfig
from ml_backend.studio.protocol import Json, Task, prediction_json
from premask.errors import PremaskError
from premask.runs.ordered_work import in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task that could not be labeled."""

    task: int
    error: PremaskError


@dataclass(slots=True, kw_only=True)
class TaskLabeler:
    """While one task is in the model, another one's image is fetched; `dropped` has no label."""

    predictor: Predictor
    config: LabelConfig
    workers: int
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def model_version(self) -> str:
        """What the predictions are called: the same name means the same predictions."""
        return self.predictor.version(self.config)

    def prepare(self) -> None:
        """Load the models: what they lack is one error now, and not one for each task."""
        self.predictor.prompts_for_tasks(self.config)
        for model in self.predictor.recipe_for_tasks().models:
            self.predictor.pool.load(model)

    def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
        """One for each task."""
        work = in_order(self._label, tasks, workers=self.workers, name="premask-task")
        with closing(work) as labelings:
            for task, labeling in labelings:
                yield self._outcome(task["id"], labeling)

    def _label(self, task: Json) -> Prediction:
        return self.predictor.label_task(Task(id=task["id"], data=task["data"]), self.config)

    def _outcome(self, task: int, labeling: Future[Prediction]) -> NewPrediction | FailedTask:
        try:
            prediction = labeling.result()
        except PremaskError as error:
            return FailedTask(task=task, error=error)
        self.dropped += prediction.dropped
        content = prediction_json({"task": task, **prediction.content})
        return NewPrediction(task=task, content=content)
