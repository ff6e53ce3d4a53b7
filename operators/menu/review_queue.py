"""Review queue: a saved view of samples, the most doubtful ones first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset.chosen_images import images_of
from ..dataset.plurals import counted
from ..dataset.reading import readable_fields
from ..forms.outcomes import add_choice, options, said, watcher, with_failures
from ..forms.target_form import add_target
from ..work.review import FIELDS, MEASURES, SCORE, Queue, review_queue
from .python_call import call

MANY = 5_000
"""Images whose masks are not measured in a few minutes."""


class ReviewQueue(foo.Operator):
    """Samples leave the queue when they are accepted or rejected."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name="review_queue",
            label="Review queue",
            description="Save a view of the samples that most need a person's eyes",
            icon="/operators/assets/icon.svg",
            dynamic=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """Which labels, and what makes them doubtful."""
        inputs = types.Object()
        if (samples := add_target(inputs, ctx, "Queue up")) is not None:
            fields = readable_fields(samples)
            add_choice(inputs, "label_field", fields, "Labels")
            add_choice(inputs, "by", MEASURES, "What comes first", default=SCORE)
            if ctx.params.get("by") == FIELDS:
                add_choice(inputs, "other_field", fields, "Compared with")
            inputs.str("name", default="review", required=True, label="Name of the view")
        return types.Property(inputs, view=types.View(label="Review queue"))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        """Large targets go into the background."""
        return options(ctx, MANY)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Save the view, and show it."""
        queue = review_queue(
            images_of(ctx),
            label_field=ctx.params["label_field"],
            by=ctx.params.get("by") or SCORE,
            other_field=ctx.params.get("other_field") or None,
            name=ctx.params.get("name") or "review",
            on_progress=watcher(ctx),
        )
        if not ctx.delegated:
            ctx.ops.reload_dataset()
            ctx.ops.set_view(name=queue.view)
        return asdict(queue) | {"summary": _summary(queue)}

    def resolve_output(self, ctx: Any) -> types.Property:
        """How many there are to review."""
        return said(ctx, "Queued")

    def __call__(
        self,
        samples: Any,
        *,
        label_field: str,
        by: str = SCORE,
        other_field: str | None = None,
        name: str = "review",
        delegate: bool = False,
    ) -> Any:
        """Queue up a dataset or a view; the result's `result` names the view and its field."""
        params = {
            "label_field": label_field,
            "by": by,
            "other_field": other_field or "",
            "name": name,
        }
        return call(self, samples, params, delegate=delegate)


def _summary(queue: Queue) -> str:
    sentence = f"{counted(queue.samples, 'sample')} to review in the view '{queue.view}'"
    if queue.unmeasured:
        sentence += f", {queue.unmeasured:,} without a label that has such a value"
    return with_failures(f"{sentence}.", queue.failures)
