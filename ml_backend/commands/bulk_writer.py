"""Writes predictions into a project: many in one request, in a thread, and none of them twice."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ml_backend.studio.client import AnswerLost, Condition, LabelStudioClient

BATCH = 200
BATCH_BYTES = 8 * 10**6
BATCH_SECONDS = 10.0
"""A batch is written when it has so many predictions or bytes; or when it is so old, and no other
is being written. (With 20,000 tasks in a project, a bulk import takes Label Studio 1.23 1.7 s.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrediction:
    """A prediction for the bulk import: JSON with the task's number in it."""

    task: int
    content: bytes


Batch = list[NewPrediction]


class BulkWriter:
    """Writes predictions of one model version; leaving the `with` block writes what is left.

    One batch is written while the next one is collected. `on_failure` is called for each task that
    got no prediction, with the reason.
    """

    def __init__(
        self,
        client: LabelStudioClient,
        project: int,
        version: str,
        on_failure: Callable[[int, str], object],
    ) -> None:
        self.written = 0
        self._client, self._project, self._version = client, project, version
        self._on_failure = on_failure
        self._batch: Batch = []
        self._bytes, self._since = 0, 0.0
        self._writing: deque[tuple[Batch, Future[set[int]]]] = deque()
        self._thread = ThreadPoolExecutor(1, "premask-push")

    def __enter__(self) -> BulkWriter:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._flush()
            while self._writing:
                self._finish(*self._writing.popleft())
        finally:
            self._thread.shutdown()

    def add(self, prediction: NewPrediction) -> None:
        """Add to the batch, which is written when it is full or old."""
        if not self._batch:
            self._since = time.monotonic()
        self._batch.append(prediction)
        self._bytes += len(prediction.content)
        idle = all(writing.done() for _, writing in self._writing)
        old = idle and time.monotonic() - self._since >= BATCH_SECONDS
        if len(self._batch) >= BATCH or self._bytes >= BATCH_BYTES or old:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._writing.append((self._batch, self._thread.submit(self._write, self._batch)))
            self._batch, self._bytes = [], 0
        while len(self._writing) > 1:
            self._finish(*self._writing.popleft())

    def _write(self, batch: Batch) -> set[int]:
        """Write a batch; returns the tasks whose predictions Label Studio dropped silently."""
        # A second push, or the server itself, may have labeled some of them meanwhile.
        lacking = self._lacking(batch)
        new = [prediction for prediction in batch if prediction.task in lacking]
        if not new:
            return set()
        contents = [prediction.content for prediction in new]
        created = self._client.add_predictions(self._project, contents)
        return set() if created == len(new) else self._lacking(new)

    def _lacking(self, batch: Batch) -> set[int]:
        """The tasks of the batch that have no prediction of this version."""
        numbers = {prediction.task for prediction in batch}
        span = {"min": min(numbers), "max": max(numbers)}
        conditions = [
            Condition(column="id", operator="in", type="Number", value=span),
            without_version(self._version),
        ]
        return numbers & {task["id"] for task in self._client.tasks(self._project, conditions)}

    def _finish(self, batch: Batch, writing: Future[set[int]]) -> None:
        try:
            dropped = writing.result()
        except AnswerLost as error:
            # To send it again could write it twice. The next run will see what was written.
            for prediction in batch:
                self._on_failure(
                    prediction.task, f"{error} Perhaps it was written: run push again."
                )
            return
        self.written += len(batch) - len(dropped)
        for task in sorted(dropped):
            self._on_failure(
                task,
                "Label Studio dropped the prediction, because it does not fit the label config. "
                "Was the config changed during the run?",
            )


def with_version(version: str) -> Condition:
    """Tasks that have a prediction of this model version."""
    return _versions("contains", version)


def without_version(version: str) -> Condition:
    """Tasks that have no prediction of this model version."""
    return _versions("not_contains", version)


def _versions(operator: str, version: str) -> Condition:
    column = "predictions_model_versions"
    return Condition(column=column, operator=operator, type="List", value=[version])
