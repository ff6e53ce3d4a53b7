"""Models: which there are, under which license, how large, where; and to get their weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.executor import ExecutionResult

from premask.errors import PremaskError
from premask.models.catalog import Checkpoint, checkpoint_of, known_models
from premask.models.model_card import license_terms, megabytes, place, size
from premask.models.weights.download import download, download_size
from premask.models.weights.installed import located_weights

from ..forms.recipe_form import refuse

_COLUMNS = ("model", "stages", "license", "size", "weights", "what it does")


class Models(foo.Operator):
    """The list is the form; what is chosen in it is downloaded."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows and runs it: as a generator, which has no limit of 600 seconds."""
        return foo.OperatorConfig(
            name="models",
            label="Models",
            description="List premask's models and their licenses, and download their weights",
            icon="/operators/assets/icon.svg",
            dynamic=True,
            execute_as_generator=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """The models in a table, and a choice of those that are not here."""
        inputs = types.Object()
        view = types.DropdownView(label="Download", multiple=True)
        for each in known_models().values():
            if each.weights is not None and located_weights(each) is None:
                words = f"{size(each)}, license {license_terms(each)}: {each.help}"
                view.add_choice(each.name, label=each.name, description=words)
        chosen = inputs.list("names", types.String(), default=[], required=True, view=view)
        try:
            wanted = [checkpoint_of(name) for name in ctx.params.get("names") or ()]
            chosen.view.caption = "; ".join(_terms(each) for each in wanted)
        except PremaskError as error:
            refuse(chosen, error)
        table = types.TableView(label="All models")
        for name in _COLUMNS:
            table.add_column(name, label=name)
        inputs.list("table", types.Object(), default=rows(), required=False, view=table)
        return types.Property(inputs, view=types.View(label="Models"))

    def execute(self, ctx: Any) -> Iterator[Any]:
        """Get them one by one: the libraries that download tell only the log how far they are."""
        wanted = [checkpoint_of(name) for name in ctx.params.get("names") or ()]
        try:
            for number, each in enumerate(wanted):
                yield from _show(ctx, number / len(wanted), f"Getting {_amount(each)}")
                download(each)
        except PremaskError as error:
            # Of what a generator raises, FiftyOne 1.22's App shows nothing: its bar just stops.
            yield from _told(ctx, str(error), "error")
            raise
        yield from _show(ctx, 1.0, "Done")
        yield from _told(ctx, f"Here: {', '.join(each.name for each in wanted)}.", "success")

    def __call__(self, names: Sequence[str] = (), *, delegate: bool = False) -> Any:
        """Download these models; the result's `result` is a row for each model there is."""
        context = {"params": {"names": list(names)}, "request_delegation": delegate}
        executed = foo.execute_operator(self.uri, context)
        if isinstance(executed, ExecutionResult) and not executed.delegated:
            executed.result = rows()
        return executed


def rows() -> list[dict[str, str]]:
    """What there is to know of each model."""
    return [
        dict(
            zip(
                _COLUMNS,
                (e.name, " ".join(e.stages), license_terms(e), size(e), place(e), e.help),
                strict=True,
            )
        )
        for e in known_models().values()
    ]


def _terms(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.name}: {size(checkpoint)}, license {license_terms(checkpoint)}"


def _amount(checkpoint: Checkpoint) -> str:
    """As the place says that it comes from: some entries of the catalog have no size."""
    amount = megabytes(download_size(checkpoint))
    return f"{checkpoint.name}: {amount}, license {license_terms(checkpoint)}"


def _show(ctx: Any, share: float, words: str) -> Iterator[Any]:
    if ctx.delegated:
        ctx.set_progress(progress=share, label=words)
    else:
        yield ctx.ops.set_progress(progress=share, label=words)


def _told(ctx: Any, message: str, variant: str) -> Iterator[Any]:
    if not ctx.delegated:
        yield ctx.ops.notify(message, variant=variant)
