"""Accept and Reject: a person's verdict on samples or labels, as tags that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import PremaskError

from ..dataset.chosen_images import images_of
from ..dataset.plurals import counted
from ..dataset.provenance import ACCEPTED, REJECTED
from ..forms.outcomes import said
from ..forms.parameters import parameter, read
from ..work.review import review_labels, review_samples
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
    label: ClassVar[str] = "premask: Accept"
    description: ClassVar[str] = f"Tag the selected labels, or else samples, as {ACCEPTED}"
    verdict: ClassVar[str] = ACCEPTED
    variant: ClassVar[str] = "success"
    parameters: ClassVar[type] = VerdictParameters
    is_dynamic: ClassVar[bool] = False
    can_run_in_background: ClassVar[bool] = False

    def resolve_placement(self, ctx: Any) -> types.Placement:
        """A button where one sample is shown."""
        button = types.Button(label=self.label, prompt=False)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)

    def execute(self, ctx: Any) -> dict[str, Any]:
        fields, noun = read(VerdictParameters, ctx.params).label_fields, "label"
        # Before the verdict: a sample leaves the view of its queue by it.
        following = _following(ctx)
        if ctx.selected_labels:
            selected = ctx.dataset.select_labels(labels=ctx.selected_labels)
            count = review_labels(selected, self.verdict)
        elif fields:
            count = review_labels(images_of(ctx), self.verdict, fields)
        else:
            count, noun = review_samples(_samples_of(ctx), self.verdict), "sample"
        summary = f"{counted(count, noun)} {self.verdict}."
        # Of the samples in the grid. The one that is open FiftyOne 1.22 remembers by its dataset,
        # view and id, and nothing makes it ask again: hence a notice, and the next sample.
        ctx.ops.reload_samples()
        ctx.ops.notify(summary, variant=self.variant)
        if following is not None:
            ctx.ops.open_sample(id=following)
        return {"count": count, "summary": summary}

    def resolve_output(self, ctx: Any) -> types.Property:
        return said(ctx, self.label)

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        # In the App, nothing selected is a mistake; from Python, all samples are meant.
        return super().call(samples, {**params, "everything": True}, delegate=delegate)


class Reject(Accept):
    """The same with the opposite tag."""

    own_name: ClassVar[str] = "reject"
    label: ClassVar[str] = "premask: Reject"
    description: ClassVar[str] = f"Tag the selected labels, or else samples, as {REJECTED}"
    verdict: ClassVar[str] = REJECTED
    variant: ClassVar[str] = "warning"


def _samples_of(ctx: Any) -> Any:
    """What is selected, or open; all of them only if the caller says so."""
    if ctx.params.get("everything"):
        return images_of(ctx)
    ids = ctx.selected or [ctx.current_sample]
    if not all(ids):
        raise NothingSelected("Select samples or labels, or open a sample, and try again.")
    return ctx.dataset.select(ids)


def _following(ctx: Any) -> str | None:
    """The sample to go on with after a verdict on the one that is open, as it is shown by itself.

    FiftyOne 1.22 does not show new tags of the sample that is open; the next one is a sign, too.
    """
    if not ctx.current_sample or ctx.selected or ctx.selected_labels:
        return None
    shown: list[str] = ctx.view.values("id")
    if ctx.current_sample not in shown[:-1]:
        return None
    return shown[shown.index(ctx.current_sample) + 1]
