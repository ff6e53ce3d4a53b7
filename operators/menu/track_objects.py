"""Track objects: follow them through videos, and through images in an order."""

from __future__ import annotations

from typing import Any, ClassVar

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from ..forms.track_form import TrackParameters, add_inputs, job_from_params
from ..work.track_job import TrackJob
from .runner import Runner


class TrackObjects(Runner):
    """What a person fixed stays; the next run follows it from there."""

    own_name: ClassVar[str] = "track_objects"
    label: ClassVar[str] = "Track objects"
    description: ClassVar[str] = (
        "Follow objects through videos, and write their masks in each frame"
    )
    parameters: ClassVar[type] = TrackParameters

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        add_inputs(self.form(inputs, ctx), ctx)
        return types.Property(inputs, view=types.View(label=self.label))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        return foo.ExecutionOptions(
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=fo.config.allow_legacy_orchestrators,
        )

    def job(self, ctx: Any) -> TrackJob:
        return job_from_params(ctx)
