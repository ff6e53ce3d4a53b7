"""Start training: makes a set of a project's corrections, and runs the command on it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_backend.settings import BackendSettings
from ml_backend.training.bounded_log import BoundedLog
from ml_backend.training.command import TrainCommand, environment_without_secrets
from ml_backend.training.kept_process import KeptProcess
from ml_backend.training.run_record import (
    CANCELLED,
    CUT_OFF,
    CUT_OFF_REASON,
    FAILED,
    FINISHED,
    MAKING_SET,
    RUNNING,
    RunRecord,
    new_folder,
    records_in,
)
from premask.errors import Cancelled, PremaskError
from premask.labels.formats import formats_of

log = logging.getLogger("premask.label_studio")

REMEMBERED = 20

CLOSE_SECONDS = 1.0
"""How long the server waits for the last note of what it has ended."""

MakeSet = Callable[[int, Path, threading.Event], str]
"""Makes a set of a project's corrections in a folder, and says what became of it."""


class TrainingRefused(PremaskError):
    """No training was started: there is no command, or one runs already."""


@dataclass(slots=True, kw_only=True)
class _UnderWay:
    record: RunRecord
    log: BoundedLog
    cancel: threading.Event = field(default_factory=threading.Event)
    is_closing: bool = False
    process: KeptProcess | None = None
    thread: threading.Thread | None = None


class Trainer:
    """Runs one training at a time, in the background; many threads may ask."""

    def __init__(
        self,
        settings: BackendSettings,
        make_set: MakeSet | None,
        *,
        hide: Callable[[str], str] = str,
        trouble: Callable[[str, str], object] = lambda what, reason: None,
    ) -> None:
        self.command = TrainCommand.of(settings.train_command)
        if self.command is not None:
            formats_of([settings.train_format])  # one that there is not is refused at the start
        self._settings, self._make_set = settings, make_set
        self._folder = settings.training_path
        self._hide, self._trouble = hide, trouble
        self._records: list[RunRecord] = []
        self._now: _UnderWay | None = None
        self._guard = threading.Lock()

    def start(self) -> None:
        """Read what earlier servers noted down; what they had under way was cut off."""
        records = list(records_in(self._folder))[-REMEMBERED:]
        for record in records:
            if record.is_under_way:
                record.end(CUT_OFF, CUT_OFF_REASON)
                record.write()
        self._records = records

    def begin(self, project: str) -> RunRecord:
        """Begin a run for this project; raises where that can't be now."""
        if self.command is None:
            raise TrainingRefused(
                "This server has no command for training. Whoever runs it says one with "
                "--train-command."
            )
        if not (project.isascii() and project.isdigit()):
            raise TrainingRefused("Training needs the number of a project.")
        with self._guard:
            if self._now is not None:
                one = self._now.record
                raise TrainingRefused(
                    f"Run {one.number}, of project {one.project}, is under way. Wait for it, or "
                    "cancel it at /status."
                )
            number, folder = new_folder(self._folder)
            record = RunRecord(
                number=number,
                project=int(project),
                folder=folder,
                state=MAKING_SET if self.command.needs_set else RUNNING,
                began=time.time(),
            )
            record.write()
            self._records = [*self._records, record][-REMEMBERED:]
            self._now = _UnderWay(record=record, log=BoundedLog(record.log, self._hide))
            self._now.thread = threading.Thread(
                target=self._run, args=(self._now, self.command), name="premask-training"
            )
            self._now.thread.daemon = True
            self._now.thread.start()
        log.info("training: run %d of project %s begins", number, project)
        return record

    def cancel(self) -> bool:
        """End what is under way; says whether anything was."""
        with self._guard:
            now = self._now
            if now is None:
                return False
            now.cancel.set()
            process = now.process
        if process is not None:
            process.end()
        return True

    def close(self) -> None:
        """End what is under way because the server ends."""
        now = self._now
        if now is not None:
            now.is_closing = True
            self.cancel()
            if now.thread is not None:
                now.thread.join(CLOSE_SECONDS)

    def records(self) -> list[RunRecord]:
        """The last runs, the newest first, with the last lines of what runs now."""
        now = self._now
        if now is not None:
            now.record.last = list(now.log.last)
        return self._records[::-1]

    def log(self) -> str:
        """What the newest run has printed, as far as it is kept."""
        records = self.records()
        if not records:
            return ""
        files = BoundedLog(records[0].log, self._hide)
        paths = [path for path in (files.previous, files.path) if path.is_file()]
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)

    def _run(self, now: _UnderWay, command: TrainCommand) -> None:
        record = now.record
        try:
            self._make_and_run(now, command)
        except Cancelled:
            record.end(*((CUT_OFF, CUT_OFF_REASON) if now.is_closing else (CANCELLED,)))
        except Exception as error:
            known = isinstance(error, PremaskError | OSError)
            record.end(FAILED, self._hide(str(error) if known else repr(error)))
        self._note_end(now)

    def _make_and_run(self, now: _UnderWay, command: TrainCommand) -> None:
        record = now.record
        set_folder = self._folder / f"project-{record.project}" / "set"
        if command.needs_set:
            assert self._make_set is not None
            for line in self._make_set(record.project, set_folder, now.cancel).splitlines():
                now.log.write(line)
        argv = command.filled(record.project, set_folder.absolute(), record.out.absolute())
        with self._guard:
            if now.cancel.is_set():
                raise Cancelled("The training was cancelled.")
            record.state = RUNNING
            record.write()
            environment = environment_without_secrets(self._settings)
            now.process = KeptProcess(argv, record.folder / "exit-code", environment, now.log)
        code = now.process.wait()
        if now.cancel.is_set():
            raise Cancelled("The training was cancelled.")
        if code == 0:
            record.end(FINISHED)
        else:
            how = "was killed" if code is None or code < 0 else f"ended with the exit code {code}"
            record.end(FAILED, f"The command {how}.")

    def _note_end(self, now: _UnderWay) -> None:
        record = now.record
        record.last = list(now.log.last)
        record.write()
        log.info("training: run %d %s. %s", record.number, record.state, record.why)
        if record.state == FAILED:
            self._trouble(f"training run {record.number}", record.why)
        with self._guard:
            self._now = None
