"""The terminal in small things: widths, flags that are given twice, values that can't be meant."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from premask.cli import main
from premask.cli.pool_flags import add_pool_flags, pool_from_flags
from premask.errors import InvalidSetting
from premask.labels.formats import FORMATS, GROUPS
from premask.terminal.flags import prompts_from_flags
from premask.terminal.screen import table


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_into_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for command in (["models"], ["recipes"], ["recipes", "show", "faces"]):
        assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, (line for line in lines if " = " not in line))) <= columns


def test_what_goes_into_a_file_is_not_wrapped() -> None:
    words = "word " * 60
    assert len(table([("name", words)], ("a", "b")).splitlines()) == 3


def test_the_help_says_what_each_format_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["annotate", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    for name in (*FORMATS, *GROUPS):
        assert f" {name} " in words
    for form in FORMATS.values():
        assert form.help.split()[0] in words


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    PIL.Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_formats_add_up_and_a_trailing_comma_is_nothing(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ("--recipe", "faces", "--out", str(out), "--format", "coco,", "--format", "yolo")
    assert main(["annotate", str(photo), *flags]) == 0
    assert (out / "coco.json").exists()
    assert (out / "yolo").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--recipe", "dino", "--text", "cat", "PHOTO"], "--text took"),
        (["--recipe", "dino", "--text", "cat"], "nothing to annotate"),
        (["PHOTO", "--recipe", "faces", "--device", "banana"], "no such device"),
        (["PHOTO", "--recipe", "click", "--points", "3,3", "--label", ""], "--label is empty"),
    ],
)
def test_what_can_not_be_meant_is_said_before_anything_is_written(
    flags: list[str],
    words: str,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [str(photo) if flag == "PHOTO" else flag for flag in flags]
    assert main(["annotate", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["-3", "0", "x"])
def test_a_batch_has_at_least_one_image(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["annotate", "x", "--recipe", "faces", "--out", "y", "--batch-size", text])
    assert "whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps", "xpu:0"])
def test_devices_that_there_are_pass(device: str, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_pool_flags(parser, store_folder=None)
    pool_from_flags(parser.parse_args(["--device", device, "--compile"]))
    with pytest.raises(InvalidSetting):
        pool_from_flags(parser.parse_args(["--device", f"{device}x"]))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA"])
def test_a_rough_mask_may_have_colors(mode: str, tmp_path: Path) -> None:
    pixels = np.zeros((6, 8), np.uint8)
    pixels[1:4, 2:7] = 255
    picture = PIL.Image.fromarray(pixels)
    if mode in ("RGBA", "LA"):
        picture = PIL.Image.merge("LA", (PIL.Image.new("L", picture.size, 255), picture)).convert(
            mode
        )
    picture.convert(mode).save(tmp_path / "mask.png")
    prompts = prompts_from_flags(
        text=(), points=(), negative_points=(), boxes=(), mask=tmp_path / "mask.png", label="cup"
    )
    assert prompts.mask is not None
    assert np.array_equal(prompts.mask.to_array(), pixels > 0)


def test_doctor_names_only_what_this_python_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = [
        "numpy>=1.26",
        'tomli>=2; python_version < "3.10"',
        "new; python_version < '9.0'",
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: requirements)
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "tomli" not in printed
    assert "new " in printed


def test_a_model_that_outlines_listens_to_points(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "grabcut"]) == 0
    assert "points, boxes and masks" in capsys.readouterr().out
