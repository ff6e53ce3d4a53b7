"""The history of a dataset: each run of an operator is one of FiftyOne's custom runs."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from premask.errors import PremaskError

METHOD = "premask"


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: what was asked for, and how far it got.

    `params` start it again. Its own files lie below `folder`. `state` is running, finished,
    cancelled, failed or undone. The dataset did not have `new_fields` and `new_targets` before.
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
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    new_fields: list[str] = field(default_factory=list)
    new_targets: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One sentence for a person."""
        parts = [f"{self.annotations} annotations in {self.labeled} images"]
        if self.reused:
            parts.append(f"{self.reused} were done before")
        if self.left_alone:
            parts.append(f"{self.left_alone} have labels and were left alone")
        if self.failures:
            path, reason = next(iter(self.failures.items()))
            named = reason if path in reason else f"'{path}': {reason}"
            parts.append(f"{len(self.failures)} failed, such as {named}")
        return "; ".join(parts)


def new_name() -> str:
    """A name that sorts by time, and that FiftyOne takes for a run."""
    return f"premask_{time.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(3)}"


def start(dataset: Any, run: Run) -> None:
    """Put the run into the dataset's history."""
    config = dataset.init_run(method=METHOD, operator=run.operator, recipe=run.recipe)
    dataset.register_run(run.name, config)
    save(dataset, run)


def save(dataset: Any, run: Run) -> None:
    """How far the run got."""
    results = dataset.init_run_results(run.name, run=asdict(run))
    dataset.save_run_results(run.name, results, cache=False)


def load(dataset: Any, name: str) -> Run:
    """One run of the history."""
    if name not in list_runs(dataset):
        raise PremaskError(
            f"The dataset '{dataset.name}' has no run '{name}' of premask. It has: "
            f"{', '.join(list_runs(dataset)) or 'none'}."
        )
    return Run(**dataset.load_run_results(name, cache=False).run)


def list_runs(dataset: Any) -> list[str]:
    """The names of all runs, the first one first."""
    return sorted(dataset.list_runs(method=METHOD))


def cancel(store: Any, name: str) -> None:
    """Ask a run, in whatever process it is, to stop; `store` is `ctx.store(METHOD)`."""
    store.set(_cancel_key(name), True)


def is_cancelled(store: Any, name: str) -> bool:
    """Whether somebody asked this run to stop."""
    return bool(store.get(_cancel_key(name)))


def _cancel_key(name: str) -> str:
    return f"cancel {name}"
