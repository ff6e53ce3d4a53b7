"""Checkpoints that would run code are refused, and nothing in them is run."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from premask.errors import MissingWeights, UnsafeWeights
from premask.models.weights.pickles import TENSORS, imported_names, kind_of, require_known

COMMAND = f"{sys.executable} -c \"open('ran', 'w')\""


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


def as_saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    """What looks like a file of torch.save; two underscores stand for a dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"archive/{name.replace('__', '.')}", data)
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()


def pickled(data: bytes) -> bytes:
    return zipped(data__pkl=data)


RUNS = b'(S\'open("ran", "w").close()\'\n'
EXEC_BY_MEMO = b"".join(
    [
        b"\x80\x04",
        *(b"\x8c" + bytes([len(word)]) + word + b"\x94" for word in (b"builtins", b"exec")),
        b"0h\x01h\x000",  # in the wrong order on the stack; only the memo knows which is which
        b"h\x00h\x01\x93",
        b"\x8c\x18open('ran', 'w').close()\x85R.",
    ]
)

ATTACKS: dict[str, bytes] = {
    "os.system": as_saved(Calls(os.system, COMMAND)),
    "eval": as_saved({"model": Calls(builtins.eval, "open('ran', 'w').close()")}),
    "beside tensors": as_saved(
        [Calls(subprocess.call, [sys.executable, "-c", "open('ran', 'w')"]), torch.ones(2)]
    ),
    "pickle in a pickle": as_saved(
        Calls(pickle.loads, pickle.dumps(Calls(os.system, COMMAND), protocol=0))
    ),
    "a zip made by hand": pickled(pickle.dumps(Calls(os.system, COMMAND), protocol=2)),
    "STACK_GLOBAL": pickled(pickle.dumps(Calls(os.system, COMMAND), protocol=4)),
    "names from the memo": pickled(EXEC_BY_MEMO),
    "INST": pickled(RUNS + b"ibuiltins\nexec\n."),
    "OBJ": pickled(b'(cbuiltins\nexec\nS\'open("ran", "w").close()\'\no.'),
    "GLOBAL of Python 2": pickled(b"\x80\x02c__builtin__\neval\n" + RUNS + b"tR."),
    "no zip": pickle.dumps(Calls(os.system, COMMAND), protocol=2),
    "the format before 1.6": b"",  # made in the test, by torch
}


@pytest.fixture(params=ATTACKS)
def evil(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that leaves another one, `ran`, where it is unpickled."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    path.write_bytes(ATTACKS[request.param])
    if request.param == "the format before 1.6":
        content = {"model": Calls(os.system, COMMAND)}
        torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_an_attack_is_refused_and_runs_nothing(evil: Path) -> None:
    with pytest.raises(UnsafeWeights, match="nothing in it was run"):
        require_known(evil, TENSORS)
    assert not Path("ran").exists()


def test_an_attack_is_one(evil: Path) -> None:
    """Without this, the test above would prove nothing."""
    data = evil.read_bytes()
    if zipfile.is_zipfile(evil):
        with zipfile.ZipFile(evil) as archive:
            data = archive.read(next(name for name in archive.namelist() if "data.pkl" in name))
    file = io.BytesIO(data)
    while not Path("ran").exists() and file.tell() < len(data):
        unpickler = pickle.Unpickler(file)
        unpickler.persistent_load = lambda name: None  # type: ignore[method-assign]
        try:
            unpickler.load()
        except (TypeError, AttributeError):
            break  # tensors can't be made of what the line above gives
    assert Path("ran").exists()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"data__pkl": b"\x80\x02N.", "more__pkl": b"\x80\x02N."}, "TorchScript"),
        ({"data__pkl": b"\x80\x02N.", "constants__pkl": b"\x80\x02)."}, "TorchScript"),
        ({"weights": b"123"}, "TorchScript"),
        ({"data__pkl": b"\x80\x02}q\x00"}, "is broken"),
        ({"data__pkl": b"\x80\x02\xff\xfe"}, "is broken"),
        ({"data__pkl": b"\x80\x02\x82\x01."}, "instruction EXT1"),
    ],
)
def test_what_torch_does_not_write_is_refused(
    members: dict[str, bytes], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "odd.pt").write_bytes(zipped(**members))
    with pytest.raises(UnsafeWeights, match=reason):
        imported_names(tmp_path / "odd.pt")


def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    """What this reader takes for the pickle must be what torch takes for it."""
    with zipfile.ZipFile(tmp_path / "odd.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("archive/data.pkl", pickle.dumps(Calls(os.system, COMMAND), 2))
    with pytest.raises(UnsafeWeights, match="the same name"):
        imported_names(tmp_path / "odd.pt")


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with pytest.warns((DeprecationWarning, FutureWarning), match=r"torch\.jit"):
        torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "program.pt")
    with pytest.raises(UnsafeWeights, match="TorchScript holds programs"):
        imported_names(tmp_path / "program.pt")


def test_a_pickle_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("premask.models.weights.pickles.LARGEST", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N." + b" " * 10**6)
    with pytest.raises(UnsafeWeights, match="unpacks to 1,000,004 bytes"):
        imported_names(tmp_path / "bomb.pt")


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"{}"])
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pt").write_bytes(data)
    with pytest.raises(UnsafeWeights, match=r"no file of torch\.save"):
        kind_of(tmp_path / "other.pt")


def test_a_download_that_was_cut_off_is_incomplete(tmp_path: Path) -> None:
    whole = as_saved({"model": torch.ones(1000)})
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MissingWeights, match="incomplete"):
        kind_of(tmp_path / "half.pt")


def test_tensors_are_harmless(tmp_path: Path) -> None:
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    state.update({str(kind): torch.ones(2, dtype=kind) for kind in (torch.half, torch.bfloat16)})
    torch.save({"model": state, "epoch": 3, "loss": [0.5, None, "x"]}, tmp_path / "tensors.pt")
    names = require_known(tmp_path / "tensors.pt", TENSORS)
    assert {"collections.OrderedDict", "torch.FloatStorage", "torch.HalfStorage"} < names
    assert kind_of(tmp_path / "tensors.pt") == "state_dict"


def test_names_are_those_of_today(tmp_path: Path) -> None:
    """torch.save writes the names of Python 2."""
    content = [subprocess.Popen, range, pickle.loads, {1, 2}]
    torch.save(content, tmp_path / "names.pt")
    assert imported_names(tmp_path / "names.pt") == {
        "subprocess.Popen",
        "builtins.range",
        "pickle.loads",
        "builtins.set",
    }


def test_models_of_ultralytics_are_recognized_by_their_names(tmp_path: Path) -> None:
    data = b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n."
    (tmp_path / "model.pt").write_bytes(pickled(data))
    assert kind_of(tmp_path / "model.pt") == "ultralytics"


def test_scanning_needs_no_torch() -> None:
    program = "import sys, premask.models.weights.pickles; assert 'torch' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "plugin")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


# --- archives that show one pickle to the scanner, and another one to torch

BENIGN = as_saved([1.0, torch.ones(2)])
HARMFUL = as_saved([Calls(os.system, COMMAND), torch.ones(2)])


def list_of_parts(archive: bytes) -> tuple[int, int]:
    """Where the list of an archive's parts begins and ends."""
    start = archive.index(b"PK\x01\x02")
    end = min(archive.find(mark, start) % len(archive) for mark in (b"PK\x05\x06", b"PK\x06\x06"))
    return start, end


def with_two_lists() -> bytes:
    """zipfile reads the list that lies before the end, torch the one whose place is written there.

    zipfile takes the distance between the two for something that was put before the archive, and
    adds it to the places of all parts.
    """
    start, end = list_of_parts(HARMFUL)
    good_start, good_end = list_of_parts(BENIGN)
    place = max(start, good_start)
    body = HARMFUL[:start] + bytes(place - start) + HARMFUL[start:end]
    shown = bytearray(BENIGN[good_start:good_end])
    at = 0
    while (at := shown.find(b"PK\x01\x02", at)) >= 0:
        (offset,) = struct.unpack("<I", shown[at + 42 : at + 46])
        shown[at + 42 : at + 46] = struct.pack("<I", offset + place - good_start)
        at += 4
    count, size = shown.count(b"PK\x01\x02"), len(shown)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, size, place, 0)
    return body + BENIGN[:good_start] + bytes(shown) + last


AMBIGUOUS: dict[str, tuple[bytes, str]] = {
    "two lists of parts": (with_two_lists(), "list of parts"),
    "another archive before it": (HARMFUL + BENIGN, "list of parts"),
    "a pickle before it": (
        pickle.dumps(Calls(os.system, COMMAND), protocol=2) + BENIGN,
        "before its first part",
    ),
    "a comment": (BENIGN[:-2] + struct.pack("<H", len(HARMFUL)) + HARMFUL, "list of parts"),
    "bytes behind it": (BENIGN + bytes(100), "behind its list of parts"),
    "capital letters": (
        zipped(data__pkl=b"\x80\x02N.", DATA__PKL=b"\x80\x02N."),
        "the same name",
    ),
    "a name with a zero": (
        zipped(data__pkl=b"\x80\x02N.").replace(b"archive/version", b"archive/v\0rsion"),
        "goes on behind its end",
    ),
}


@pytest.mark.parametrize("trick", AMBIGUOUS)
def test_what_two_readers_could_read_differently_is_refused(trick: str, tmp_path: Path) -> None:
    data, reason = AMBIGUOUS[trick]
    (tmp_path / "odd.pt").write_bytes(data)
    with pytest.raises(UnsafeWeights, match=reason):
        imported_names(tmp_path / "odd.pt")


def test_the_parts_lie_in_one_folder(tmp_path: Path) -> None:
    """torch takes the folder of the first part for that of all."""
    with zipfile.ZipFile(tmp_path / "odd.pt", "w") as archive:
        archive.writestr("other/version", b"3\n")
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
    with pytest.raises(UnsafeWeights, match="not in one folder"):
        imported_names(tmp_path / "odd.pt")


def test_the_two_lists_are_a_trick_indeed(tmp_path: Path) -> None:
    """zipfile shows tensors, and torch would run the other pickle."""
    path = tmp_path / "odd.pt"
    path.write_bytes(with_two_lists())
    with zipfile.ZipFile(path) as archive:
        (shown,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        assert b"system" not in archive.read(shown)
    reader = torch._C.PyTorchFileReader(str(path))
    assert b"system" in reader.get_record("data.pkl")
