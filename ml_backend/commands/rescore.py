"""push --rescore: the scores of predictions that are there already, computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ml_backend.commands.bulk_writer import with_version
from ml_backend.commands.task_order import TaskOrder
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.protocol import Json
from premask.errors import InvalidMask, InvalidSetting
from premask.labels.label_studio import prediction_score
from premask.runs.ordered_work import in_order
from premask.runs.progress import ProgressCounter, ProgressWatcher

READERS = 4
"""Predictions are read so many at a time, and written one by one: Label Studio's SQLite takes only
one change at a time."""


@dataclass(slots=True, kw_only=True)
class Rescoring:
    """One run over the predictions of one model version; other versions are left as they are.

    Nothing but scores is written, and only those that change, so that a run that was interrupted
    goes on where it was.
    """

    client: LabelStudioClient
    project: int
    version: str
    order: TaskOrder | None = None
    said: Sequence[str] = ()
    changed: int = 0
    kept: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def run(self, show: ProgressWatcher) -> None:
        """Write the scores that are not what their regions say."""
        ours = [with_version(self.version)]
        total = self.client.count(self.project, ours)
        if not total:
            raise InvalidSetting(self._nothing_to_score())
        counter = ProgressCounter(total=total, on_progress=show, thing="tasks")
        reading = in_order(
            self._scores,
            self.client.tasks(self.project, ours),
            workers=READERS,
            name="premask-scores",
        )
        for task, scores in reading:
            try:
                for prediction, score in scores.result():
                    self._set(prediction, score)
            except InvalidMask as error:
                self.failures[task["id"]] = str(error)
            counter.count(failed=task["id"] in self.failures)
        self.said = self.order.settle() if self.order else ()

    def summary(self) -> list[str]:
        """What was done, and what was not, in sentences."""
        lines = [f"failed: task {task}: {reason}" for task, reason in self.failures.items()]
        lines.append(
            f"{self.changed} scores of '{self.version}' written, {self.kept} were right already, "
            f"{len(self.failures)} tasks failed"
        )
        return [*lines, *self.said]

    def _scores(self, task: Json) -> list[tuple[Json, float]]:
        """The predictions of a task that are meant, and what their scores should be."""
        return [
            (prediction, prediction_score(prediction["result"]))
            for prediction in self.client.predictions(task["id"])
            # The filter of the tasks finds names that merely begin alike, too.
            if prediction["model_version"] == self.version
        ]

    def _set(self, prediction: Json, score: float) -> None:
        if prediction["score"] == score:
            self.kept += 1
        else:
            self.client.set_score(prediction["id"], score)
            self.changed += 1

    def _nothing_to_score(self) -> str:
        counts = self.client.model_versions(self.project)
        known = ", ".join(f"'{version}' ({count})" for version, count in counts.items())
        return (
            f"Project {self.project} has no prediction of '{self.version}'. It has "
            f"{known or 'none at all'}. Start with the recipe and the settings that made them."
        )
