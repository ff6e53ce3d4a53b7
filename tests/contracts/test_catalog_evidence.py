"""The catalog says where its data were seen, and is honest about what was not."""

from __future__ import annotations

import re

import pytest

from premask.models.catalog import catalog
from premask.models.weights.kinds import HubWeights

UNCONFIRMED = {"file name", "revision", "bytes", "license", "safetensors", "strict loading"}
ON_THE_HUB = [name for name, entry in catalog().items() if isinstance(entry.weights, HubWeights)]


def hub_weights(name: str) -> HubWeights:
    weights = catalog()[name].weights
    assert isinstance(weights, HubWeights)
    return weights


@pytest.mark.parametrize("name", catalog())
def test_every_entry_says_where_it_was_seen(name: str) -> None:
    entry = catalog()[name]
    assert len(entry.evidence) > 20, "Say in `evidence` where the facts of this entry were seen."
    assert set(entry.unconfirmed) <= UNCONFIRMED
    assert len(set(entry.unconfirmed)) == len(entry.unconfirmed)


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_a_revision_is_a_whole_commit_or_not_confirmed(name: str) -> None:
    pinned = re.fullmatch(r"[0-9a-f]{40}", hub_weights(name).revision) is not None
    assert pinned != ("revision" in catalog()[name].unconfirmed), (
        "The revision is a whole commit (40 digits), or `unconfirmed` names it."
    )


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_a_size_that_nobody_saw_is_not_confirmed(name: str) -> None:
    assert hub_weights(name).bytes or "bytes" in catalog()[name].unconfirmed, (
        "Say how many `bytes` the weights have, or name them in `unconfirmed`."
    )


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_the_home_is_the_repository(name: str) -> None:
    """Or the authors' own pages, for the files that are no transformers folders."""
    home = catalog()[name].homepage
    assert home.endswith(f"/{hub_weights(name).hub}") or "huggingface.co" not in home


def test_no_two_entries_are_the_same() -> None:
    entries = [catalog()[name] for name in ON_THE_HUB]
    assert len({(entry.family, entry.weights) for entry in entries}) == len(entries)
