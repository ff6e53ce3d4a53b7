"""The recipes as zoo models: registered, listed, loaded and applied as FiftyOne does it."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import premask
from operators.zoo_manifest import MANIFEST, text
from premask.labels.fiftyone import annotation_from_detection

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def zoo(fo: Any, archive_url: str, u2netp_weights: Path) -> Iterator[Any]:
    """`fiftyone.zoo`, where the repository is registered."""
    foz = importlib.import_module("fiftyone.zoo")
    foz.register_zoo_model_source(archive_url)
    yield foz
    shutil.rmtree(fo.config.model_zoo_dir)


def masks(dataset: Any, field: str) -> list[list[Any]]:
    """The masks of each sample."""
    found = []
    for sample in dataset:
        size_hw = premask.read_image(sample.filepath).size_hw
        labels = sample[field].detections
        named = ({n: label[n] for n in ("label", "bounding_box", "mask")} for label in labels)
        found.append([annotation_from_detection(fields, size_hw).mask for fields in named])
    return found


def test_the_manifest_lists_the_recipes() -> None:
    assert MANIFEST.read_text(encoding="utf-8") == text(), "run: python -m operators.zoo_manifest"


def test_the_zoo_lists_all_recipes(zoo: Any) -> None:
    listed = zoo.list_zoo_models(tags="premask")
    assert sorted(listed) == sorted(f"premask/{name}" for name in premask.built_in_recipes())


def test_a_recipe_is_applied_as_the_core_does_it(zoo: Any, photo_dataset: Any) -> None:
    model = zoo.load_zoo_model("premask/subject", settings={"refine.grow": 2})
    photo_dataset.apply_model(model, "zoo", batch_size=2, skip_failures=False, progress=False)
    recipe = premask.recipe_of("subject").with_settings({"refine.grow": 2})
    labeled = premask.label(photo_dataset.values("filepath"), recipe)
    assert masks(photo_dataset, "zoo") == [[a.mask for a in image.annotations] for image in labeled]
    assert premask.__file__.endswith("premask/__init__.py")  # the source does not hide the core


def test_the_guide_s_commands_work(zoo: Any, archive_url: str, photo_dataset: Any) -> None:
    guide = (CHECKOUT / "docs" / "fiftyone.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    exec(commands.replace("REPOSITORY", archive_url), {"dataset": photo_dataset})
    assert photo_dataset.values("zoo.detections.label") == [["subject"]] * 3
    assert photo_dataset.values("outlined.detections.label") == [["subject"]] * 3


def test_prompts_come_from_a_field(fo: Any, zoo: Any, photo_dataset: Any) -> None:
    """Samples without prompts are not outlined."""
    first, second, _ = photo_dataset
    place = [80 / 256, 20 / 256, 65 / 256, 95 / 256]
    first["hints"] = fo.Detections(detections=[fo.Detection(label="face", bounding_box=place)])
    points, beside = [(0.5, 0.5), (0.4, 0.5)], [(0.9, 0.9)]
    second["hints"] = fo.Detections()
    first.save()
    second.save()
    keypoints = [
        fo.Keypoint(label="face", points=points),
        fo.Keypoint(label="negative", points=beside),
    ]
    first["clicks"] = fo.Keypoints(keypoints=keypoints)
    first.save()
    model = zoo.load_zoo_model("premask/click")
    for field in ("hints", "clicks"):
        photo_dataset.apply_model(
            model, f"{field}_out", prompt_field=field, skip_failures=False, progress=False
        )
    prompts = premask.Prompts(boxes=(premask.BoxPrompt(box_xyxy=(80, 20, 145, 115), label="face"),))
    (expected,) = premask.label([first.filepath], "click", prompts=prompts)
    assert masks(photo_dataset, "hints_out") == [[expected.annotations[0].mask], [], []]
    assert photo_dataset.values("clicks_out.detections.label") == [["face"], [], []]


@pytest.mark.parametrize(("threshold", "labels"), [(None, ["subject"]), (0.3, [])])
def test_fiftyone_s_own_operator_applies_a_recipe(
    zoo: Any, photo_dataset: Any, threshold: float | None, labels: list[str]
) -> None:
    """The calls of its plugin @voxel51/zoo 1.3.2, which no package registry has.

    With a threshold, FiftyOne drops what has no score.
    """
    models = importlib.import_module("fiftyone.zoo.models")
    assert "premask/subject" in {model.name for model in models._list_zoo_models()}
    chosen, params = zoo.get_zoo_model("premask/subject"), {"settings": {"refine.grow": 2}}
    assert isinstance(chosen, zoo.RemoteZooModel)
    chosen.parse_parameters(None, params)
    photo_dataset.apply_model(
        zoo.load_zoo_model("premask/subject", **params),
        label_field="zoo",
        confidence_thresh=threshold,
        store_logits=False,
        batch_size=2,
        num_workers=0,
        skip_failures=False,
        output_dir=None,
        rel_dir=None,
    )
    assert photo_dataset.values("zoo.detections.label") == [labels] * 3


def test_fiftyone_s_own_operator_asks_for_phrases(zoo: Any) -> None:
    asked = zoo.get_zoo_model("premask/dino-sam2").resolve_input(None)
    assert list(asked.type.properties) == ["phrases"]
    assert zoo.get_zoo_model("premask/subject").resolve_input(None) is None


def test_weights_that_are_missing_are_explained(
    zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FiftyOne remembers that the model was downloaded; its weights may be gone since."""
    zoo.load_zoo_model("premask/subject")
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path))
    model = zoo.load_zoo_model("premask/subject", cache=False)
    with pytest.raises(premask.PremaskError, match="premask models download u2netp"):
        model.predict(premask.read_image(CHECKOUT / "docs/pictures/demo.jpg").rgb)


def test_a_copy_of_the_folder_is_enough(
    fo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foz = importlib.import_module("fiftyone.zoo")
    monkeypatch.setattr(fo.config, "model_zoo_dir", str(tmp_path))
    shutil.copytree(MANIFEST.parent, tmp_path / "premask_zoo")
    assert foz.load_zoo_model("premask/faces", cache=False).recipe.name == "faces"
