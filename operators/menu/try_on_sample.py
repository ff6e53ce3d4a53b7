"""Try on this sample: a recipe on the sample that is open, into a field that goes away again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import PremaskError

from ..dataset.chosen_images import UnusableTarget, all_images
from ..dataset.chosen_labels import ChosenLabels, are_patches, labels_of_patches
from ..dataset.history import Run
from ..dataset.writing import outputs_of
from ..forms.label_form import add_trial, described_job
from ..work.planning import Job
from ..work.trials import TRY, free_field, number_alike, open_trials, throw_away
from .label_samples import LabelSamples


class TryOnSample(LabelSamples):
    """*Label samples* with the same parameters on one sample; the trial before it goes away."""

    own_name: ClassVar[str] = TRY.rpartition("/")[2]
    label: ClassVar[str] = "Try on this sample"
    description: ClassVar[str] = (
        "See what a recipe makes of the sample that is open, then keep it or throw it away"
    )
    can_run_in_background: ClassVar[bool] = False

    def resolve_placement(self, ctx: Any) -> types.Placement | None:
        """A button above the sample that is open; without an icon, it has its name on it."""
        button = types.Button(label=self.listed_label, prompt=True)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        try:
            samples, _ = _sample(ctx)
            name = Path(samples.first().filepath).name
            add_trial(self.form(inputs, ctx), ctx, self.defaults, name)
        except PremaskError as error:
            view = types.Error(label="There is no sample to try it on", description=str(error))
            inputs.define_property(
                "sample", types.String(), view=view, invalid=True, error_message=str(error)
            )
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> Iterator[Any]:
        for run in open_trials(ctx.dataset):
            throw_away(ctx.dataset, run)
        yield from super().execute(ctx)
        if ctx.current_sample:
            # FiftyOne 1.22 shows no new field in a sample that is open, but among the others.
            yield ctx.ops.close_sample()

    def job(self, ctx: Any) -> Job:
        """The job that *Label samples* would have, with other fields."""
        job = described_job(ctx, self.defaults, *_sample(ctx))
        names = [output.name for output in job.outputs.values()]
        outputs = outputs_of(names, free_field(ctx.dataset, names))
        number_alike(ctx.dataset, list(outputs), list(job.outputs))
        return replace(job, outputs=outputs)

    def run(self, ctx: Any, job: Any) -> Run:
        """Make the run, which knows for which field it is."""
        run = super().run(ctx, job)
        field = next(iter(described_job(ctx, self.defaults, job.samples, job.patches).outputs))
        run.params["label_field"] = field
        return run

    def outcome(self, run: Run) -> str:
        return (
            f"Tried: {run.summary}, in the field '{next(iter(run.fields))}'. Now 'Keep the trial' "
            "or 'Throw the trial away'."
        )

    def finish(self, ctx: Any, run: Run, ids: Sequence[str]) -> None:
        """Write no files before somebody has looked."""


def _sample(ctx: Any) -> tuple[Any, ChosenLabels | None]:
    """A view of the sample that is open, or else of the only one that is selected or shown.

    A patch is one as well.
    """
    if ctx.dataset is None:
        raise UnusableTarget("No dataset is open. Open one, or pass one.")
    chosen = [ctx.current_sample] if ctx.current_sample else list(ctx.selected or ())
    if not chosen and (ctx.view is not None and ctx.view.count() == 1):
        chosen = ctx.view.values("id")
    if len(chosen) != 1:
        raise UnusableTarget("Open a sample, or select one.")
    if are_patches(ctx.view):
        patches = labels_of_patches(ctx.dataset, ctx.view.select(chosen))
        return patches.images, patches
    samples = all_images(ctx.dataset).select(chosen)
    if samples.media_type != "image" or not samples.count():
        raise UnusableTarget("This sample is no image. In videos, use 'Track objects'.")
    return samples, None
