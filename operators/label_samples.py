"""Label samples: any recipe on a dataset, a view or a selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.executor import ExecutionResult

from premask.terminal import progress_words

from . import runs
from .calling import call, dataset_of
from .exporting import export_masks
from .label_form import Defaults, add_inputs, folder_from_params, is_long, job_from_params
from .labeling import Job, Work
from .targets import all_images


class LabelSamples(foo.Operator):
    """The operator; its siblings differ in what they do by default."""

    own_name: ClassVar[str] = "label_samples"
    label: ClassVar[str] = "Label samples"
    description: ClassVar[str] = "Find, outline and matte objects, and write them as labels"
    defaults: ClassVar[Defaults] = Defaults(recipe="subject", write=("detections",), files="coco")

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows and runs it.

        A generator, because FiftyOne kills other operators after 600 seconds, and shows their
        progress in a log only.
        """
        return foo.OperatorConfig(
            name=self.own_name,
            label=self.label,
            description=self.description,
            icon="/operators/assets/icon.svg",
            dynamic=True,
            execute_as_generator=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """The form."""
        inputs = types.Object()
        add_inputs(inputs, ctx, self.defaults)
        return types.Property(inputs, view=types.View(label=self.label))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        """Long targets go into the background, where there is one."""
        return foo.ExecutionOptions(
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=fo.config.allow_legacy_orchestrators and is_long(ctx),
        )

    def execute(self, ctx: Any) -> Iterator[Any]:
        """Label, show how far it got, and say how it went."""
        job = job_from_params(ctx, self.defaults)
        run = self._started(ctx, job)
        try:
            yield from self._steps(ctx, job, run)
        except Exception as error:
            # Of what a generator raises, FiftyOne 1.22's App shows nothing: its bar just stops.
            yield from _told(ctx, run, f"Failed: {error}", "error")
            raise
        variant = "warning" if run.failed else "success"
        yield from _told(ctx, run, f"{run.state.capitalize()}: {run.summary}", variant)

    def _steps(self, ctx: Any, job: Job, run: runs.Run) -> Iterator[Any]:
        store = ctx.store(runs.METHOD)
        work = Work(job, run, lambda: runs.is_cancelled(store, run.name))
        for progress in work.steps():
            share, words = progress.done / max(1, progress.total or 0), progress_words(progress)
            if ctx.delegated:
                ctx.set_progress(progress=share, label=words)
            else:
                yield ctx.ops.set_progress(progress=share, label=words)
        if ctx.params.get("export_folder") and run.state == "finished":
            self._export(job, work.ids, ctx.params["export_folder"])

    def _export(self, job: Job, ids: Sequence[str], folder: str) -> None:
        """Write what the samples have now: those that were done before are among them."""
        samples = all_images(job.dataset).select(ids, ordered=True)
        export_masks(samples, folder, label_fields=list(job.outputs), formats=[self.defaults.files])

    def __call__(
        self,
        samples: Any,
        *,
        recipe: str | None = None,
        settings: Mapping[str, Any] | None = None,
        phrases: Sequence[str] = (),
        phrases_field: str | None = None,
        dataset_classes: bool = False,
        label_field: str | None = None,
        write: Sequence[str] | None = None,
        existing: str = "skip",
        overlap: float = 0.5,
        masks_on_disk: bool = False,
        folder: str | None = None,
        export_folder: str | None = None,
        delegate: bool = False,
    ) -> Any:
        """Label a dataset or a view; the result's `result` is the run, unless it was delegated."""
        name = runs.new_name()
        params = {
            "recipe": recipe or self.defaults.recipe,
            "settings": dict(settings or {}),
            "phrases": list(phrases),
            "phrases_field": phrases_field,
            "dataset_classes": dataset_classes,
            "label_field": label_field,
            "write": list(write or self.defaults.write),
            "existing": existing,
            "overlap": overlap,
            "masks_on_disk": masks_on_disk,
            "folder": folder,
            "export_folder": export_folder,
            "run_id": name,
        }
        executed = call(self, samples, params, delegate=delegate)
        # FiftyOne drops what a generator returns. Where an event loop runs already, as in
        # notebooks, it hands out a task that is not done yet.
        if isinstance(executed, ExecutionResult) and not executed.delegated:
            executed.result = asdict(runs.load(dataset_of(samples), name))
        return executed

    def _started(self, ctx: Any, job: Job) -> runs.Run:
        name = ctx.params.get("run_id") or runs.new_name()
        run = runs.Run(
            name=name,
            dataset=job.dataset.name,
            operator=self.uri,
            recipe=job.recipe.name,
            settings=str(job.recipe),
            params={key: value for key, value in ctx.params.items() if key != "run_id"},
            fields={field: output.name for field, output in job.outputs.items()},
            folder=str(folder_from_params(ctx) / name),
        )
        runs.start(job.dataset, run)
        return run


def _told(ctx: Any, run: runs.Run, message: str, variant: str) -> Iterator[Any]:
    """Show the labels, and say how it went; nobody watches what runs in the background."""
    if not ctx.delegated:
        yield ctx.ops.set_progress(progress=1, label=message)
        yield ctx.ops.reload_dataset()
        yield ctx.ops.notify(message, variant=variant)
