"""A recipe that finds only what is named says so at once, not image by image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from premask.cli import main
from premask.errors import UnsupportedPrompt
from premask.images import Image
from premask.labels.formats import formats_of
from premask.models.parts.phrases import required_phrases
from premask.models.pool import ModelPool
from premask.prompts import Exemplar, Hint, Phrase, Point, Prompts
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import recipe_of
from premask.runs.folder_job import FolderJob
from premask.runs.folder_run import annotate_into_folder
from premask.runs.inputs import Input
from premask.runs.pipeline import Request, label

CAT = Prompts(phrases=(Phrase(text="a cat"),))
POINTED = Prompts(points=(Point(x=1, y=1),))
UNWANTED = Prompts(phrases=(Phrase(text="a cat", positive=False),))
SHOWN = Prompts(exemplars=(Exemplar(box_xyxy=(0, 0, 2, 2)),))
NOTHING = Prompts()
PHOTO = np.zeros((4, 4, 3), np.uint8)


class FakeFinder:
    """Finds nothing, and only where it is told what to look for, as the real ones do."""

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: Any
    ) -> list[list[Hint]]:
        for asked in prompts:
            required_phrases(asked, exemplars=True)
        return [[] for _ in images]


class FakePool(ModelPool):
    """Hands out the fake finder, and counts how often."""

    loaded = 0

    def load(self, name: str) -> object:
        self.loaded += 1
        return FakeFinder()


@pytest.mark.parametrize("prompts", [None, NOTHING])
@pytest.mark.parametrize("recipe", ["dino", "florence-sam2", "owl", "sam3", "sam3-birefnet"])
def test_it_is_told_before_a_model_is_loaded(recipe: str, prompts: Prompts | None) -> None:
    pool = FakePool()
    with pytest.raises(UnsupportedPrompt, match="--text 'a cat'"):
        label([PHOTO], recipe, prompts=prompts, pool=pool)
    assert pool.loaded == 0


@pytest.mark.parametrize(
    ("recipe", "settings", "prompts", "message"),
    [
        ("click", {}, NOTHING, "say where"),
        ("click", {}, CAT, "say where"),
        ("faces", {}, CAT, "can't use phrases"),
        ("subject", {}, POINTED, "Use a recipe without a find stage"),
        ("dino", {"find.phrases": "a cat"}, UNWANTED, "All that was asked for is negative"),
        ("owl", {"find.tile": 64}, SHOWN, "can't be used with find.tile"),
    ],
)
def test_what_no_image_could_be_asked_is_one_error_before_a_model_is_loaded(
    recipe: str, settings: dict[str, Any], prompts: Prompts, message: str
) -> None:
    pool = FakePool()
    with pytest.raises(UnsupportedPrompt, match=message):
        label([PHOTO] * 3, recipe_of(recipe).with_settings(settings), prompts=prompts, pool=pool)
    assert pool.loaded == 0


def test_no_images_need_no_prompts() -> None:
    assert list(label([], "click", pool=FakePool())) == []


def test_images_without_prompts_of_their_own_are_told_as_well() -> None:
    with pytest.raises(UnsupportedPrompt, match="--text"):
        label((Request(image=photo) for photo in [PHOTO]), "dino", pool=FakePool())


def test_requests_with_prompts_of_their_own_fail_one_by_one() -> None:
    requests = [Request(image=PHOTO, prompts=own) for own in (NOTHING, CAT, NOTHING, SHOWN)]
    labeled = label(iter(requests), "owl", pool=FakePool())
    assert [type(result.error) for result in labeled] == [
        UnsupportedPrompt,
        type(None),
        UnsupportedPrompt,
        type(None),
    ]


@pytest.mark.parametrize(
    ("recipe", "settings", "prompts"),
    [
        ("dino", {}, CAT),
        ("dino", {"find.phrases": "a cat"}, NOTHING),
        ("owl", {}, SHOWN),
        ("sam3", {}, SHOWN),
        ("florence", {"find.task": "object-detection"}, NOTHING),
        ("yolo", {}, NOTHING),
        ("clothes", {}, NOTHING),
        ("subject", {}, NOTHING),
    ],
)
def test_what_has_enough_to_go_on_is_not_stopped(
    recipe: str, settings: dict[str, str], prompts: Prompts
) -> None:
    require_usable_prompts(recipe_of(recipe).with_settings(settings), prompts)


def test_exemplars_are_no_phrases() -> None:
    with pytest.raises(UnsupportedPrompt, match="--text"):
        require_usable_prompts(recipe_of("dino"), SHOWN)


@pytest.mark.parametrize(
    ("recipe", "message"), [("dino", "--text 'a cat'"), ("click", "say where")]
)
def test_the_terminal_says_it_before_it_downloads_or_writes(
    recipe: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fetched: list[object] = []
    monkeypatch.setattr("premask.cli.annotate.fetch", fetched.append)
    PIL.Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    out = tmp_path / "out"
    flags = ["--recipe", recipe, "--out", str(out), "--download"]
    assert main(["annotate", str(tmp_path), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not fetched
    assert not out.exists()


def test_a_file_that_is_gone_is_asked_nothing_and_stops_nothing(tmp_path: Path) -> None:
    PIL.Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    names = ("gone.png", "photo.png")
    job = FolderJob(
        inputs=[Input(path=tmp_path / name, name=name, stem=name) for name in names],
        recipe=recipe_of("dino"),
        folder=tmp_path / "out",
        formats=formats_of(["coco"]),
        prompts=CAT,
    )
    outcome = annotate_into_folder(job, FakePool())
    assert (outcome.annotated, list(outcome.failures)) == (1, ["gone.png"])
