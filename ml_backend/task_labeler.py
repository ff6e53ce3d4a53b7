"""A project's tasks through the predictor of the server: in order, several under way at once."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from ml_backend.bulk_writer import NewPrediction
from ml_backend.label_config import LabelConfig
from ml_backend.predictor import Prediction, Predictor
from ml_backend.protocol import Json, Task
from premask.errors import PremaskError

AHEAD = 2
"""Tasks of each worker that wait for their turn to be written."""


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
        for model in self.predictor.recipe_for_tasks().models:
            self.predictor.pool.get(model)

    def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
        """One for each task."""
        under_way: deque[tuple[int, Future[Prediction]]] = deque()
        workers = ThreadPoolExecutor(self.workers, "premask-task")
        try:
            for each in tasks:
                task = Task(id=each["id"], data=each["data"])
                labeling = workers.submit(self.predictor.label_task, task, self.config)
                under_way.append((each["id"], labeling))
                if len(under_way) > AHEAD * self.workers:
                    yield self._outcome(*under_way.popleft())
            while under_way:
                yield self._outcome(*under_way.popleft())
        finally:
            workers.shutdown(wait=True, cancel_futures=True)

    def _outcome(self, task: int, labeling: Future[Prediction]) -> NewPrediction | FailedTask:
        try:
            prediction = labeling.result()
        except PremaskError as error:
            return FailedTask(task=task, error=error)
        self.dropped += prediction.dropped
        content = {"task": task, **prediction.content}
        return NewPrediction(task=task, content=json.dumps(content).encode())
