"""The choice of the samples that an operator works on: dataset, view or selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fiftyone.operators import types

from ..dataset.chosen_images import UnusableTarget, images_of
from ..dataset.chosen_labels import ChosenLabels, images_to_label
from ..dataset.plurals import counted


def add_target(
    inputs: types.Object, ctx: Any, action: str, chosen: Callable[[Any], Any] = images_of
) -> Any | None:
    """Draw the choice of dataset, view or selection; return it, or None if it can't be labeled."""
    takes_labels = chosen is images_to_label
    inputs.view_target(ctx, action_description=action, allow_selected_labels=takes_labels)
    try:
        return chosen(ctx)
    except UnusableTarget as error:
        view = types.Error(label="This can't be labeled", description=str(error))
        inputs.define_property(
            "target", types.String(), view=view, invalid=True, error_message=str(error)
        )
        return None


def add_chosen_labels(inputs: types.Object, chosen: ChosenLabels, what: str) -> None:
    """Say how many labels were chosen, and what is done with them."""
    here = chosen.count()
    gone = chosen.asked - here
    view = types.Notice(
        label=f"{counted(here, 'label')} in {counted(chosen.images.count(), 'image')}",
        description=what + (f" {gone:,} more are deleted by now." if gone else ""),
    )
    inputs.view("chosen_labels", view)
