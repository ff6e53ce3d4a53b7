"""What people type into the model form is read, and what is wrong with it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ml_backend.project.extra_params import ExtraParams, read_extra_params
from ml_backend.project.model_attributes import ATTRIBUTES
from premask.errors import PremaskError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "said",
    [
        "recipe=dino-sam2 threshold=0.4 refine.smooth=2",
        "recipe=dino-sam2,\nthreshold=0.4, refine.smooth=2",
        '{"recipe": "dino-sam2", "threshold": 0.4, "refine": {"smooth": 2}}',
        {"recipe": "dino-sam2", "threshold": 0.4, "refine.smooth": 2},
        '"recipe=dino-sam2 threshold=0.4 refine.smooth=2"',
    ],
)
def test_the_same_can_be_said_as_text_and_as_json(said: object) -> None:
    asked = read_extra_params(said)
    assert (asked.recipe, asked.threshold) == ("dino-sam2", 0.4)
    ((name, value),) = asked.settings
    assert (name, str(value)) == ("refine.smooth", "2")
    assert read_extra_params(asked.table()) == asked


@pytest.mark.parametrize("said", [None, "", "  \n", {}, "null", "{}"])
def test_an_empty_form_asks_for_nothing(said: object) -> None:
    assert read_extra_params(said) == ExtraParams()


def test_settings_go_to_the_recipe_that_they_begin_with() -> None:
    said = "interactive.refine.grow=3 find.phrases='a red cat, dog' video.track.lost=9"
    asked = read_extra_params(said)
    assert asked.settings == (("find.phrases", "a red cat, dog"),)
    assert asked.interactive_settings == (("refine.grow", "3"),)
    assert asked.video_settings == (("track.lost", "9"),)
    assert read_extra_params(asked.table()) == asked


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("recipe dino", "'recipe' is no setting; write recipe=NAME"),
        ("recipie=dino", "Did you mean 'recipe'?"),
        ("threshold=4", "threshold must be a number from 0 to 1"),
        ("threshold=high", "threshold must be a number from 0 to 1"),
        ('{"recipe": ', "this is no JSON"),
        ("[" * 5000, "longer than 4,000 letters"),
        ("[" * 3000, "this is no JSON"),
        ("[object Object]", "this is no JSON"),
        ('["dino"]', "is no table; write recipe=NAME"),
        ({"recipe": 5}, "recipe must be a text"),
        ({"find": {"phrases": [{}]}}, "find.phrases must be a text, a number, or a list"),
        ("recipe='dino", "No closing quotation"),
    ],
)
def test_what_is_wrong_is_told(said: Any, told: str) -> None:
    with pytest.raises(PremaskError, match=r"^extra params: ") as caught:
        read_extra_params(said)
    assert told in str(caught.value)


def test_each_attribute_has_a_row_in_the_docs() -> None:
    told = (ROOT / "docs" / "label-studio-tags.md").read_text(encoding="utf-8")
    table = told[told.index("| attribute |") :].split("\n\n")[0]
    assert [name for name in ATTRIBUTES if f"`{name}`" not in table] == []
