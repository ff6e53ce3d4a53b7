"""Accept and Reject: a person's verdict on samples or labels, as tags that exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import fiftyone.operators as foo
from fiftyone.operators import types

from premask.errors import PremaskError

from ..dataset.chosen_images import images_of
from ..dataset.plurals import counted
from ..forms.outcomes import said
from ..work.review import ACCEPTED, REJECTED, review_labels, review_samples
from .python_call import call


class NothingSelected(PremaskError):
    """There is nothing that the verdict could be on."""


class Accept(foo.Operator):
    """Selected labels, else selected samples, else the sample that is open."""

    own_name: ClassVar[str] = "accept"
    label: ClassVar[str] = "Accept"
    verdict: ClassVar[str] = ACCEPTED

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name=self.own_name,
            label=self.label,
            description=f"Tag the selected labels, or else samples, as {self.verdict}",
            icon="/operators/assets/icon.svg",
        )

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """A button where one sample is shown."""
        button = types.Button(label=self.label, prompt=False)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Tag what is selected."""
        count, what = self._review(ctx)
        ctx.ops.reload_samples()
        return {"count": count, "summary": f"{counted(count, what)} {self.verdict}."}

    def resolve_output(self, ctx: Any) -> types.Property:
        """How many were tagged."""
        return said(ctx, self.label)

    def __call__(self, samples: Any, *, label_fields: Sequence[str] = ()) -> Any:
        """All samples of a dataset or view, or all their labels in some fields."""
        return call(self, samples, {"label_fields": list(label_fields), "everything": True})

    def _review(self, ctx: Any) -> tuple[int, str]:
        fields = ctx.params.get("label_fields")
        if ctx.selected_labels:
            selected = ctx.dataset.select_labels(labels=ctx.selected_labels)
            return review_labels(selected, self.verdict), "label"
        if fields:
            return review_labels(images_of(ctx), self.verdict, fields), "label"
        return review_samples(_samples_of(ctx), self.verdict), "sample"


class Reject(Accept):
    """The opposite verdict."""

    own_name: ClassVar[str] = "reject"
    label: ClassVar[str] = "Reject"
    verdict: ClassVar[str] = REJECTED


def _samples_of(ctx: Any) -> Any:
    """What is selected, or open; all of them only if the caller says so."""
    if ctx.params.get("everything"):
        return images_of(ctx)
    ids = ctx.selected or [ctx.current_sample]
    if not all(ids):
        raise NothingSelected("Select samples or labels, or open a sample, and try again.")
    return ctx.dataset.select(ids)
