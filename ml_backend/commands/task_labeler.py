"""Labels a project's tasks with the server's predictor, in order, several of them at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field

from ml_backend.commands.bulk_writer import NewPrediction
from ml_backend.predict.chosen_recipes import subject_without_label
from ml_backend.predict.predictor import LabelNotSaid, Prediction, Predictor
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
    """Labels tasks; `dropped` counts what was found, but has no label in the project.

    While the model looks at one task, the images of others are fetched.
    """

    predictor: Predictor
    config: LabelConfig
    workers: int
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def model_version(self) -> str:
        """The name of these predictions: the same name means the same predictions."""
        return self.predictor.version(self.config)

    def prepare(self) -> None:
        """Load the models. What they lack is one error now, instead of one for each task."""
        if not any(map(self.config.outputs, self.config.images)):
            return
        for shares in self.predictor.shares_of_tasks(self.config).values():
            for share in (one.share for one in shares):
                called = subject_without_label(share)
                if called is not None:
                    raise LabelNotSaid(share.recipe.name, Counter([called]))
                for model in share.recipe.models:
                    self.predictor.runs.pool.load(model)

    def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
        """A prediction or a failure for each task, in order."""
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
