"""The terminal face as a person meets it: what it writes, what it says, how it ends."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import premask
from premask.cli import main

SOURCES = Path(premask.__file__).parents[1]
FORMATS = "coco,label-studio,png,cutout"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    """Small crops of a real photo under names that people really use."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    names = [
        "a.png",
        "with space.jpg",
        "ünï©ode.png",
        "more/a.png",
        "line\nbreak.png",
        "x.jpg",
        "x.png",
    ]
    for index, name in enumerate(names):
        crop = astronaut[: 260 + index, 100 + index : 360]
        PIL.Image.fromarray(crop).save(folder / name)
    return folder


def annotate(*arguments: object) -> int:
    return main(["annotate", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    """Every result file, but not premask's own notes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".premask" not in path.parts
    }


def dates(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_annotate_writes_all_formats(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path, "--format", FORMATS) == 0
    printed = capsys.readouterr().out
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert len(coco["images"]) == 7
    assert {"ünï©ode.png", "line\nbreak.png", "more/a.png"} <= {
        image["file_name"] for image in coco["images"]
    }
    assert len(coco["annotations"]) >= 7
    assert "line\\nbreak.png" in printed
    assert str(tmp_path / "coco.json") in printed
    # x.jpg and x.png have files of their own.
    assert len([name for name in contents(tmp_path) if name.startswith("cutouts/x")]) >= 2


def test_a_finished_run_does_no_inference_and_changes_nothing(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = (photos, "--recipe", "faces", "--out", tmp_path, "--format", FORMATS)
    assert annotate(*arguments) == 0
    before = dates(tmp_path)
    assert "(7 annotated now" in capsys.readouterr().out
    monkeypatch.setattr("premask.models.families.haar.HaarFinder.find", None)
    assert annotate(*arguments) == 0
    assert dates(tmp_path) == before
    assert "(0 annotated now" in capsys.readouterr().out


def test_a_format_asked_for_later_needs_no_inference(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, later = tmp_path / "whole", tmp_path / "later"
    assert annotate(photos, "--recipe", "faces", "--out", whole, "--format", FORMATS) == 0
    assert annotate(photos, "--recipe", "faces", "--out", later) == 0
    monkeypatch.setattr("premask.models.families.haar.HaarFinder.find", None)
    assert annotate(photos, "--recipe", "faces", "--out", later, "--format", FORMATS) == 0
    assert contents(later) == contents(whole)
    shutil.rmtree(later / "cutouts")
    assert annotate(photos, "--recipe", "faces", "--out", later, "--format", FORMATS) == 0
    assert contents(later) == contents(whole)


def test_other_settings_are_annotated_anew(photos: Path, tmp_path: Path) -> None:
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    before = contents(tmp_path)
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path, "--set", "refine.grow=9") == 0
    assert contents(tmp_path) != before
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    assert contents(tmp_path) == before


def test_a_changed_image_is_annotated_anew(photos: Path, tmp_path: Path) -> None:
    copy, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(photos, copy)
    assert annotate(copy, "--recipe", "faces", "--out", out) == 0
    first = json.loads((out / "coco.json").read_text())
    shutil.copyfile(copy / "more" / "a.png", copy / "a.png")
    assert annotate(copy, "--recipe", "faces", "--out", out) == 0
    second = json.loads((out / "coco.json").read_text())
    assert first["images"][0]["height"] == 260
    assert second["images"][0]["height"] == 263


@pytest.mark.parametrize("module", ["premask", "premask.cli"])
def test_the_package_and_its_cli_can_be_run_as_modules(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    finished = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=True)
    assert finished.stdout.startswith("premask ")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a thing of POSIX")
def test_a_killed_run_goes_on_and_ends_like_an_undisturbed_one(
    photos: Path, tmp_path: Path
) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    options = ("--recipe", "faces", "--format", FORMATS, "--batch-size", "1")
    assert annotate(photos, *options, "--out", calm) == 0
    command = [sys.executable, "-m", "premask.cli", "annotate", str(photos), *options]
    moments = random.Random(20).choices([0.0, 0.05, 0.1, 0.2, 0.3], k=5)
    for moment in moments:
        before = journal_bytes(killed)
        process = subprocess.Popen(
            [*command, "--out", str(killed)], cwd=SOURCES, stdout=subprocess.DEVNULL
        )
        # Wait until it works, or each kill would only hit the imports.
        deadline = time.monotonic() + 60
        while (
            process.poll() is None
            and journal_bytes(killed) == before
            and time.monotonic() < deadline
        ):
            time.sleep(0.005)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        torn = [name for name in contents(killed) if name.endswith(".json")]
        assert all(json.loads((killed / name).read_text()) for name in torn)
    assert annotate(photos, *options, "--out", killed) == 0
    assert contents(killed) == contents(calm)


def journal_bytes(folder: Path) -> int:
    journal = folder / ".premask" / "journal.jsonl"
    return journal.stat().st_size if journal.exists() else 0


def test_a_torn_line_in_the_journal_is_done_again(photos: Path, tmp_path: Path) -> None:
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    before = contents(tmp_path)
    journal = tmp_path / ".premask" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-40])
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    assert contents(tmp_path) == before
    assert journal.read_bytes().count(b"\n") == whole.count(b"\n")


def test_no_resume_forgets_what_was_done(photos: Path, tmp_path: Path) -> None:
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    journal = tmp_path / ".premask" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"face"', b'"ecaf"'))
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    assert b"ecaf" in (tmp_path / "coco.json").read_bytes()
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path, "--no-resume") == 0
    assert b"ecaf" not in (tmp_path / "coco.json").read_bytes()


def test_clicks_and_boxes(photos: Path, tmp_path: Path) -> None:
    out = annotate(
        photos / "a.png",
        "--recipe",
        "click",
        "--out",
        tmp_path,
        "--label",
        "head",
        "--boxes",
        "60,20,190,240",
        "--points",
        "120,120",
        "--negative-points",
        "5,5",
    )
    assert out == 0
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["head"]
    (annotation,) = coco["annotations"]
    assert 1000 < annotation["area"] < 130 * 220


@pytest.fixture
def broken(photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "broken"
    folder.mkdir()
    shutil.copy(photos / "a.png", folder / "1.png")
    (folder / "2.png").write_bytes(b"")
    (folder / "3.jpg").write_bytes(b"no image")
    shutil.copy(photos / "x.png", folder / "4.png")
    return folder


def test_bad_images_are_named_and_stop_nothing(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert annotate(broken, "--recipe", "faces", "--out", tmp_path / "out") == 1
    printed = capsys.readouterr().out
    assert "failed: 2.png: '2.png' can't be read: the file is empty" in printed
    assert "failed: 3.jpg" in printed
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["1.png", "4.png"]


def test_a_failed_image_is_tried_again(broken: Path, photos: Path, tmp_path: Path) -> None:
    assert annotate(broken, "--recipe", "faces", "--out", tmp_path / "out") == 1
    shutil.copy(photos / "a.png", broken / "2.png")
    (broken / "3.jpg").unlink()
    assert annotate(broken, "--recipe", "faces", "--out", tmp_path / "out") == 0
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["1.png", "2.png", "4.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--recipe", "faces", "--out", "OUT"], "no such file or folder"),
        (["EMPTY", "--recipe", "faces", "--out", "OUT"], "the folder holds no image"),
        (["PHOTOS", "--recipe", "facs", "--out", "OUT"], "Did you mean 'faces'"),
        (
            ["PHOTOS", "--recipe", "faces", "--out", "OUT", "--format", "cocoo"],
            "Did you mean 'coco'",
        ),
        (
            ["PHOTOS", "--recipe", "faces", "--out", "OUT", "--set", "find.model=hear-face"],
            "'haar-face'",
        ),
        (["PHOTOS", "--recipe", "faces", "--out", "OUT", "--set", "grow"], "STAGE.NAME=VALUE"),
        (["PHOTOS", "--recipe", "click", "--out", "OUT", "--points", "3"], "2 numbers"),
        (["PHOTOS", "--recipe", "faces", "--out", "FILE"], "can't be written"),
        (["PHOTOS", "--recipe", "faces", "--out", "FILE/below"], "can't be written"),
        (["PHOTOS", "--recipe", "faces", "--out", "OUT", "--shard", "0"], "--shard is for a plan"),
        (["--plan", "EMPTY", "--points", "3,4"], "--points is part of a plan already"),
        (["--plan", "EMPTY", "--format", "coco"], "--format is part of a plan already"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: list[str],
    message: str,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    places = {
        "PHOTOS": photos,
        "OUT": tmp_path / "out",
        "EMPTY": tmp_path / "empty",
        "FILE": tmp_path / "file",
        "FILE/below": tmp_path / "file" / "below",
    }
    assert annotate(*(places.get(argument, argument) for argument in arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("premask: ")
    assert message in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a thing of Linux")
def test_a_full_disk_keeps_what_was_done(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.joinpath("coco.json").write_text("older results")
    tmp_path.joinpath(".premask").mkdir()
    tmp_path.joinpath(".premask", "files.jsonl").write_text('["coco.json", "older results"]')
    tmp_path.joinpath("coco.json.part").symlink_to("/dev/full")
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert tmp_path.joinpath("coco.json").read_text() == "older results"
    assert (tmp_path / ".premask" / "journal.jsonl").read_bytes().count(b"\n") == 7
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 0
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_two_runs_do_not_write_into_one_folder(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from premask.runs.journal import Journal

    with Journal(tmp_path / ".premask" / "journal.jsonl"):
        assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 2
    assert "Another premask is writing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["recipes"], "subject-cutout"),
        (["recipes", "show", "faces"], "find.neighbors"),
        (["models"], "haar-face"),
        (["models", "show", "u2netp"], "4.6 MB"),
        (["models", "download", "grabcut"], "needs no weights"),
        (["doctor"], "pycocotools"),
    ],
)
def test_what_there_is_can_be_looked_up(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert expected in capsys.readouterr().out


def test_ctrl_c_is_no_traceback(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("premask.cli.annotate.annotate_into_folder", interrupted)
    assert annotate(photos, "--recipe", "faces", "--out", tmp_path) == 130
    assert "run it again" in capsys.readouterr().err
