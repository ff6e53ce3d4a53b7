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
from pathlib import Path
from typing import Any

from ml_backend.server.corrections import Corrections, labels_by_id
from ml_backend.studio.json_reading import Json, parse_part, read_object
from ml_backend.studio.protocol import project_id, without_run_lengths
from premask.errors import InvalidRequest, PremaskError

log = logging.getLogger("premask.label_studio")

JOURNAL_BYTES = 64 * 2**20
"""A longer journal is renamed to the previous one, which it replaces."""

WAITING_BYTES, WAITING_EVENTS = 64 * 2**20, 10_000
"""Events beyond these are dropped and counted while the thread is busy."""

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


Reader = Callable[[bytes], Json]


class EventLog:
    """Takes events at once, and works on them in a thread: Label Studio waits only one second."""

    def __init__(self, path: Path, trouble: Callable[[str, str], object]) -> None:
        self.corrections = Corrections()
        self.counts: Counter[str] = Counter()
        self._path = path
        self._trouble = trouble
        self._waiting: queue.SimpleQueue[tuple[Reader, bytes] | None] = queue.SimpleQueue()
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
        self._offer(self._read, without_run_lengths(body, len(body)))

    def proposed(self, project: str, task: int | None, prediction: Json, *, clicked: bool) -> None:
        """Take a prediction that Label Studio was given."""
        labels = labels_by_id(prediction["result"])
        if labels and task is not None:
            action = CLICKED if clicked else PROPOSED
            line = {"action": action, "project": project, "task": task, "labels": labels}
            self._offer(_own_line, json.dumps(line).encode())

    @property
    def _previous(self) -> Path:
        return self._path.with_suffix(".previous.jsonl")

    def _offer(self, reader: Reader, event: bytes) -> None:
        with self._guard:
            few = self._waiting.qsize() < WAITING_EVENTS
            fits = few and self._bytes + len(event) <= WAITING_BYTES
            if fits:
                self._bytes += len(event)
            else:
                self.counts["dropped"] += 1
        if fits:
            self._waiting.put((reader, event))

    def _work(self) -> None:
        for line in _lines(self._previous, self._path):
            # Without what was proposed before, a verdict on an event would be wrong.
            if time.monotonic() >= self._closes:
                return
            # A damaged line must not keep the others from being read.
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                self._apply(line)
        with suppress(OSError):
            _end_last_line(self._path)
        while (waiting := self._waiting.get()) is not None and time.monotonic() < self._closes:
            reader, event = waiting
            with self._guard:
                self._bytes -= len(event)
            self._record(reader, event)

    def _record(self, reader: Reader, event: bytes) -> None:
        try:
            line = reader(event)
            self._apply(line)
            self.counts[line["action"] if line["action"] in COUNTED else "other"] += 1
            self._write({"at": round(time.time(), 3), **line})
        # Whatever an event holds, the thread must live for the next one.
        except Exception as error:
            reason = str(error) if isinstance(error, PremaskError | OSError) else repr(error)[:300]
            log.warning("an event can't be recorded: %s", reason)
            self._trouble("recording an event", reason)

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
            line["verdict"] = self.corrections.judge(_task_key(line), annotation)
        if action == DELETED:
            deleted = event.get("annotations")
            rows = deleted[:DELETED_AT_ONCE] if isinstance(deleted, list) else []
            line["annotations"] = [_id(row.get("id")) for row in rows if isinstance(row, dict)]
        return line

    def _apply(self, line: Json) -> None:
        action = line["action"]
        if action in (PROPOSED, CLICKED):
            key = _task_key(line)
            self.corrections.propose(key, line["labels"], clicked=action == CLICKED)
        elif "verdict" in line:
            self.corrections.keep(str(line["annotation"]), line["verdict"])
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
