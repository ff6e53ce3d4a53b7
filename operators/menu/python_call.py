"""Operators called from Python like functions, on a dataset or a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo


def call(
    operator: foo.Operator, samples: Any, params: Mapping[str, Any], *, delegate: bool = False
) -> Any:
    """Execute the operator as the App would; the result is that of `foo.execute_operator`."""
    target = "dataset" if isinstance(samples, fo.Dataset) else "view"
    context = {target: samples, "params": dict(params), "request_delegation": delegate}
    return foo.execute_operator(operator.uri, context)
