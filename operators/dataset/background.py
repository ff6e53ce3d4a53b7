"""What FiftyOne runs in the background for a dataset: what waits, what is at work, what failed."""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionResult, ExecutionRunState

_WAITING = (ExecutionRunState.QUEUED, ExecutionRunState.SCHEDULED)
_SHOWN = (*_WAITING, ExecutionRunState.RUNNING, ExecutionRunState.FAILED)

_FAILURES_SECONDS = 24 * 3600.0
"""For so long one that failed before it became a run is shown; FiftyOne keeps it for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation in FiftyOne's queue.

    `since` is when it came into its state, `heard` when it last said how far it is, in `words`.
    """

    id: str
    operator: str
    state: str
    since: float
    heard: float
    words: str = ""
    error: str = ""

    @property
    def is_waiting(self) -> bool:
        return self.state in _WAITING


def operations(dataset: Any, prefix: str, known: Container[str]) -> list[Operation]:
    """Operations of a plugin, by what its operators' names begin with, that are not `known` runs.

    Those that are completed are left out, and those that failed long ago.
    """
    service, found = DelegatedOperationService(), list[Operation]()
    for state in _SHOWN:
        for document in service.list_operations(dataset_id=dataset._doc.id, run_state=state):
            if document.operator.startswith(prefix) and str(document.id) not in known:
                found.append(_operation(document))
    late = time.time() - _FAILURES_SECONDS
    failed = ExecutionRunState.FAILED
    return [one for one in found if one.state != failed or one.since > late]


def cancel_waiting(operation_id: str) -> bool:
    """Take an operation out of the queue, unless it has begun; say whether that was so."""
    return _end(operation_id, "Cancelled before it began.", ExecutionRunState.QUEUED)


def end_lost(operation_id: str) -> bool:
    """Tell FiftyOne that an operation runs no more: that of a process that was killed."""
    return _end(operation_id, "Its process has ended.", ExecutionRunState.RUNNING)


def _end(operation_id: str, why: str, required_state: str) -> bool:
    ended = DelegatedOperationService().set_failed(
        ObjectId(operation_id), result=ExecutionResult(error=why), required_state=required_state
    )
    return ended is not None


def _operation(document: Any) -> Operation:
    moments = {
        ExecutionRunState.RUNNING: document.started_at,
        ExecutionRunState.FAILED: document.failed_at,
        ExecutionRunState.SCHEDULED: document.scheduled_at,
    }
    since = _seconds(moments.get(document.run_state) or document.queued_at)
    status, result = document.status, document.result
    lines = (result.error if result is not None and result.error else "").strip().splitlines()
    return Operation(
        id=str(document.id),
        operator=document.label or document.operator,
        state=document.run_state,
        since=since,
        heard=_seconds(status.updated_at) if status is not None else since,
        words=(status.label or "") if status is not None else "",
        error=lines[-1] if lines else "",  # what stands above is the traceback
    )


def _seconds(moment: datetime | None) -> float:
    """FiftyOne's times are UTC without saying so."""
    return moment.replace(tzinfo=timezone.utc).timestamp() if moment else 0.0
