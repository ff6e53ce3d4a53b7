"""python -m ml_backend push: label a whole project; run again, it continues where it was."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ml_backend.commands.bulk_writer import BulkWriter, NewPrediction, with_version, without_version
from ml_backend.commands.embed import Warming
from ml_backend.commands.planned_labels import PlannedLabeler
from ml_backend.commands.rescore import Rescoring
from ml_backend.commands.task_labeler import FailedTask, TaskLabeler
from ml_backend.commands.task_order import TaskOrder
from ml_backend.predict.predictors import Predictors
from ml_backend.project.extra_params import ExtraParams, read_extra_params
from ml_backend.project.label_config import parse_label_config
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.protocol import Json
from premask.errors import InvalidSetting
from premask.plans.plan import Plan
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.terminal.screen import ProgressLine, printable

RECIPE_FLAGS = ("recipe", "interactive_recipe", "video_recipe")

OWN_PREFIX = "premask"
"""How premask's model versions begin; predictions with other names are never deleted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command, beside those of the settings."""
    add = parser.add_argument
    add("--project", type=int, required=True, metavar="N", help="the project's number")
    add(
        "--plan",
        type=Path,
        metavar="DIR",
        help="write what `premask annotate --plan` has found in the tasks' images, known by their "
        "addresses or names, and label nothing",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--replace",
        action="store_true",
        help="then delete the predictions that premask made of the same tasks before, with "
        "whatever recipe; nobody else's, and no annotations",
    )
    instead.add_argument(
        "--embed-only",
        action="store_true",
        help="label nothing, but look at each image once, so that the first click is fast",
    )
    instead.add_argument(
        "--rescore",
        action="store_true",
        help="label nothing, but compute the scores again by which Label Studio orders tasks, of "
        "the predictions that these settings have made before; nothing else of them is changed",
    )
    add(
        "--order-by-doubt",
        action="store_true",
        help="then have Label Studio hand out the tasks first of which these predictions are least "
        "sure (its uncertainty sampling), and show people these predictions",
    )


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Push a project; the exit code is 1 where some tasks failed."""
    work = _work(options, settings)
    line = ProgressLine()
    try:
        work.run(line)
    finally:
        line.end()
    print("\n".join(map(printable, work.summary())))
    return 1 if work.failures else 0


def _work(options: argparse.Namespace, settings: BackendSettings) -> Push | Warming | Rescoring:
    client, project = LabelStudioClient.from_settings(settings), options.project
    config = parse_label_config(client.project(project)["label_config"])
    if options.plan is not None:
        if options.embed_only:
            raise InvalidSetting("--embed-only looks at images, and --plan at none. Leave one out.")
        planned = PlannedLabeler(plan=Plan.open(options.plan), config=config)
        return _writer(options, client, planned)
    predictors = Predictors.from_settings(settings)
    predictor = predictors.of(_asked(options, client), config)
    if options.embed_only:
        if options.order_by_doubt:
            raise InvalidSetting("--embed-only makes no predictions, so --order-by-doubt has none.")
        return Warming(
            client=client,
            project=project,
            config=config,
            images=predictors.images,
            pool=predictors.pool,
            recipes=predictor.recipes.answering_clicks(config.controls),
        )
    labeler = TaskLabeler(predictor=predictor, config=config, workers=settings.batch_workers)
    return _writer(options, client, labeler)


def _writer(
    options: argparse.Namespace, client: LabelStudioClient, labeler: Labeler
) -> Push | Rescoring:
    """What writes into the project: predictions, or only the scores of those that are there."""
    number, version = options.project, labeler.model_version
    order = TaskOrder(
        client=client, project=number, version=version, by_doubt=options.order_by_doubt
    )
    if options.rescore:
        return Rescoring(client=client, project=number, version=version, order=order)
    return Push(
        client=client, project=number, labeler=labeler, replace=options.replace, order=order
    )


def _asked(options: argparse.Namespace, client: LabelStudioClient) -> ExtraParams:
    """What the project asks for in Label Studio's form, unless a flag names a recipe."""
    if any(getattr(options, flag, None) for flag in RECIPE_FLAGS):
        return ExtraParams()
    connected = client.backends(options.project)
    own = [one for one in connected if str(one.get("model_version")).startswith(f"{OWN_PREFIX}-")]
    return read_extra_params(own[0].get("extra_params") if own else None)


class Labeler(Protocol):
    """What `Push` needs of a `TaskLabeler`; tests have others."""

    @property
    def model_version(self) -> str:
        """The name of its predictions: the same name means the same predictions."""
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """How often what was found had no label in the project."""
        ...

    def prepare(self) -> None:
        """Raise now what would otherwise make every task fail."""
        ...

    def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
        """A prediction or a failure for each task, in order."""
        ...


@dataclass(slots=True, kw_only=True)
class Push:
    """One run. What earlier runs did is known from the model versions in Label Studio."""

    client: LabelStudioClient
    project: int
    labeler: Labeler
    replace: bool = False
    order: TaskOrder | None = None
    said: Sequence[str] = ()
    kept: int = 0
    written: int = 0
    deleted: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def run(self, show: ProgressWatcher) -> None:
        """Label the tasks that have no prediction of this version."""
        version = self.labeler.model_version
        missing = [without_version(version)]
        total = self.client.count(self.project)
        counter = ProgressCounter(total=total, on_progress=show)
        self.kept = total - self.client.count(self.project, missing)
        if self.kept < total:
            self.labeler.prepare()
        tasks = self.client.tasks(self.project, missing)
        with BulkWriter(self.client, self.project, version, self._fail) as writer:
            counter.done = counter.reused = self.kept
            for outcome in self.labeler.predictions(tasks):
                if isinstance(outcome, FailedTask):
                    self._fail(outcome.task, str(outcome.error))
                else:
                    writer.add(outcome)
                counter.done += 1
                # The writer reports failures of its own, of tasks that were counted before.
                counter.failed = len(self.failures)
                counter.tell()
        self.written = writer.written
        if self.replace:
            self._delete_older()
        self.said = self.order.settle() if self.order else ()

    def summary(self) -> list[str]:
        """What was done, and what was not, in sentences."""
        lines = [f"failed: task {task}: {reason}" for task, reason in self.failures.items()]
        for label, count in self.labeler.dropped.items():
            lines.append(f"found, but the project has no label for it: {count} x {label}")
        lines.append(
            f"{self.written} predictions written as '{self.labeler.model_version}', "
            f"{self.kept} kept from before, {len(self.failures)} tasks failed"
        )
        if self.replace:
            lines.append(f"{self.deleted} older predictions of premask deleted")
        return [*lines, *self.said]

    def _delete_older(self) -> None:
        """Delete older predictions of tasks that have one of this version now."""
        version = self.labeler.model_version
        for task in self.client.tasks(self.project, [with_version(version)]):
            if task["total_predictions"] > 1:
                for number in _outdated(self.client.predictions(task["id"]), version):
                    self.client.delete_prediction(number)
                    self.deleted += 1

    def _fail(self, task: int, reason: str) -> None:
        self.failures[task] = reason


def _outdated(predictions: Iterable[Json], version: str) -> list[int]:
    """The ids of all of premask's predictions but the newest of this version."""
    own = [
        prediction
        for prediction in predictions
        # Nobody else's name may merely begin alike, as premasked-1 does.
        if f"{prediction['model_version']}-".startswith(f"{OWN_PREFIX}-")
    ]
    newest = max(prediction["id"] for prediction in own if prediction["model_version"] == version)
    return [prediction["id"] for prediction in own if prediction["id"] != newest]
