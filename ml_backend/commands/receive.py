"""python -m ml_backend receive: what people made of the labels that were sent, into a file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ml_backend.project.attributes import attribute_controls
from ml_backend.project.label_config import read_label_config
from ml_backend.project.returned_objects import ReturnedObjects
from ml_backend.project.sent_tasks import identity_of, only_image
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.protocol import Json
from premask.errors import LabelStudioFailed, PremaskError
from premask.exchange.records import ReturnedSample, write_returned
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.terminal.screen import ProgressLine, printable

PAGE = 10
"""Whole tasks at a time: each may hold megabytes of brushes."""

Annotator = Literal["latest", "ground-truth"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add = parser.add_argument
    add("file", type=Path, help="where to write what people said")
    add("--project", type=int, required=True, metavar="N", help="the project's number")
    add(
        "--annotator",
        choices=("latest", "ground-truth"),
        default="latest",
        help="whose annotation counts where a task has several: the one that is marked as ground "
        "truth, else the one that was changed last (default); or the marked ones only",
    )


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Write the file; the exit code is 1 where some tasks failed."""
    client = LabelStudioClient.from_settings(settings)
    receive = Receive(client=client, project=options.project, annotator=options.annotator)
    line = ProgressLine()
    try:
        receive.write(options.file, line)
    finally:
        line.end()
    print("\n".join(map(printable, receive.summary())))
    return 1 if receive.failures else 0


@dataclass(slots=True, kw_only=True)
class Receive:
    """One run over the tasks of a project; `failures` have the reasons by task."""

    client: LabelStudioClient
    project: int
    annotator: Annotator = "latest"
    returned: int = 0
    waiting: int = 0
    others: int = 0
    several: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    _people: dict[int, str] = field(default_factory=dict)

    def write(self, path: Path, show: ProgressWatcher) -> None:
        """Write what people said of all tasks that came from FiftyOne."""
        xml = str(self.client.project(self.project)["label_config"])
        image, _ = only_image(read_label_config(xml))
        try:
            self._people = self.client.people()
        except LabelStudioFailed:
            self._people = {}  # not everybody may see who the others are: numbers name them, too
        objects = ReturnedObjects(image=image, attributes=attribute_controls(xml))
        counter = ProgressCounter(total=self.client.count(self.project), on_progress=show)
        write_returned(path, self._samples(objects, counter))

    def summary(self) -> list[str]:
        """What came back, and what did not, in sentences."""
        lines = [f"failed: task {task}: {reason}" for task, reason in self.failures.items()]
        if self.several:
            lines.append(
                f"annotated more than once: {self.several} tasks; the one marked as ground truth "
                "counts, else the one that was changed last"
            )
        if self.others:
            lines.append(f"left alone, because they are not from FiftyOne: {self.others} tasks")
        lines.append(
            f"{self.returned} tasks came back, {self.waiting} wait for people, "
            f"{len(self.failures)} failed"
        )
        return lines

    def _samples(
        self, objects: ReturnedObjects, counter: ProgressCounter
    ) -> Iterator[ReturnedSample]:
        for task in self.client.tasks(self.project, size=PAGE, whole=True):
            annotation = self._chosen(task)
            if annotation is not None:
                try:
                    yield objects.sample(task, annotation, self._annotator(annotation))
                    self.returned += 1
                except (PremaskError, KeyError, TypeError, ValueError) as error:
                    self.failures[task["id"]] = str(error)
            counter.count(failed=task["id"] in self.failures)

    def _chosen(self, task: Json) -> Json | None:
        """The annotation that counts: marked as ground truth, else changed last."""
        if identity_of(task["data"]) is None:
            self.others += 1
            return None
        submitted = [one for one in task["annotations"] if not one.get("was_cancelled")]
        marked = [one for one in submitted if one.get("ground_truth")]
        if self.annotator == "ground-truth":
            submitted = marked
        if not submitted:
            self.waiting += 1
            return None
        self.several += len(submitted) > 1
        candidates: list[Json] = marked or submitted
        return max(candidates, key=lambda one: (one["updated_at"], one["id"]))

    def _annotator(self, annotation: Json) -> str:
        """Who changed it last, by e-mail address where that is known."""
        person = annotation.get("updated_by") or annotation.get("completed_by")
        if isinstance(person, dict):
            return str(person.get("email") or person.get("id"))
        return self._people.get(int(person or 0), f"annotator {person}")
