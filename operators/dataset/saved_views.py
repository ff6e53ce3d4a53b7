"""Views that premask saves in a dataset, beside those of people."""

from __future__ import annotations

from typing import Any

import fiftyone.core.utils as fou

from premask.errors import InvalidSetting


def require_own_view(
    dataset: Any, name: str, field: str | None = None, *, description: str
) -> None:
    """Refuse the name of a view, or of a field that goes with it, that somebody else has made.

    Views that premask made are known by their description. Two names with the same slug, such as
    "to do" and "to-do", are one for FiftyOne.
    """
    slug = fou.to_slug(name)
    views = dataset.list_saved_views(info=True)
    taken = [view for view in views if fou.to_slug(view["name"]) == slug]
    is_own = bool(taken) and all(view["description"] == description for view in taken)
    if not is_own and (taken or (field is not None and dataset.has_field(field))):
        made = f"a view '{name}'" + (f" or a field '{field}'" if field else "")
        raise InvalidSetting(f"There is {made} that premask did not make. Choose another name.")
