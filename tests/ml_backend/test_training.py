"""Start training: the command of whoever runs the server, in the background, one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_backend.settings import BackendSettings
from ml_backend.training import bounded_log
from ml_backend.training.bounded_log import BoundedLog
from ml_backend.training.command import TrainCommand, environment_without_secrets
from ml_backend.training.trainer import Trainer, TrainingRefused
from premask.errors import InvalidSetting, UnreadableImage

SOON = 20
KEY = "token-of-a-person-0123456789"

Start = Callable[..., Trainer]


def until(is_so: Callable[[], bool]) -> bool:
    ends = time.monotonic() + SOON
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.02)
    return is_so()


def python(code: str, *words: str) -> str:
    """A command that runs this code."""
    return " ".join([f"'{sys.executable}'", "-c", f'"{code}"', *words])


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Start]:
    started: list[Trainer] = []

    def start(command: str, make_set: object = None) -> Trainer:
        settings = BackendSettings(
            train_command=command, events_folder=str(tmp_path), label_studio_api_key=KEY
        )
        one = Trainer(settings, make_set, hide=lambda text: text.replace(KEY, "(hidden)"))  # type: ignore[arg-type]
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.close()


def ended(trainer: Trainer) -> str:
    """How the newest run ended."""
    assert until(lambda: not trainer.records()[0].is_under_way)
    assert until(lambda: trainer._now is None)
    return trainer.records()[0].state


def test_words_are_filled_in_without_a_shell(trainer: Start, tmp_path: Path) -> None:
    made: list[tuple[int, Path]] = []

    def make_set(project: int, folder: Path, cancel: threading.Event) -> str:
        made.append((project, folder))
        return "3 images, 1 of them new"

    code = "import sys; print(sys.argv[1:])"
    one = trainer(python(code, "{project} '{set}/data.yaml' '$(id); {out}'"), make_set)
    record = one.begin("12")
    assert ended(one) == "finished"
    ((project, folder),) = made
    assert project == 12
    first, second = record.log.read_text().splitlines()
    assert first == "3 images, 1 of them new"
    assert second == str(["12", f"{folder}/data.yaml", f"$(id); {record.out}"])
    assert record.last == [first, second]


@pytest.mark.parametrize(
    ("command", "words"),
    [("train.py {sett}", "no place for '{sett}'"), ("train.py 'x", "No closing quotation")],
)
def test_a_command_that_can_t_be_meant_is_refused_at_the_start(command: str, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        TrainCommand.of(command)


def test_the_command_gets_no_token(trainer: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
    monkeypatch.setenv("HEADER_OF_MINE", f"Token {KEY}")
    monkeypatch.setenv("KEPT", "yes")
    one = trainer(python("import os; print(*os.environ.items(), os.environ['KEPT'])"))
    record = one.begin("1")
    assert ended(one) == "finished"
    assert "yes" in record.log.read_text()
    for text in (record.log.read_text(), (record.folder / "run.json").read_text()):
        assert KEY not in text
        assert "HEADER_OF_MINE" not in text
    settings = BackendSettings(label_studio_api_key=KEY)
    assert environment_without_secrets(settings, {"A": KEY, "B": "b"}).keys() == {
        "B",
        "PYTHONUNBUFFERED",
    }


def test_a_secret_that_it_prints_all_the_same_is_hidden(trainer: Start) -> None:
    one = trainer(python(f"print('{KEY}')"))
    record = one.begin("1")
    assert ended(one) == "finished"
    assert record.log.read_text() == "(hidden)\n"


def test_what_failed_says_so_with_its_last_lines(trainer: Start) -> None:
    one = trainer(python("print('epoch 1'); raise SystemExit('no memory left')"))
    one.begin("1")
    assert ended(one) == "failed"
    assert one.records()[0].why == "The command ended with the exit code 1."
    assert one.records()[0].last == ["epoch 1", "no memory left"]
    one = trainer("/nowhere/train.sh")
    one.begin("1")
    assert ended(one) == "failed"
    assert "'/nowhere/train.sh' can't be started: No such file" in one.records()[0].last[0]


def test_a_set_that_can_t_be_made_is_a_failed_run(trainer: Start) -> None:
    def make_set(project: int, folder: Path, cancel: threading.Event) -> str:
        raise UnreadableImage("a.png", "it is gone")

    one = trainer("train {set}", make_set)
    one.begin("1")
    assert ended(one) == "failed"
    assert "it is gone" in one.records()[0].why


def test_one_at_a_time(trainer: Start) -> None:
    one = trainer(python("import time; time.sleep(60)"))
    one.begin("1")
    with pytest.raises(TrainingRefused, match="Run 1, of project 1, is under way"):
        one.begin("2")
    for project in ("", "1; id", "-1", "\uff11"):
        with pytest.raises(TrainingRefused):
            one.begin(project)
    assert one.cancel()
    assert ended(one) == "cancelled"
    assert not one.cancel()
    assert one.begin("2").number == 2
    with pytest.raises(TrainingRefused, match="--train-command"):
        trainer("").begin("1")


FAMILY = (
    "import subprocess, sys, time, pathlib, signal;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "pathlib.Path(sys.argv[1], 'pids').write_text(str(child.pid));"
    "print('ready', flush=True); time.sleep(60)"
)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_cancelling_ends_what_the_command_has_started_too(trainer: Start) -> None:
    one = trainer(python(FAMILY, "{out}"))
    record = one.begin("1")
    assert until(lambda: one.records()[0].last == ["ready"])
    grandchild = int((record.out / "pids").read_text())
    assert one.cancel()
    assert ended(one) == "cancelled"
    assert until(lambda: is_gone(grandchild))


SERVER = """
import sys, time
from ml_backend.settings import BackendSettings
from ml_backend.training.trainer import Trainer
command, folder = sys.argv[1:]
trainer = Trainer(BackendSettings(train_command=command, events_folder=folder), None)
trainer.begin("5")
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no groups of processes")
def test_a_killed_server_takes_the_training_with_it_and_the_next_one_says_so(
    trainer: Start, tmp_path: Path
) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, python(FAMILY, "{out}"), str(tmp_path)]
    )
    pids = tmp_path / "training" / "run-0001" / "out" / "pids"
    assert until(lambda: pids.is_file() and pids.read_text() != "")
    server.send_signal(signal.SIGKILL)
    server.wait()
    assert until(lambda: is_gone(int(pids.read_text())))
    (record,) = trainer("next").records()
    assert (record.project, record.state) == (5, "cut off")
    assert "The server ended while it ran" in record.why


def test_a_server_that_stops_notes_that_it_cut_off_the_training(trainer: Start) -> None:
    one = trainer(python("import time; time.sleep(60)"))
    one.begin("1")
    one.close()
    assert ended(one) == "cut off"


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_log, "FILE_BYTES", 1000)
    log = BoundedLog(tmp_path / "log.txt", str)
    for number in range(200):
        log.write(f"0%\r50%\rline {number}\n")
    sizes = [path.stat().st_size for path in (log.path, log.previous)]
    assert max(sizes) <= 1000
    assert log.path.read_text().endswith("line 199\n")
    assert list(log.last)[-2:] == ["line 198", "line 199"]
