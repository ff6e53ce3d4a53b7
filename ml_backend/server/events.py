"""Label Studio's webhook events and the server's own proposals, kept in a file of JSON lines."""

from __future__ import annotations

import json
import logging
import math
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ml_backend.predict.model_version import recipe_of_version
from ml_backend.server.corrections import Corrections
from ml_backend.server.proposals import LONGEST_LABEL, Proposal, Proposals, proposals_of
from ml_backend.server.verdicts import Judged, judged
from ml_backend.studio.json_reading import Json, parse_part, read_object
from ml_backend.studio.protocol import project_id, without_run_lengths
from premask.errors import InvalidRequest, PremaskError

log = logging.getLogger("premask.label_studio")

JOURNAL_BYTES = 64 * 2**20
"""A longer journal is renamed to the previous one, which it replaces."""

WAITING_BYTES, WAITING_EVENTS = 64 * 2**20, 10_000
"""Events beyond these are dropped and counted while the thread is busy."""

WHOLE_BYTES = 2**20
"""Of larger events the run lengths are cut out before they wait: to parse them takes long, and lets
no other thread run. What was painted is then judged by what Label Studio says of its origin."""

LINE_BYTES = 2**20
"""Longer lines are not written, and passed over when the journal is read."""

LONGEST_ID = 64
DELETED_AT_ONCE = 10_000

CLOSE_SECONDS = 2.0
"""How long what waits is still recorded when the server stops."""

_UNNEEDED = ((None, b"tasks"),)

JUDGED = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")
TRAIN = "START_TRAINING"
PROPOSED, CLICKED, DELETED = "PROPOSED", "PROPOSED_FOR_CLICK", "ANNOTATIONS_DELETED"
COUNTED = (
    *JUDGED,
    *(PROPOSED, CLICKED, DELETED),
    *("TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED", TRAIN),
)


Reader = Callable[[], Json]


class EventLog:
    """Takes events at once, and works on them in a thread: Label Studio waits only one second.

    `prediction_of` finds a prediction by its number, or gives an empty one.
    """

    def __init__(
        self,
        path: Path,
        trouble: Callable[[str, str], object],
        prediction_of: Callable[[int], Json] = lambda number: {},
    ) -> None:
        self.corrections = Corrections()
        self.proposals = Proposals()
        self._prediction_of = prediction_of
        self.counts: Counter[str] = Counter()
        self._path = path
        self._trouble = trouble
        self._waiting: queue.SimpleQueue[tuple[Reader, int] | None] = queue.SimpleQueue()
        self._bytes = 0
        self._closes = math.inf
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="premask-events", daemon=True)

    def start(self) -> None:
        """Read what was recorded before, then record what comes."""
        self._thread.start()

    def close(self) -> None:
        """Record what still waits, as far as there is time for it, and stop."""
        self._closes = time.monotonic() + CLOSE_SECONDS
        self._waiting.put(None)
        self._thread.join(2 * CLOSE_SECONDS)

    def webhook(self, body: bytes) -> None:
        """Take the body of one event."""
        if len(body) > WHOLE_BYTES or self._bytes > WAITING_BYTES // 4:
            body = without_run_lengths(body, len(body))
        self._offer(partial(self._read, body), len(body))

    def proposed(self, project: str, task: int | None, prediction: Json, *, clicked: bool) -> None:
        """Take a prediction that Label Studio was given."""
        regions = prediction["result"]
        if regions and task is not None:
            action = CLICKED if clicked else PROPOSED
            recipe = recipe_of_version(str(prediction.get("model_version") or ""))
            line = {"action": action, "project": project, "task": task, "recipe": recipe}
            size = sum(len(region.get("value", {}).get("rle", ())) for region in regions)
            self._offer(partial(self._remember, line, regions), size)

    @property
    def _previous(self) -> Path:
        return self._path.with_suffix(".previous.jsonl")

    def _offer(self, read: Reader, size: int) -> None:
        with self._guard:
            few = self._waiting.qsize() < WAITING_EVENTS
            fits = few and self._bytes + size <= WAITING_BYTES
            if fits:
                self._bytes += size
            else:
                self.counts["dropped"] += 1
        if fits:
            self._waiting.put((read, size))

    def _work(self) -> None:
        for line in _lines(self._previous, self._path):
            # Without what was proposed before, a verdict on an event would be wrong.
            if time.monotonic() >= self._closes:
                return
            # A damaged line must not keep the others from being read.
            with suppress(KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
                self._replay(line)
        with suppress(OSError):
            _end_last_line(self._path)
        while (waiting := self._waiting.get()) is not None and time.monotonic() < self._closes:
            read, size = waiting
            with self._guard:
                self._bytes -= size
            self._record(read)

    def _record(self, read: Reader) -> None:
        try:
            line = {"at": round(time.time(), 3), **read()}
            self._count(line)
            self.counts[line["action"] if line["action"] in COUNTED else "other"] += 1
            self._write(line)
        # Whatever an event holds, the thread must live for the next one.
        except Exception as error:
            reason = str(error) if isinstance(error, PremaskError | OSError) else repr(error)[:300]
            log.warning("an event can't be recorded: %s", reason)
            self._trouble("recording an event", reason)

    def _remember(self, line: Json, regions: list[Json]) -> Json:
        """Add what was proposed; the journal keeps the labels, and no shapes."""
        clicked = line["action"] == CLICKED
        proposals = proposals_of(regions, recipe=line["recipe"], clicked=clicked)
        self.proposals.add(_task_key(line), proposals, clicked=clicked)
        return line | {"labels": {name: one.label for name, one in proposals.items()}}

    def _read(self, body: bytes) -> Json:
        """What is kept of an event. The task's data and the project's token in it are not."""
        event = read_object(body, without=_UNNEEDED)
        action = event.get("action")
        if not isinstance(action, str):
            raise InvalidRequest("A webhook event must have an action.")
        annotation, project = event.get("annotation"), _table(event.get("project"))
        line: Json = {"action": action[:64], "project": project_id(project.get("id"))}
        if action in JUDGED and isinstance(annotation, dict):
            line["task"] = _id(_table(event.get("task")).get("id") or annotation.get("task"))
            line["annotation"] = _id(annotation.get("id"))
            line["judged"] = judged(annotation, self._seen(_task_key(line), annotation))
        if action == DELETED:
            deleted = event.get("annotations")
            rows = deleted[:DELETED_AT_ONCE] if isinstance(deleted, list) else []
            line["annotations"] = [_id(row.get("id")) for row in rows if isinstance(row, dict)]
        return line

    def _seen(self, task: str, annotation: Json) -> Mapping[str, Proposal]:
        """What was proposed to who made this annotation: what they clicked for, and a prediction.

        Label Studio sends a prediction along if the project shows those of one model version. Else
        it is asked for, and without a token there is what this server has proposed itself.
        """
        remembered, number = self.proposals.of(task), annotation.get("parent_prediction")
        if type(number) is not int:
            return remembered
        prediction = _table(annotation.get("prediction"))
        if prediction.get("id") != number:
            prediction = self._prediction_of(number)
        if not prediction.get("result"):
            return remembered
        recipe = recipe_of_version(str(prediction.get("model_version") or "")[:LONGEST_LABEL])
        proposals = proposals_of(prediction["result"], recipe=recipe, clicked=False)
        return {name: one for name, one in remembered.items() if one.clicked} | proposals

    def _replay(self, line: Json) -> None:
        """Take a line of the journal for what it says."""
        clicked = line["action"] == CLICKED
        if line["action"] in (PROPOSED, CLICKED):
            proposals = {
                name: Proposal(label=label, clicked=clicked, recipe=line["recipe"])
                for name, label in line["labels"].items()
            }
            self.proposals.add(_task_key(line), proposals, clicked=clicked)
        self._count(line)

    def _count(self, line: Json) -> None:
        if "judged" in line:
            day = time.strftime("%Y-%m-%d", time.localtime(line["at"]))
            rows = [Judged(*row) for row in line["judged"]]
            self.corrections.keep(str(line["annotation"]), day, rows)
        for annotation in line.get("annotations", ()):
            self.corrections.forget(str(annotation))

    def _write(self, line: Json) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(line)
        if len(text) >= LINE_BYTES:
            raise InvalidRequest("The event is too long to be kept.")
        if self._path.is_file() and self._path.stat().st_size > JOURNAL_BYTES:
            self._path.replace(self._previous)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def project_to_train(body: bytes) -> str | None:
    """The project for which somebody has pressed *Start Training*; None for any other event."""
    if TRAIN.encode() not in body:
        return None
    event = read_object(body, without=_UNNEEDED)
    return (
        project_id(_table(event.get("project")).get("id")) if event.get("action") == TRAIN else None
    )


def _lines(*paths: Path) -> Iterator[Json]:
    """The readable lines of journals. A crash may have cut off the last one."""
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            while line := file.readline(LINE_BYTES):
                # Of a line that is too long, the rest is no JSON either.
                with suppress(InvalidRequest):
                    yield _own_line(line)


def _own_line(line: bytes) -> Json:
    document = parse_part(line)
    if not isinstance(document, dict):
        raise InvalidRequest("A line of the journal must be one JSON object.")
    return document


def _end_last_line(path: Path) -> None:
    """Add the line break that a crash may have left out, so that the next line is its own."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _task_key(line: Mapping[str, Any]) -> str:
    return f"{line['project']}/{line['task']}"


def _id(value: Any) -> int | str | None:
    """What Label Studio calls something by; from anything but its numbers, a short text."""
    return value if value is None or type(value) is int else str(value)[:LONGEST_ID]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
