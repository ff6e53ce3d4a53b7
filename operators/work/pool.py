"""The models of this process: FiftyOne runs the plugin's root at every call, but this file once."""

from __future__ import annotations

from functools import cache

from premask.models.pool import ModelPool, make_pool


@cache
def model_pool() -> ModelPool:
    """Return the pool that all operators share; it is made at first use."""
    return make_pool()
