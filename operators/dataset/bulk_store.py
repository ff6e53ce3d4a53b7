"""Labels into the database, many samples at once; one that it can't hold stops no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DocumentTooLarge, PyMongoError

from premask.errors import PremaskError

Document = dict[str, Any]
"""A label, or what holds several, as the database has it."""

_TOO_LARGE = {10334, 17419}
"""MongoDB's codes for an update, or what comes of it, of more than 16 MB."""


class TooLarge(PremaskError):
    """What MongoDB can't hold in one document, which is all that FiftyOne knows of a sample."""


def store(
    dataset: Any, field: str, documents: Mapping[str, Document | None]
) -> dict[str, TooLarge]:
    """Write what each sample, by its id, has in the field from now on.

    The result is the samples whose document would be too large; they keep what they have.
    """
    try:
        # To validate what premask made takes FiftyOne a sixth of all the time.
        dataset.set_values(field, documents, key_field="id", validate=False)
    except (DocumentTooLarge, PyMongoError, ValueError) as error:
        if not is_too_large(error):
            raise
        return _halved(dataset, field, documents)
    return {}


def _halved(
    dataset: Any, field: str, documents: Mapping[str, Document | None]
) -> dict[str, TooLarge]:
    """Find those that are too large, by halves; the others are written."""
    if len(documents) == 1:
        return dict.fromkeys(documents, too_large(field))
    items, middle = list(documents.items()), len(documents) // 2
    first, second = dict(items[:middle]), dict(items[middle:])
    return store(dataset, field, first) | store(dataset, field, second)


def too_large(field: str) -> TooLarge:
    """The error that says so, and what to do."""
    return TooLarge(
        f"With these labels in '{field}' the sample would be larger than the 16 MB that MongoDB "
        "holds, so it keeps what it has. Write detections and keep their masks on disk "
        "(masks_on_disk=True)."
    )


def is_too_large(error: Exception) -> bool:
    """Whether MongoDB said so, or would not even have been asked: a message holds 48 MB.

    FiftyOne 1.22 turns what is said of single updates into a text.
    """
    if isinstance(error, DocumentTooLarge):
        return True
    details = getattr(error.__cause__ or error, "details", None) or {}
    said = [details, *details.get("writeErrors", ())]
    return any(reason.get("code") in _TOO_LARGE for reason in said)
