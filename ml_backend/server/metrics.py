"""Counters and gauges in Prometheus' text format."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ml_backend.server.activity import SECONDS, Snapshot

Sample = tuple[Mapping[str, str | int], float]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def resident_bytes() -> int:
    """The memory that this process takes now; 0 where the system doesn't say."""
    status = Path("/proc/self/statm")
    if not status.is_file():
        return 0
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def exposition(
    snapshot: Snapshot, started: float, gauges: Mapping[str, float], events: Mapping[str, int]
) -> str:
    """The text of /metrics; the names of `gauges` get `premask_` in front."""
    counters: dict[str, Iterable[Sample]] = {
        "requests_total": (
            ({"path": path, "status": status}, count)
            for (path, status), count in snapshot.requests.items()
        ),
        "predictions_total": (
            ({"mode": mode, "outcome": outcome}, count)
            for (mode, outcome), count in snapshot.predictions.items()
        ),
        "dropped_objects_total": [({}, sum(snapshot.dropped.values()))],
        "events_total": (({"action": action}, count) for action, count in events.items()),
    }
    values = {**gauges, "resident_bytes": resident_bytes(), "uptime_seconds": time.time() - started}
    lines = [
        line for name, samples in counters.items() for line in _metric(name, "counter", samples)
    ]
    lines += [
        line for name, value in values.items() for line in _metric(name, "gauge", [({}, value)])
    ]
    return "\n".join([*lines, *_histogram(snapshot), ""])


def _metric(name: str, kind: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# TYPE premask_{name} {kind}"
    for labels, value in samples:
        yield f"premask_{name}{_labels(labels)} {value:.15g}"


def _histogram(snapshot: Snapshot) -> Iterator[str]:
    """How long requests take. In Prometheus' format a bound counts all requests below it."""
    yield "# TYPE premask_request_seconds histogram"
    for path, total in snapshot.total_seconds.items():
        count = 0
        for bound in (*SECONDS, math.inf):
            count += snapshot.durations.get((path, bound), 0)
            shown = "+Inf" if math.isinf(bound) else f"{bound:g}"
            labels = _labels({"path": path, "le": shown})
            yield f"premask_request_seconds_bucket{labels} {count}"
        yield f"premask_request_seconds_sum{_labels({'path': path})} {total:.6f}"
        yield f"premask_request_seconds_count{_labels({'path': path})} {count}"


def _labels(labels: Mapping[str, str | int]) -> str:
    pairs = ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
