"""Attributes of tags that speak to the model; docs/label-studio-tags.md has them in a table."""

from __future__ import annotations

import difflib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator

from premask.errors import UnusableLabelConfig

RECIPE, ALSO, SKIP = "model_recipe", "model_also", "model_skip"
THRESHOLDS = ("model_score_threshold", "score_threshold")
PHRASES = ("model_phrases", "predicted_values")
"""The second ones are what the YOLO example of label-studio-ml calls them, or did at first."""

ATTRIBUTES = (RECIPE, *THRESHOLDS, *PHRASES, ALSO, SKIP)


def switched_on(element: ET.Element, attribute: str) -> bool:
    """Whether an attribute says yes, in one of the words that label-studio-ml's examples take."""
    return element.get(attribute, "").strip().lower() in ("true", "1", "yes")


def recipe_named(element: ET.Element) -> str:
    """The recipe that this tag asks for; empty where it asks for none."""
    return element.get(RECIPE, "").strip()


def threshold_of(element: ET.Element) -> float | None:
    """The lowest score of what is written with this tag, or gets this label.

    What is no score is None here, so that what people annotated can be pulled all the same.
    """
    for attribute in THRESHOLDS:
        if element.get(attribute, "").strip():
            return _score(element.get(attribute, ""))
    return None


def require_scores(elements: Iterable[ET.Element]) -> None:
    """Raise for a threshold that is no score."""
    for element in elements:
        for attribute in THRESHOLDS:
            said = element.get(attribute, "").strip()
            if said and _score(said) is None:
                raise UnusableLabelConfig(
                    f'{tag_of(element)}: {attribute}="{said[:40]}" must be a number from 0 to 1.'
                )


def phrases_of(element: ET.Element) -> tuple[str, ...]:
    """What models call this label, in the author's words."""
    listed = ",".join(element.get(attribute, "") for attribute in PHRASES)
    return tuple(phrase.strip() for phrase in listed.split(",") if phrase.strip())


def unknown_attributes(elements: Iterable[ET.Element]) -> Iterator[str]:
    """Sentences about attributes that mean nothing here: misspelled ones, and other backends'."""
    for element in elements:
        for attribute in element.attrib:
            if attribute.startswith("model_") and attribute not in ATTRIBUTES:
                yield f"{attribute} of {tag_of(element)} is ignored: {_instead_of(attribute)}"


def _instead_of(attribute: str) -> str:
    if attribute == "model_path":
        return f"no file is read that a label config names. {RECIPE} names a recipe."
    near = difflib.get_close_matches(attribute, ATTRIBUTES, n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else "premask does not know it."


def tag_of(element: ET.Element) -> str:
    """A tag as messages name it."""
    name, key = element.get("name"), "name"
    if name is None:
        name, key = element.get("value", ""), "value"
    return f'<{element.tag} {key}="{name}">'


def _score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None
