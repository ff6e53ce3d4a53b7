"""What operators have in common whose work is a run: its progress, its history, its outcome."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import fiftyone.operators as foo
from fiftyone.operators.executor import ExecutionResult

from premask.models.readiness import readiness_of
from premask.terminal.screen import progress_words

from ..dataset import history
from ..dataset.chosen_images import dataset_of
from ..dataset.chosen_labels import images_to_label
from ..forms import label_form
from ..forms.outcomes import execution_options
from ..forms.recipe_form import DOWNLOAD
from ..forms.storage_form import folder_from_params
from ..work.downloading import downloading
from ..work.labeling import Work
from ..work.planning import Job
from ..work.track_job import TrackJob
from ..work.tracking import TrackWork
from .declared_operator import DeclaredOperator


class Runner(DeclaredOperator):
    """An operator that labels samples; which, and how, is in its job.

    A generator, because FiftyOne kills other operators after 600 seconds, and shows their progress
    in a log only. From Python, the result's `result` is the run, unless it was delegated.
    """

    is_generator: ClassVar[bool] = True

    @abstractmethod
    def job(self, ctx: Any) -> Job | TrackJob:
        """Describe the work that the form, or the call, asks for."""

    def run(self, ctx: Any, job: Job | TrackJob) -> history.Run:
        """Make the run of this job."""
        fields = {field: output.name for field, output in job.outputs.items()}
        return new_run(ctx, self.uri, fields, recipe=job.recipe.name, settings=str(job.recipe))

    def outcome(self, run: history.Run) -> str:
        """How it went, in a sentence."""
        return f"{run.state.capitalize()}: {run.summary}"

    def finish(self, ctx: Any, run: history.Run, ids: Sequence[str]) -> None:
        """Do what is left once all these samples are labeled; by default, nothing."""

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        return execution_options(ctx, label_form.LONG, images_to_label)

    def execute(self, ctx: Any) -> Iterator[Any]:
        job = self.job(ctx)
        run = self.run(ctx, job)
        store = ctx.store(history.METHOD)
        work = _begun(job, run, lambda: history.is_cancelled(store, run.name))
        try:
            if ctx.params.get(DOWNLOAD):
                for share, words in downloading(readiness_of(job.recipe.checkpoints).missing):
                    yield from _shown(ctx, share, words)
            for progress in work.steps():
                yield from _shown(ctx, progress.share, progress_words(progress))
            if run.state == "finished":
                self.finish(ctx, run, work.ids)
        except Exception as error:
            # Of what a generator raises, FiftyOne 1.22's App shows nothing: its bar just stops.
            yield from _told(ctx, f"Failed: {error}", "error")
            raise
        variant = "warning" if run.failed else "success"
        yield from _told(ctx, self.outcome(run), variant)

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        name = history.new_name()
        executed = super().call(samples, {**params, "run_id": name}, delegate=delegate)
        # FiftyOne drops what a generator returns. Where an event loop runs already, as in
        # notebooks, it hands out a task that is not done yet.
        if isinstance(executed, ExecutionResult) and not executed.delegated:
            executed.result = asdict(history.load(dataset_of(samples), name))
        return executed


def _begun(
    job: Job | TrackJob, run: history.Run, is_cancelled: Callable[[], bool]
) -> Work | TrackWork:
    if isinstance(job, TrackJob):
        return TrackWork(job, run, is_cancelled)
    return Work(job, run, is_cancelled)


def new_run(
    ctx: Any,
    operator: str,
    fields: Mapping[str, str] | None = None,
    *,
    recipe: str = "",
    settings: str,
) -> history.Run:
    """Make the run of an operator; it is in the dataset's history once it is `recorded`."""
    name = ctx.params.get("run_id") or history.new_name()
    return history.Run(
        name=name,
        dataset=ctx.dataset.name,
        operator=operator,
        recipe=recipe,
        settings=settings,
        params={key: value for key, value in ctx.params.items() if key != "run_id"},
        fields=dict(fields or {}),
        folder=str(folder_from_params(ctx) / name),
        operation=str(ctx.request_params.get("run_doc") or ""),
    )


def _shown(ctx: Any, share: float | None, words: str) -> Iterator[Any]:
    if ctx.delegated:
        ctx.set_progress(progress=share, label=words)
    else:
        yield ctx.ops.set_progress(progress=share, label=words)


def _told(ctx: Any, message: str, variant: str) -> Iterator[Any]:
    """Show the labels, and say how it went, unless it ran in the background."""
    if not ctx.delegated:
        yield ctx.ops.set_progress(progress=1, label=message)
        yield ctx.ops.reload_dataset()
        yield ctx.ops.notify(message, variant=variant)
