"""Keep the trial, or throw it away: what becomes of what *Try on this sample* has shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import PremaskError

from ..dataset.plurals import counted
from ..dataset.writing import outputs_of, require_fitting
from ..forms.fields import refuse
from ..forms.parameters import parameter, read
from ..work.existing import ADD, POLICIES, Policy
from ..work.trials import keep, open_trials, throw_away
from .declared_operator import DeclaredOperator

_NONE = "There is no trial. Open a sample, and use 'Try on this sample'."


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepParameters:
    """Where the labels go, and what happens to those of the sample that are there."""

    label_field: str | None = parameter(None, "Field", "A new one, or one that has labels already")
    existing: str = parameter(ADD, "Where the field has labels already", choices=POLICIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoParameters:
    """Nothing."""


class _TrialVerdict(DeclaredOperator):
    """A button above the open sample, as long as there is a trial."""

    can_run_in_background: ClassVar[bool] = False
    opens_form: ClassVar[bool] = False

    def resolve_placement(self, ctx: Any) -> types.Placement | None:
        if ctx is None or ctx.dataset is None or not open_trials(ctx.dataset):
            return None
        button = types.Button(label=self.listed_label, prompt=self.opens_form)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)


class KeepTrial(_TrialVerdict):
    """What was tried becomes what *Label samples* would have written, with the same provenance."""

    own_name: ClassVar[str] = "keep_trial"
    label: ClassVar[str] = "Keep the trial"
    description: ClassVar[str] = "Make the labels of 'Try on this sample' those of a real field"
    parameters: ClassVar[type] = KeepParameters
    opens_form: ClassVar[bool] = True

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        trials = open_trials(ctx.dataset)
        if not trials:
            inputs.view("none", types.Notice(label=_NONE))
            return types.Property(inputs, view=types.View(label=self.label))
        run, form = trials[0], self.form(inputs, ctx)
        label = f"{counted(run.annotations, 'annotation')} of '{run.recipe}'"
        inputs.view("trial", types.Notice(label=label))
        field = run.params["label_field"]
        chosen = form.add("label_field", default=field)
        try:
            names = list(run.fields.values())
            require_fitting(ctx.dataset, outputs_of(names, ctx.params.get("label_field") or field))
        except PremaskError as error:
            refuse(chosen, error)
        form.add_radio("existing")
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        parameters = read(KeepParameters, ctx.params)
        trials = open_trials(ctx.dataset)
        if not trials:
            raise PremaskError(_NONE)
        field = parameters.label_field or trials[0].params["label_field"]
        run = keep(ctx.dataset, trials[0], field, Policy(name=parameters.existing))
        summary = f"{counted(run.annotations, 'annotation')} kept in '{field}'."
        _show(ctx, summary)
        return {"run_id": run.name, "fields": run.fields, "summary": summary}


class ThrowTrialAway(_TrialVerdict):
    """Nothing is left of it: no field, no file, no run."""

    own_name: ClassVar[str] = "throw_trial_away"
    label: ClassVar[str] = "Throw the trial away"
    description: ClassVar[str] = "Remove all that 'Try on this sample' has written"
    parameters: ClassVar[type] = NoParameters

    def execute(self, ctx: Any) -> dict[str, Any]:
        undone = [throw_away(ctx.dataset, run) for run in open_trials(ctx.dataset)]
        kept = sum(one.kept for one in undone)
        summary = "The trial is thrown away." if undone else _NONE
        if kept:
            summary += f" {counted(kept, 'label')} stays: somebody has changed it."
        _show(ctx, summary)
        return {"removed": sum(one.removed for one in undone), "kept": kept, "summary": summary}


def _show(ctx: Any, summary: str) -> None:
    """Tell it, and show it among the samples: FiftyOne 1.22 shows no new field in an open one."""
    ctx.ops.reload_dataset()
    ctx.ops.notify(summary, variant="success")
    if ctx.current_sample:
        ctx.ops.close_sample()
