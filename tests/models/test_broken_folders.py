"""Whatever is wrong with a folder of weights, `MissingWeights` says which file it is."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

from premask.cli import main
from premask.errors import MissingWeights

torch = pytest.importorskip("torch", reason="pip install 'premask[torch]'")
pytest.importorskip("transformers", reason="pip install 'premask[torch]'")

from premask.models.registry import FAMILIES, build  # noqa: E402
from tests.tiny import TinyModels  # noqa: E402

WEIGHTS, PICKLE, CONFIG = "model.safetensors", "pytorch_model.bin", "config.json"
NAMED = [name for name, family in FAMILIES.items() if family.model_types]
READING = ("sam3", "grounding-dino", "owlv2", "florence2", "oneformer")


def truncated(folder: Path) -> str:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) * 2 // 3])
    return WEIGHTS


def empty(folder: Path) -> str:
    (folder / WEIGHTS).write_bytes(b"")
    return WEIGHTS


def a_pickle_named_safetensors(folder: Path) -> str:
    torch.save({"a": torch.ones(3)}, folder / WEIGHTS)
    return WEIGHTS


def without_weights(folder: Path) -> str:
    (folder / WEIGHTS).unlink()
    return WEIGHTS


def a_truncated_pickle(folder: Path) -> str:
    (folder / WEIGHTS).unlink()
    torch.save({"a": torch.ones(3000)}, folder / PICKLE)
    (folder / PICKLE).write_bytes((folder / PICKLE).read_bytes()[:9000])
    return PICKLE


def a_part_is_missing(folder: Path) -> str:
    (folder / WEIGHTS).unlink()
    index = '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    (folder / f"{WEIGHTS}.index.json").write_text(index)
    return "model-00001-of-00002.safetensors"


def without_config(folder: Path) -> str:
    (folder / CONFIG).unlink()
    return CONFIG


def a_broken_config(folder: Path) -> str:
    (folder / CONFIG).write_text('{"model_type": ')
    return CONFIG


def a_list_for_a_config(folder: Path) -> str:
    (folder / CONFIG).write_text("[]")
    return CONFIG


def broken_settings_of_the_processor(folder: Path) -> str:
    name = "processor_config.json"
    name = name if (folder / name).exists() else "preprocessor_config.json"
    (folder / name).write_text("{")
    return name


BREAKAGES: dict[str, Callable[[Path], str]] = {
    breakage.__name__: breakage
    for breakage in (
        truncated,
        empty,
        a_pickle_named_safetensors,
        without_weights,
        a_truncated_pickle,
        a_part_is_missing,
        without_config,
        a_broken_config,
        a_list_for_a_config,
        broken_settings_of_the_processor,
    )
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


def copied(tiny: TinyModels, family: str, folder: Path) -> Path:
    shutil.copytree(tiny[family].partition(":")[2], folder / family)
    return folder / family


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("family", NAMED)
def test_a_broken_folder_is_told_by_its_file(
    tiny: TinyModels, family: str, breakage: str, tmp_path: Path
) -> None:
    folder = copied(tiny, family, tmp_path)
    file = BREAKAGES[breakage](folder)
    with pytest.raises(MissingWeights) as told:
        build(family, folder, "cpu")
    assert file in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("family", "breakage"),
    [*((family, "truncated") for family in NAMED), *(("segformer", name) for name in BREAKAGES)],
)
def test_the_command_tells_in_one_line(
    tiny: TinyModels,
    family: str,
    breakage: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, photo = copied(tiny, family, tmp_path), tmp_path / "photo.png"
    file = BREAKAGES[breakage](folder)
    PIL.Image.new("RGB", (8, 8)).save(photo)
    stage = FAMILIES[family].stages[0]
    guided = 'find = { model = "haar-face" }\n' if stage == "matte" else ""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'[mine]\n{guided}{stage} = {{ model = "{family}:{folder.as_posix()}" }}\n')
    phrase = ["--text", "cat"] if "phrases" in FAMILIES[family].prompts else []
    command = ["annotate", str(photo), "--recipe", str(recipe), "--out", str(tmp_path / "out")]
    capsys.readouterr()  # what was said while the model was made
    assert main([*command, *phrase]) == 2
    said = capsys.readouterr().err.strip()
    assert file in said
    assert "\n" not in said
    assert not list((tmp_path / "out").glob("*.json"))


@pytest.mark.parametrize("family", ["segformer", "detr", "grounding-dino"])
def test_a_config_of_something_else_is_told(tiny: TinyModels, family: str, tmp_path: Path) -> None:
    """Of others, transformers would first make a network of the full size."""
    folder = copied(tiny, family, tmp_path)
    (folder / CONFIG).write_text('{"model_type": "nonsense", "architectures": 7}')
    with pytest.raises(MissingWeights, match=str(folder)):
        build(family, folder, "cpu")


@pytest.mark.parametrize("family", READING)
def test_a_folder_without_its_tokenizer_is_told(
    tiny: TinyModels, family: str, tmp_path: Path
) -> None:
    folder = copied(tiny, family, tmp_path)
    for name in ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(MissingWeights, match="lacks a file"):
        build(family, folder, "cpu")


def test_a_pickle_that_runs_something_is_refused_in_a_folder(
    tiny: TinyModels, tmp_path: Path
) -> None:
    from premask.errors import UnsafeWeights

    folder = copied(tiny, "segformer", tmp_path)
    (folder / WEIGHTS).unlink()
    torch.save({"a": shutil.rmtree}, folder / PICKLE)
    with pytest.raises(UnsafeWeights, match=r"shutil\.rmtree"):
        build("segformer", folder, "cpu")
    (folder / PICKLE).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UnsafeWeights, match=r"no file of torch\.save"):
        build("segformer", folder, "cpu")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"")
    with pytest.raises(MissingWeights, match=CONFIG):
        build("segformer", tmp_path / WEIGHTS, "cpu")
