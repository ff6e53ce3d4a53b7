"""Models: which there are, under which license, how large, where; and to get their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fiftyone.operators import types
from fiftyone.operators.executor import ExecutionResult

from premask.errors import PremaskError
from premask.models.catalog import checkpoint_of, known_models
from premask.models.model_card import license_terms, place, size
from premask.models.weights.installed import located_weights

from ..forms.fields import refuse
from ..forms.parameters import parameter, read
from ..work.downloading import downloading
from .declared_operator import DeclaredOperator

_COLUMNS = ("model", "stages", "license", "size", "weights", "what it does")


@dataclass(frozen=True, slots=True)
class ModelsParameters:
    """The models whose weights are downloaded."""

    names: tuple[str, ...] = parameter((), "Download")


class Models(DeclaredOperator):
    """The list is the form; what is chosen in it is downloaded.

    From Python, the result's `result` is a row for each model there is. A generator, which has no
    limit of 600 seconds.
    """

    own_name: ClassVar[str] = "models"
    label: ClassVar[str] = "premask: Models"
    description: ClassVar[str] = (
        "List premask's models and their licenses, and download their weights"
    )
    parameters: ClassVar[type] = ModelsParameters
    is_generator: ClassVar[bool] = True
    works_on_samples: ClassVar[bool] = False

    def resolve_input(self, ctx: Any) -> types.Property:
        """Draw all models as a table, and a choice of those whose weights are not here."""
        inputs = types.Object()
        missing = {
            model.name: f"{size(model)}, license {license_terms(model)}: {model.help}"
            for model in known_models().values()
            if model.weights is not None and located_weights(model) is None
        }
        chosen = self.form(inputs, ctx).add("names", choices=missing, required=True)
        try:
            wanted = [checkpoint_of(name) for name in ctx.params.get("names") or ()]
            chosen.view.caption = "; ".join(
                f"{model.name}: {size(model)}, license {license_terms(model)}" for model in wanted
            )
        except PremaskError as error:
            refuse(chosen, error)
        table = types.TableView(label="All models")
        for name in _COLUMNS:
            table.add_column(name, label=name)
        inputs.list("table", types.Object(), default=rows(), required=False, view=table)
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> Iterator[Any]:
        """Download one model after the other."""
        wanted = [checkpoint_of(name) for name in read(ModelsParameters, ctx.params).names]
        try:
            # As the place says that it comes from: some entries of the catalog have no size.
            for share, words in downloading(wanted):
                yield from _show(ctx, share, words)
        except PremaskError as error:
            # Of what a generator raises, FiftyOne 1.22's App shows nothing: its bar just stops.
            yield from _told(ctx, str(error), "error")
            raise
        yield from _show(ctx, 1.0, "Done")
        yield from _told(ctx, f"Here: {', '.join(model.name for model in wanted)}.", "success")

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        executed = super().call(samples, params, delegate=delegate)
        # FiftyOne drops what a generator returns.
        if isinstance(executed, ExecutionResult) and not executed.delegated:
            executed.result = rows()
        return executed


def rows() -> list[dict[str, str]]:
    """Describe each model in a row of the table."""
    return [
        {
            "model": model.name,
            "stages": " ".join(model.stages),
            "license": license_terms(model),
            "size": size(model),
            "weights": place(model),
            "what it does": model.help,
        }
        for model in known_models().values()
    ]


def _show(ctx: Any, share: float, words: str) -> Iterator[Any]:
    if ctx.delegated:
        ctx.set_progress(progress=share, label=words)
    else:
        yield ctx.ops.set_progress(progress=share, label=words)


def _told(ctx: Any, message: str, variant: str) -> Iterator[Any]:
    if not ctx.delegated:
        yield ctx.ops.notify(message, variant=variant)
