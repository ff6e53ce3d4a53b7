"""Weights that an operator brings before it runs, and how far they are, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from premask.models.catalog import Checkpoint
from premask.models.model_card import license_terms, megabytes
from premask.models.weights.arrival import arriving


def downloading(models: Sequence[Checkpoint]) -> Iterator[tuple[float, str]]:
    """Download one model after the other; yield the share that is done, and a sentence."""
    said = ""
    for number, model in enumerate(models):
        for arrival in arriving(model):
            total, part = megabytes(arrival.total), 0.0
            if arrival.arrived:
                part = arrival.arrived / arrival.total if arrival.total else 0.0
                total = f"{megabytes(arrival.arrived)} of {total}"
            sentence = f"Getting {model.name}: {total}, license {license_terms(model)}"
            if sentence != said:
                yield (number + part) / len(models), sentence
            said = sentence
