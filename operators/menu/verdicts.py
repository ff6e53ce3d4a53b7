"""Accept and Reject: a person's verdict on samples or labels, as tags that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import PremaskError

from ..dataset.chosen_images import images_of
from ..dataset.plurals import counted
from ..forms.outcomes import said
from ..forms.parameters import parameter, read
from ..work.review import ACCEPTED, REJECTED, review_labels, review_samples
from .declared_operator import DeclaredOperator


class NothingSelected(PremaskError):
    """No sample or label is selected, and no sample is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictParameters:
    """The fields whose labels are meant; without any, the samples themselves are."""

    label_fields: tuple[str, ...] = parameter((), "Labels")


class Accept(DeclaredOperator):
    """Selected labels, else selected samples, else the sample that is open.

    From Python: all samples of a dataset or view, or all their labels in some fields.
    """

    own_name: ClassVar[str] = "accept"
    label: ClassVar[str] = "Accept"
    description: ClassVar[str] = f"Tag the selected labels, or else samples, as {ACCEPTED}"
    verdict: ClassVar[str] = ACCEPTED
    parameters: ClassVar[type] = VerdictParameters
    is_dynamic: ClassVar[bool] = False
    can_run_in_background: ClassVar[bool] = False

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """A button where one sample is shown."""
        button = types.Button(label=self.label, prompt=False)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)

    def execute(self, ctx: Any) -> dict[str, Any]:
        fields, noun = read(VerdictParameters, ctx.params).label_fields, "label"
        if ctx.selected_labels:
            selected = ctx.dataset.select_labels(labels=ctx.selected_labels)
            count = review_labels(selected, self.verdict)
        elif fields:
            count = review_labels(images_of(ctx), self.verdict, fields)
        else:
            count, noun = review_samples(_samples_of(ctx), self.verdict), "sample"
        ctx.ops.reload_samples()
        return {"count": count, "summary": f"{counted(count, noun)} {self.verdict}."}

    def resolve_output(self, ctx: Any) -> types.Property:
        return said(ctx, self.label)

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        # In the App, nothing selected is a mistake; from Python, all samples are meant.
        return super().call(samples, {**params, "everything": True}, delegate=delegate)


class Reject(Accept):
    """The same with the opposite tag."""

    own_name: ClassVar[str] = "reject"
    label: ClassVar[str] = "Reject"
    description: ClassVar[str] = f"Tag the selected labels, or else samples, as {REJECTED}"
    verdict: ClassVar[str] = REJECTED


def _samples_of(ctx: Any) -> Any:
    """What is selected, or open; all of them only if the caller says so."""
    if ctx.params.get("everything"):
        return images_of(ctx)
    ids = ctx.selected or [ctx.current_sample]
    if not all(ids):
        raise NothingSelected("Select samples or labels, or open a sample, and try again.")
    return ctx.dataset.select(ids)
