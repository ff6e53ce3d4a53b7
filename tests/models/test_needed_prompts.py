"""What the registry says of prompts that a family needs is what its adapter really needs."""

from __future__ import annotations

from typing import Any

import pytest

from premask.errors import UnsupportedPrompt
from premask.images import Image
from premask.models.capabilities import Finder
from premask.models.families.florence2.finder import TASKS
from premask.models.options import Florence2Options
from premask.models.pool import ModelPool
from premask.models.registry import FAMILIES
from premask.prompts import Prompts
from tests.models.detector_checks import photos
from tests.tiny import TinyModels, hub_families

LISTENERS = [
    name for name in hub_families() if FAMILIES[name].prompts and "find" in FAMILIES[name].stages
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("family", LISTENERS)
def test_a_family_needs_prompts_exactly_where_the_registry_says_so(
    family: str, tiny: TinyModels
) -> None:
    model = ModelPool(device="cpu").finder(tiny[family])
    options = FAMILIES[family].options_type("find")()
    assert finds_without_prompts(model, photos()[2], options) != FAMILIES[family].needs_prompts(
        options
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_task_of_florence_takes_phrases_or_none(task: str) -> None:
    assert Florence2Options(task=task).takes_phrases() == (TASKS[task].takes != "none")


def finds_without_prompts(model: Finder, image: Image, options: Any) -> bool:
    try:
        model.find([image], [Prompts()], options)
    except UnsupportedPrompt:
        return False
    return True
