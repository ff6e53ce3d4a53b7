"""Whether models can run here, and if not, what is missing: packages, weights, or leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from premask.models.catalog import Checkpoint
from premask.models.model_card import size
from premask.models.registry import LIBRARIES
from premask.models.weights import hub
from premask.models.weights.installed import located_weights
from premask.models.weights.kinds import HubWeights, LocalWeights

READY, NEEDS_WEIGHTS, GATED, NEEDS_EXTRA, LOST = range(5)
"""From what can run at once to what takes a person the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How far several models are from running together.

    `state` says in a few words what is missing, and `advice` what to do about it, in sentences.
    `missing` are those whose weights `download` can bring.
    """

    rank: int
    state: str
    advice: str = ""
    missing: tuple[Checkpoint, ...] = ()

    @property
    def can_be_downloaded(self) -> bool:
        """Whether weights are all that is missing, and downloads are not switched off.

        A gate may be open already to the one who asks.
        """
        from_hub = any(isinstance(model.weights, HubWeights) for model in self.missing)
        is_possible = self.rank in (NEEDS_WEIGHTS, GATED)
        return is_possible and not (from_hub and hub.is_offline())


def readiness_of(checkpoints: Sequence[Checkpoint]) -> Readiness:
    """Look for the packages and the weights of these models; nothing is imported or asked for.

    A form does this for all recipes at every key that is pressed.
    """
    away = [model for model in checkpoints if model.weights and not located_weights(model)]
    missing = tuple(model for model in away if not isinstance(model.weights, LocalWeights))
    found = [
        _of_extras(dict.fromkeys(model.extra for model in checkpoints)),
        _of_own_weights([model for model in away if model not in missing]),
        _of_gates([model for model in missing if _is_gated(model)]),
        _of_weights([model for model in missing if not _is_gated(model)], len(checkpoints) > 1),
    ]
    lacking = [readiness for readiness in found if readiness is not None]
    return Readiness(
        rank=max((readiness.rank for readiness in lacking), default=READY),
        state="; ".join(readiness.state for readiness in lacking) or "ready",
        advice=" ".join(readiness.advice for readiness in lacking),
        missing=missing,
    )


def _of_extras(extras: Iterable[str]) -> Readiness | None:
    lacking = {
        extra: [name for name in LIBRARIES[extra] if not _is_installed(name)] for extra in extras
    }
    wanted = [extra for extra, names in lacking.items() if names]
    if not wanted:
        return None
    names = ", ".join(dict.fromkeys(name for found in lacking.values() for name in found))
    command = f"pip install 'premask[{','.join(wanted)}]'"
    advice = f"Not installed: {names}. Install with: {command}"
    return Readiness(rank=NEEDS_EXTRA, state=f"needs an extra: {command}", advice=advice)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:
        # OpenCV has no spec while another thread imports it.
        return True


def _of_own_weights(models: Sequence[Checkpoint]) -> Readiness | None:
    if not models:
        return None
    paths = [model.weights.path for model in models if isinstance(model.weights, LocalWeights)]
    advice = f"There is nothing at {', '.join(paths)}. Correct the path where the model is named."
    return Readiness(rank=LOST, state="its weights are not where they should be", advice=advice)


def _of_gates(models: Sequence[Checkpoint]) -> Readiness | None:
    if not models:
        return None
    advice = [
        f"The owner of '{model.name}' asks you to accept the license first. Do so at "
        f"{model.homepage}, make a token at https://huggingface.co/settings/tokens, and log in "
        "with 'hf auth login'."
        for model in models
    ]
    state = f"gated, {'; '.join(_terms(model) for model in models)}"
    return Readiness(rank=GATED, state=state, advice=" ".join(advice))


def _of_weights(models: Sequence[Checkpoint], are_named: bool) -> Readiness | None:
    if not models:
        return None
    named = [f"{model.name}, {_terms(model)}" if are_named else _terms(model) for model in models]
    commands = ", ".join(f"premask models download {model.name}" for model in models)
    state = f"needs weights: {'; '.join(named)}" if are_named else f"needs weights, {named[0]}"
    advice = f"The weights are not on this machine. Get them with: {commands}"
    return Readiness(rank=NEEDS_WEIGHTS, state=state, advice=advice)


def _terms(model: Checkpoint) -> str:
    return f"{size(model)}, {model.license}"


def _is_gated(model: Checkpoint) -> bool:
    return isinstance(model.weights, HubWeights) and model.weights.gated
