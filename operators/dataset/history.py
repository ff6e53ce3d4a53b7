"""The history of a dataset: each run of an operator is one of FiftyOne's custom runs."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from premask.errors import PremaskError

from .plurals import counted

METHOD = "premask"

MOST_NAMED = 1000
"""Failed images that a run names; more are only counted: a document of MongoDB holds 16 MB."""

_LAST = 50
"""Runs that are shown; nobody reads a longer list."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: what was asked for, and how far it got.

    `params` start it again. What was imported has no `recipe`. Its own files lie below `folder`.
    `state` is running, finished, cancelled, failed or undone. `failures` has the reasons by path.
    The dataset did not have `new_fields`, `new_targets` and so many `new_samples` before.
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
    failed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    new_fields: list[str] = field(default_factory=list)
    new_targets: dict[str, dict[str, str]] = field(default_factory=dict)
    new_samples: int = 0

    def fail(self, path: str, reason: str) -> None:
        """Count an image that failed, and name it, unless there are very many."""
        self.failed += 1
        if len(self.failures) < MOST_NAMED:
            self.failures[path] = reason

    @property
    def work(self) -> str:
        """What ran, for a person."""
        return self.recipe or "COCO import"

    @property
    def title(self) -> str:
        """What ran when, for a person."""
        return f"{self.work}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.started))}"

    @property
    def summary(self) -> str:
        """One sentence for a person."""
        parts = [f"{counted(self.annotations, 'annotation')} in {counted(self.labeled, 'image')}"]
        if self.reused:
            parts.append(f"{self.reused:,} done before")
        if self.left_alone:
            parts.append(f"{self.left_alone:,} left alone, because of their labels")
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
    dataset.register_run(run.name, _config(dataset, run))
    try:
        yield
        if run.state == "running":
            run.state = "finished"
    except (GeneratorExit, KeyboardInterrupt):
        run.state = "cancelled"
        raise
    except BaseException as error:
        run.state, run.error = "failed", str(error)
        raise
    finally:
        note(dataset, run)


def note(dataset: Any, run: Run) -> None:
    """Save how far the run got by now."""
    run.seconds = time.time() - run.started
    save(dataset, run)


def save(dataset: Any, run: Run) -> None:
    dataset.update_run_config(run.name, _config(dataset, run))


def load(dataset: Any, name: str) -> Run:
    """Load one run, as it was when the dataset was loaded."""
    if name not in list_runs(dataset):
        raise PremaskError(
            f"The dataset '{dataset.name}' has no run '{name}' of premask. It has: "
            f"{', '.join(list_runs(dataset)) or 'none'}."
        )
    return Run(**json.loads(dataset.get_run_info(name).config.record))


def list_runs(dataset: Any) -> list[str]:
    """The names of all runs, the first one first."""
    return sorted(dataset.list_runs(method=METHOD))


def last_runs(dataset: Any) -> list[Run]:
    """The last runs, the newest one first."""
    return [load(dataset, name) for name in reversed(list_runs(dataset)[-_LAST:])]


def _config(dataset: Any, run: Run) -> Any:
    """Put all of the run into FiftyOne's document of it, as one text.

    FiftyOne keeps the results of runs in files, which other processes can't read while they are
    replaced. A text, because settings and paths have dots, which the database takes for nesting.
    """
    record = json.dumps(asdict(run))
    return dataset.init_run(method=METHOD, operator=run.operator, recipe=run.recipe, record=record)


def cancel(store: Any, name: str) -> None:
    """Ask a run, in whatever process it is, to stop; `store` is `ctx.store(METHOD)`."""
    store.set(_cancel_key(name), True)


def is_cancelled(store: Any, name: str) -> bool:
    """Whether somebody asked this run to stop."""
    return bool(store.get(_cancel_key(name)))


def _cancel_key(name: str) -> str:
    return f"cancel {name}"
