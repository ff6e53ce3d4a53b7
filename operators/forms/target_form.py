"""The choice of the samples that an operator works on: dataset, view or selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fiftyone.operators import types

from ..dataset.chosen_images import UnusableTarget, images_of


def add_target(
    inputs: types.Object, ctx: Any, action: str, chosen: Callable[[Any], Any] = images_of
) -> Any | None:
    """Draw the choice of dataset, view or selection; return it, or None if it can't be labeled."""
    inputs.view_target(ctx, action_description=action)
    try:
        return chosen(ctx)
    except UnusableTarget as error:
        view = types.Error(label="This can't be labeled", description=str(error))
        inputs.define_property(
            "target", types.String(), view=view, invalid=True, error_message=str(error)
        )
        return None
