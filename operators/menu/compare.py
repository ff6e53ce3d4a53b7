"""Compare labels: what only one field or run found, what both found, and how well they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.executor import ExecutionResult

from premask.terminal.screen import progress_words

from ..dataset.chosen_images import dataset_of, images_of
from ..dataset.comparisons import Compared, kept, load
from ..dataset.plurals import counted
from ..dataset.sides import side_choices
from ..forms.outcomes import execution_options
from ..forms.parameters import parameter, read
from ..forms.target_form import add_target
from ..work.comparing import Comparing
from .declared_operator import DeclaredOperator

PANEL = "premask_compare"

_MANY = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareParameters:
    """The two sides: FIELD, FIELD/RUN, or FIELD/others for what no run of premask wrote."""

    one: str = parameter(label="One side", help="A field, or what one run wrote into it")
    other: str = parameter(label="Other side", help="Such as a person's labels")
    iou: float = parameter(
        0.5, "IoU", "From which on two objects are the same one", minimum=0.05, maximum=1
    )


class Compare(DeclaredOperator):
    """The dataset keeps the result, and the panel *premask compare* shows it.

    A generator, because only those show their progress. From Python, the result's `result` has the
    totals and a row for each class.
    """

    own_name: ClassVar[str] = "compare"
    label: ClassVar[str] = "Compare labels"
    description: ClassVar[str] = "What only one field or run found, what both, and their IoUs"
    parameters: ClassVar[type] = CompareParameters
    is_generator: ClassVar[bool] = True

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        if (samples := add_target(inputs, ctx, "Compare", images_of)) is not None:
            form, choices = self.form(inputs, ctx), side_choices(dataset_of(samples))
            for name in ("one", "other"):
                field = form.add(name, choices={}, required=True)
                for side, title in choices.items():
                    field.view.add_choice(side, label=title)
            form.add("iou")
        return types.Property(inputs, view=types.View(label=self.label))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        return execution_options(ctx, _MANY)

    def execute(self, ctx: Any) -> Iterator[Any]:
        try:
            work = Comparing(images_of(ctx), **asdict(read(CompareParameters, ctx.params)))
            for progress in work.steps():
                share, words = progress.share, progress_words(progress)
                if ctx.delegated:
                    ctx.set_progress(progress=share, label=words)
                else:
                    yield ctx.ops.set_progress(progress=share, label=words)
        except Exception as error:
            # Of what a generator raises, FiftyOne 1.22's App shows nothing: its bar just stops.
            if not ctx.delegated:
                yield ctx.ops.set_progress(progress=1, label=f"Failed: {error}")
                yield ctx.ops.notify(f"Failed: {error}", variant="error")
            raise
        if not ctx.delegated:
            said = summary(work.compared)
            yield ctx.ops.set_progress(progress=1, label=said)
            yield ctx.ops.open_panel(PANEL, layout="horizontal")
            yield ctx.ops.notify(said, variant="success")

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        executed = super().call(samples, params, delegate=delegate)
        # FiftyOne drops what a generator returns; in notebooks it hands out a task instead.
        if isinstance(executed, ExecutionResult) and not executed.delegated:
            dataset = dataset_of(samples)
            compared = load(dataset, next(iter(kept(dataset))))
            executed.result = {
                "totals": compared.totals,
                "rows": compared.rows,
                "failures": compared.failures,
                "summary": summary(compared),
            }
        return executed


def summary(compared: Compared) -> str:
    """One sentence for a person."""
    totals, (one, other) = compared.totals, compared.question.titles
    mean = totals["mean IoU"]
    agreed = f" (mean IoU {mean:.2f})" if mean is not None else ""
    differing = int(totals["of another class"])
    said = (
        f"{counted(compared.images, 'image')}: both have {int(totals['both']):,}{agreed}, only "
        f"'{one}' has {int(totals['only one']):,}, only '{other}' has {int(totals['only other']):,}"
    )
    return said + f"; {differing:,} of another class." if differing else f"{said}."
