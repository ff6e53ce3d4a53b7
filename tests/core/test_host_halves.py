"""premask send and receive run both halves, one after the other, with the file between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from premask.cli import host_halves, main


class Halves:
    """Stands for both processes: remembers how they were called, and ends with these codes."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.codes: list[int] = []

    def run(self, arguments: Any) -> int:
        flag, *words = map(str, arguments)
        assert flag == "-m"
        self.calls.append(words)
        return self.codes.pop(0) if self.codes else 0


@pytest.fixture
def halves(monkeypatch: pytest.MonkeyPatch) -> Halves:
    halves = Halves()
    monkeypatch.setattr(host_halves, "_run", halves.run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    return halves


def test_send_is_fiftyone_and_then_label_studio(halves: Halves) -> None:
    way = ["--dataset", "d", "--field", "f", "--view", "v", "--project", "7"]
    assert main(["send", *way, "--cloud", "a=s3://b", "--renew"]) == 0
    first, second = halves.calls
    assert first[:2] == ["operators", "send"]
    assert first[3:] == ["--dataset", "d", "--field", "f", "--view", "v"]
    assert second == [
        *("ml_backend", "send", first[2]),
        *("--project", "7", "--cloud", "a=s3://b", "--renew"),
    ]
    assert not Path(first[2]).parent.exists()


def test_receive_is_label_studio_and_then_fiftyone(halves: Halves, tmp_path: Path) -> None:
    file = str(tmp_path / "kept")
    halves.codes = [1, 0]
    flags = ["--dataset", "new", "--conflicts", "fiftyone", "--file", file]
    assert main(["receive", "--project", "7", *flags]) == 1
    assert halves.calls == [
        ["ml_backend", "receive", file, "--project", "7", "--annotator", "latest"],
        ["operators", "receive", file, "--dataset", "new", "--conflicts", "fiftyone"],
    ]


def test_the_second_half_waits_for_a_first_one_that_could_not_go_on(halves: Halves) -> None:
    halves.codes = [2]
    assert main(["send", "--dataset", "d", "--field", "f", "--project", "7"]) == 2
    assert len(halves.calls) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["send", "--dataset", "d", "--project", "7"], "--dataset and --field together"),
        (["send", "--dataset", "d", "--field", "f"], "whereto"),
        (["send", "--project", "7"], "from where"),
        (["receive"], "--project N"),
    ],
)
def test_what_is_missing_is_said(
    words: list[str], said: str, halves: Halves, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
    assert not halves.calls
