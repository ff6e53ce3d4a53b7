"""The history of a dataset: each run of an operator is one of FiftyOne's custom runs."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from fiftyone.core.odm import get_db_conn

from premask.errors import PremaskError

from .annotate_tab import offer
from .background import end_lost
from .plurals import counted
from .processes import Worker, this_process
from .run_log import STORE, kept_log, say

METHOD = STORE

_ALL: Mapping[str, str] = MappingProxyType({})

MOST_NAMED = 1000
"""Failed images that a run names; more are only counted: a document of MongoDB holds 16 MB."""

_LAST = 50
"""Runs that are shown; nobody reads a longer list."""

_SILENT_SECONDS = 60.0
"""A run at work notes how far it got every few images; after this long, *Cancel* does not wait."""

_LOST_SECONDS = 3600.0
"""After so long without a word from another machine, where nobody can look, a run has stopped."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: what was asked for, and how far it got.

    `params` start it again. What was imported has no `recipe`, but a `kind`. Its own files lie
    below `folder`. `state` is running, finished, cancelled, failed, undone, or, when it is read,
    stopped: its process ended without a word. A `thing` is an image or a frame. `failures` has the
    reasons by path. `deleted` samples were gone when their labels came. The dataset did not have
    `new_fields`, `new_attributes` (of labels in fields that it had), `new_targets`, `new_classes`
    (of the App's label schemas) and so many `new_samples` before. `schemas` has a hash of each
    label schema that the run wrote. `total` is 0 where it is not known.
    In the background it is one of FiftyOne's, by the id `operation`.
    """

    name: str
    dataset: str
    operator: str
    recipe: str
    settings: str
    params: dict[str, Any]
    fields: dict[str, str]
    folder: str
    started: float = field(default_factory=time.time)
    state: str = "running"
    labeled: int = 0
    annotations: int = 0
    reused: int = 0
    left_alone: int = 0
    deleted: int = 0
    failed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    new_fields: list[str] = field(default_factory=list)
    new_attributes: list[str] = field(default_factory=list)
    new_targets: dict[str, dict[str, str]] = field(default_factory=dict)
    new_classes: dict[str, list[str]] = field(default_factory=dict)
    schemas: dict[str, str] = field(default_factory=dict)
    new_samples: int = 0
    thing: str = "image"
    kind: str = "COCO import"
    worker: Worker | None = None
    noted: float = 0.0
    total: int = 0
    operation: str = ""

    @property
    def done(self) -> int:
        """How many images need no more work, for whatever reason."""
        return self.labeled + self.failed + self.reused + self.left_alone + self.deleted

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard of the run for longer than its work takes between two notes."""
        return time.time() - self.noted > _SILENT_SECONDS

    def fail(self, path: str, reason: str) -> None:
        """Count an image that failed, and name it, unless there are very many."""
        self.failed += 1
        say(self.name, reason if path in reason else f"{path}: {reason}", logging.WARNING)
        if len(self.failures) < MOST_NAMED:
            self.failures[path] = reason

    @property
    def work(self) -> str:
        """What ran, for a person."""
        return self.recipe or self.kind

    @property
    def title(self) -> str:
        """What ran when, for a person."""
        return f"{self.work}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.started))}"

    @property
    def summary(self) -> str:
        """One sentence for a person."""
        parts = [
            f"{counted(self.annotations, 'annotation')} in {counted(self.labeled, self.thing)}"
        ]
        if self.reused:
            parts.append(f"{self.reused:,} done before")
        if self.left_alone:
            parts.append(f"{self.left_alone:,} left alone, because of their labels")
        if self.deleted:
            parts.append(f"{self.deleted:,} deleted meanwhile")
        if self.failures:
            path, reason = next(iter(self.failures.items()))
            named = reason if path in reason else f"'{path}': {reason}"
            parts.append(f"{self.failed:,} failed, such as {named}")
        return "; ".join(parts)


def new_name() -> str:
    """A name that sorts by time, and that FiftyOne takes for a run."""
    now = time.time()
    day = time.strftime("%Y%m%d_%H%M%S", time.localtime(now))
    return f"premask_{day}_{int(now % 1 * 1e6):06}_{secrets.token_hex(2)}"


@contextmanager
def recorded(dataset: Any, run: Run) -> Iterator[None]:
    """Put the run into the dataset's history, and at the end, how it ended."""
    run.worker, run.noted = this_process(), time.time()
    dataset.register_run(run.name, _config(dataset, run))
    try:
        with kept_log(dataset, run.name):
            say(run.name, f"{run.title} begins, in process {run.worker.number}")
            yield
            if run.state == "running":
                run.state = "finished"
            say(run.name, f"{run.state}: {run.summary}")
    except (GeneratorExit, KeyboardInterrupt):
        run.state = "cancelled"
        raise
    except BaseException as error:
        run.state, run.error = "failed", str(error)
        raise
    finally:
        note(dataset, run)
        offer(dataset, run, all_runs(dataset))
        note(dataset, run)


def note(dataset: Any, run: Run) -> None:
    """Save how far the run got by now."""
    run.noted = time.time()
    run.seconds = run.noted - run.started
    if run.state == "running":
        say(run.name, f"{run.summary} so far", replaces=True)
    save(dataset, run)


def save(dataset: Any, run: Run) -> None:
    if not dataset.has_run(run.name):
        dataset.reload()  # another process has added the run since the dataset was loaded
    dataset.update_run_config(run.name, _config(dataset, run))


def load(dataset: Any, name: str) -> Run:
    """Load one run, as it is in the database now."""
    found = list(_records(dataset, {"key": name}))
    if not found:
        raise PremaskError(
            f"The dataset '{dataset.name}' has no run '{name}' of premask. It has: "
            f"{', '.join(run.name for run in last_runs(dataset)) or 'none'}."
        )
    return found[0]


def last_runs(dataset: Any) -> list[Run]:
    """The last runs, the newest one first."""
    return list(_records(dataset, limit=_LAST))


def all_runs(dataset: Any) -> list[Run]:
    """All runs, the newest one first."""
    return list(_records(dataset))


def runs_of(dataset: Any, operator: str) -> list[Run]:
    """The runs of one operator, the newest one first."""
    return list(_records(dataset, {"config.operator": operator}))


def forget(dataset: Any, run: Run) -> None:
    """Take the run out of the history."""
    dataset.reload()
    dataset.delete_run(run.name)


def _records(dataset: Any, which: Mapping[str, str] = _ALL, *, limit: int = 0) -> Iterator[Run]:
    """Read runs from the database, the newest one first; their names sort by time.

    FiftyOne's own `list_runs(method=...)` makes an object of each run, which takes 0.2 s for 500.
    """
    wanted = {"_dataset_id": dataset._doc.id, "config.method": METHOD, **which}
    documents = get_db_conn()["runs"].find(wanted, {"key": 1, "config.record": 1})
    for document in documents.sort("key", -1).limit(limit):
        yield _run_from_record(json.loads(document["config"]["record"]))


def _run_from_record(record: dict[str, Any]) -> Run:
    known = {item.name for item in fields(Run)}
    run = Run(**{name: value for name, value in record.items() if name in known})
    if record.get("worker"):
        run.worker = Worker(**record["worker"])
    if run.state == "running" and not _is_at_work(run):
        run.state = "stopped"
    return run


def _is_at_work(run: Run) -> bool:
    """Whether the run's process lives, as far as can be known here."""
    lives = run.worker.lives() if run.worker else None
    return time.time() - run.noted < _LOST_SECONDS if lives is None else lives


def _config(dataset: Any, run: Run) -> Any:
    """Put all of the run into FiftyOne's document of it, as one text.

    FiftyOne keeps the results of runs in files, which other processes can't read while they are
    replaced. A text, because settings and paths have dots, which the database takes for nesting.
    """
    record = json.dumps(asdict(run))
    return dataset.init_run(method=METHOD, operator=run.operator, recipe=run.recipe, record=record)


def cancel(dataset: Any, store: Any, name: str) -> Run:
    """Ask a run, in whatever process it is, to stop; `store` is `ctx.store(METHOD)`.

    One of which nothing was heard for a while is cancelled at once. Should it be at work after all,
    it says so with its next note, and then stops.
    """
    store.set(_cancel_key(name), True)
    run = load(dataset, name)
    if run.state == "stopped" or (run.state == "running" and run.is_silent):
        run.state = "cancelled"
        save(dataset, run)
        if run.operation:
            end_lost(run.operation)
    return run


def is_cancelled(store: Any, name: str) -> bool:
    """Whether somebody asked this run to stop."""
    return bool(store.get(_cancel_key(name)))


def _cancel_key(name: str) -> str:
    return f"cancel {name}"
