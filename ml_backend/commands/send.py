"""python -m ml_backend send: labels of FiftyOne into a project, as proposals with an identity.

Nothing is noted here: which samples have tasks, and which tasks have proposals, is asked of Label
Studio. So a run that was interrupted anywhere is repeated, and does what is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ml_backend.commands.bulk_writer import BulkWriter, NewPrediction, without_version
from ml_backend.project.attributes import attribute_controls
from ml_backend.project.label_config import read_label_config
from ml_backend.project.made_config import Contents, config_for, is_empty, require_fitting
from ml_backend.project.sent_tasks import (
    VERSION,
    Identity,
    SentTasks,
    identity_of,
    sending_of,
)
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import AnswerLost, LabelStudioClient
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json, prediction_json
from ml_backend.studio.sample_images import SampleImages
from premask.errors import PremaskError, UnreadableImage
from premask.exchange.records import SentSample, read_sent
from premask.labels.label_studio import META_KEY
from premask.runs.ordered_work import in_order
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.terminal.screen import ProgressLine, printable

TASKS_AT_ONCE = 50
"""Tasks made by one request; so many uploads are in vain if it fails."""

UPLOADS_AT_ONCE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command, beside those of the settings."""
    add = parser.add_argument
    add("file", type=Path, help="what `premask send` wrote")
    add("--project", type=int, required=True, metavar="N", help="the project's number")
    places = parser.add_mutually_exclusive_group()
    places.add_argument(
        "--local-files",
        type=Path,
        metavar="DIR",
        help="the folder here that Label Studio serves from its own disk "
        "(LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT), instead of uploading the images",
    )
    places.add_argument(
        "--cloud",
        metavar="DIR=URL",
        help="the folder here, and where the project's cloud storage has the same files",
    )
    add(
        "--renew",
        action="store_true",
        help="also replace proposals that changed in FiftyOne since, where nobody worked on them",
    )


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Send a file; the exit code is 1 where some samples failed."""
    client = LabelStudioClient.from_settings(settings)
    images = SampleImages.from_flags(client, options.project, options.local_files, options.cloud)
    send = Send(
        file=options.file,
        client=client,
        project=options.project,
        images=images,
        fetcher=ImageFetcher(settings),
        renew=options.renew,
    )
    line = ProgressLine()
    try:
        send.run(line)
    finally:
        line.end()
    print("\n".join(map(printable, send.summary())))
    return 1 if send.failures else 0


@dataclass(slots=True, kw_only=True)
class Send:
    """One run; `failures` have the reasons by path, or by task."""

    file: Path
    client: LabelStudioClient
    project: int
    images: SampleImages
    fetcher: ImageFetcher
    renew: bool = False
    made_config: bool = False
    tasks_made: int = 0
    written: int = 0
    kept: int = 0
    renewed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def run(self, show: ProgressWatcher) -> None:
        """Make the tasks that lack, and then the proposals that lack."""
        dataset, name, samples = read_sent(self.file)
        contents = Contents.of(samples)
        sent = self._fitting(contents, dataset, name)
        known = self._known_tasks()
        counter = ProgressCounter(total=contents.samples, on_progress=show)
        self._make_tasks(sent, known, counter)
        if self.tasks_made:
            known = self._known_tasks()
        if self.renew:
            self._delete_outdated(known)
        self._write_proposals(sent, known)

    def summary(self) -> list[str]:
        """What was done, and what was not, in sentences."""
        lines = [f"failed: {name}: {reason}" for name, reason in self.failures.items()]
        if self.made_config:
            lines.append("the project had no label config: it has one with these classes now")
        lines += self.notes
        renewed = f", {self.renewed} of them in the place of older ones" if self.renewed else ""
        lines.append(
            f"{self.tasks_made} tasks made, {self.written} proposals written{renewed}, {self.kept} "
            f"kept from before, {len(self.failures)} failed"
        )
        return lines

    def _fitting(self, contents: Contents, dataset: str, name: str) -> SentTasks:
        xml = str(self.client.project(self.project)["label_config"])
        if is_empty(xml):
            xml = config_for(contents)
            self.client.set_label_config(self.project, xml)
            self.made_config = True
        config = read_label_config(xml)
        require_fitting(config, contents)
        return SentTasks(
            config=config, attributes=attribute_controls(xml), dataset=dataset, field=name
        )

    def _known_tasks(self) -> dict[Identity, int]:
        """The tasks that came from FiftyOne; of two for the same sample, the first one."""
        known: dict[Identity, int] = {}
        doubles = []
        for task in self.client.tasks(self.project):
            identity = identity_of(task["data"])
            if identity is not None and known.setdefault(identity, task["id"]) != task["id"]:
                doubles.append(f"{task['id']} (like {known[identity]})")
        self.notes = (
            [f"two tasks for the same sample; delete one of each: {', '.join(doubles)}"]
            if doubles
            else []
        )
        return known

    def _lacking(self, sent: SentTasks, known: dict[Identity, int]) -> Iterator[SentSample]:
        for sample in read_sent(self.file)[2]:
            if (sample.sample, sent.field) not in known:
                yield sample

    def _make_tasks(
        self, sent: SentTasks, known: dict[Identity, int], counter: ProgressCounter
    ) -> None:
        counter.done = counter.reused = len(known)
        work = in_order(
            lambda sample: self.images.url(sample.path),
            self._lacking(sent, known),
            workers=UPLOADS_AT_ONCE,
            name="premask-upload",
        )
        with closing(work) as addresses:
            while chunk := list(islice(addresses, TASKS_AT_ONCE)):
                tasks: list[Json] = []
                for sample, address in chunk:
                    try:
                        tasks.append(sent.data(sample, address.result()))
                    except PremaskError as error:
                        self.failures[sample.path] = str(error)
                self._add(tasks, counter)

    def _add(self, tasks: list[Json], counter: ProgressCounter) -> None:
        if tasks and not self.tasks_made and self.images.local_root is not None:
            self._require_served(tasks[0])
        if tasks:
            try:
                self.client.add_tasks(self.project, [{"data": data} for data in tasks])
            except AnswerLost as error:
                # Made or not, the next run will see, and make none twice.
                raise PremaskError(f"{error} Run it again: it goes on where it was.") from error
            self.tasks_made += len(tasks)
        counter.done += len(tasks)
        counter.failed = len(self.failures)
        counter.tell()

    def _require_served(self, data: Json) -> None:
        """Ask for the first image before there are tasks that nobody could see."""
        url = next(str(value) for value in data.values() if "local-files" in str(value))
        try:
            self.fetcher.image_bytes(url)
        except UnreadableImage as error:
            raise UnreadableImage(
                url,
                f"Label Studio does not serve it ({error}). It serves what lies below "
                "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, with LOCAL_FILES_SERVING_ENABLED, and in "
                "a folder that Settings > Cloud Storage of the project names as local files",
            ) from error

    def _write_proposals(self, sent: SentTasks, known: dict[Identity, int]) -> None:
        tasks = self.client.tasks(self.project, [without_version(VERSION)])
        waiting = {task["id"] for task in tasks}
        with BulkWriter(self.client, self.project, VERSION, self._fail) as writer:
            for sample in read_sent(self.file)[2]:
                task = known.get((sample.sample, sent.field))
                if task is None:
                    continue
                if task not in waiting:
                    self.kept += 1
                    continue
                content = {"task": task, **sent.prediction(sample)}
                writer.add(NewPrediction(task=task, content=prediction_json(content)))
        self.written = writer.written

    def _delete_outdated(self, known: dict[Identity, int]) -> None:
        """Delete proposals that are not what FiftyOne has now; the next step writes them anew."""
        by_task = {task: identity for identity, task in known.items()}
        sendings = {sample.sample: sending_of(sample.labels) for sample in read_sent(self.file)[2]}
        for task in self.client.tasks(self.project, size=10, whole=True):
            identity = by_task.get(task["id"])
            if identity is None or identity[0] not in sendings:
                continue
            if task["annotations"] or task.get("drafts"):
                continue
            for prediction in task["predictions"]:
                if _is_outdated(prediction, sendings[identity[0]]):
                    self.client.delete_prediction(prediction["id"])
                    self.renewed += 1

    def _fail(self, task: int, reason: str) -> None:
        self.failures[f"task {task}"] = reason


def _is_outdated(prediction: Json, sending: str) -> bool:
    if prediction.get("model_version") != VERSION:
        return False
    metas = [region.get("meta", {}).get(META_KEY, {}) for region in prediction["result"]]
    said = {meta["sending"] for meta in metas if "sending" in meta}
    return said != {sending} if said or sending != sending_of(()) else False
